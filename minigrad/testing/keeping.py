"""Checks of what one op keeps: memory shared with its inputs, buffers used again, leaks."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor
from .checks import Call

__all__ = ["check_aliasing", "check_memory"]

RUNS = 3


def check_aliasing(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """Results share memory with an input only if they are views, and with no later result."""
    call = Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(np.float64))
    first = [o for o in call.outputs(tensors) if isinstance(o, Tensor)]
    for i, o in enumerate(first):
        for k, t in enumerate(tensors):
            known = o is t or (o._cell is not None and o._cell is t._cell)
            assert known or not _share(o._data, t._data), (
                f"output {i} shares memory with input {k}, so that changing one in place changes "
                "the other. Return a copy, or declare the op with view=True."
            )
    slopes = call.gradients(tensors) if case.grad else []
    for i, g in enumerate(slopes):
        for k, t in enumerate(tensors):
            assert g is None or not _share(g, t._data), (
                f"the gradient of input {i} shares memory with input {k}. Return a copy."
            )
    other = call.given.tensors(call.given.cast(np.float64))
    second = [o for o in call.outputs(other) if isinstance(o, Tensor)]
    kept = "lies in memory that the next call uses again. Make a new array in every call."
    for i, (o, p) in enumerate(zip(first, second)):
        assert not _share(o._data, p._data), f"output {i} {kept}"
    for i, (g, h) in enumerate(zip(slopes, call.gradients(other) if case.grad else [])):
        assert g is None or h is None or not _share(g, h), f"the gradient of input {i} {kept}"


def _share(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(a.size and b.size and np.may_share_memory(a, b))


def check_memory(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """After a run, forward and backward, no more arrays are alive than after the one before."""
    call = Call(fn, case, args, kwargs)
    collecting, tracing = gc.isenabled(), tracemalloc.is_tracing()
    _run(call, case)
    gc.disable()  # graphs must die by themselves
    if not tracing:
        tracemalloc.start()
    try:
        _run(call, case)
        count, size = _alive()
        for _ in range(RUNS):
            _run(call, case)
        more, larger = _alive()
    finally:
        if not tracing:
            tracemalloc.stop()
        if collecting:
            gc.enable()
    assert more - count < RUNS, (
        f"{RUNS} more runs leave {more - count} more arrays alive, {larger - size} bytes. Keep no "
        "results on the side, and no reference from an output to itself; hand a rule what it "
        "needs by naming it."
    )


def _alive() -> tuple[int, int]:
    """How many arrays own memory that was taken while tracing, and how much."""
    traces = tracemalloc.take_snapshot().traces
    sizes = [t.size for t in traces if t.domain == np.lib.tracemalloc_domain]
    return len(sizes), sum(sizes)


def _run(call: Call, case: Any) -> Sequence[Any]:
    tensors = call.given.tensors(call.given.cast(np.float64))
    return call.gradients(tensors) if case.grad else call.outputs(tensors)
