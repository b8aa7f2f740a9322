"""`backward` and `grad`: where a walk starts, and where its cotangents end up."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from .convert import as_tensor
from .engine import walk
from .errors import GradientError, ShapeError
from .kernels.elementwise import add
from .quiet import quiet, silent, unquiet
from .sole import references, sole, usual
from .tensor import Tensor, edge_of, wrap

__all__ = ["backward", "grad"]


def _starts(name: str, tensors: Sequence[Tensor], seeds: Any) -> list[tuple[Any, Tensor]]:
    """Edge and cotangent of each tensor to start from."""
    if seeds is None or isinstance(seeds, (Tensor, np.ndarray, int, float)):
        seeds = [seeds] * len(tensors) if seeds is None else [seeds]
    if len(seeds) != len(tensors):
        raise GradientError(
            f"{name}: needs one gradient per tensor; got {len(tensors)} tensors and "
            f"{len(seeds)} gradients."
        )
    starts = []
    for t, g in zip(tensors, seeds):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected Tensors; got {type(t).__name__}.")
        edge = edge_of(t)
        if edge is None:
            why = (
                "it was computed inside no_grad, detached, or from tensors without requires_grad"
                if t.is_floating_point()
                else f"its dtype is {t.dtype}, and only floating tensors have gradients"
            )
            raise GradientError(
                f"{name}: the tensor does not require grad and has no grad_fn: {why}. Set "
                "requires_grad=True on the parameters before the forward pass."
            )
        if g is None:
            if t._data.size != 1:
                raise GradientError(
                    f"{name}: grad can be implicitly created only for scalar outputs; got shape "
                    f"{tuple(t._data.shape)}. Reduce it first, as in y.sum().backward(), or pass "
                    "its cotangent, as in y.backward(minigrad.ones_like(y))."
                )
            g = wrap(np.ones_like(t._data))
        g = as_tensor(g)
        if g._data.shape != t._data.shape:
            raise ShapeError(
                f"{name}: the gradient must have the tensor's shape {tuple(t._data.shape)}; "
                f"got {tuple(g._data.shape)}."
            )
        if g._data.dtype != t._data.dtype:
            g = g.to(t._data.dtype)
        starts.append((edge, g))
    return starts


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of the sum of `tensors` (times `grad_tensors`) to the `.grad` of leaves.

    See `Tensor.backward` for the arguments.
    """
    targets = None
    if inputs is not None:
        inputs = _as_list(inputs)
        if not inputs:
            raise GradientError("backward: `inputs` is empty; leave it out to reach every leaf.")
        targets = [edge_of(t) for t in inputs]
        if any(e is None for e in targets):
            raise GradientError("backward: every one of `inputs` must require grad.")
    starts = _starts("backward", _as_list(tensors), grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    found = _walk(starts, targets, keep, create_graph)
    del starts
    if inputs is not None:
        for t, edge in zip(inputs, targets or ()):
            if t._node is not None and edge in found:
                g = found.pop(edge)
                _accumulate(t, g, create_graph)
    while found:
        leaf, g = found.popitem()
        if isinstance(leaf, Tensor):
            _accumulate(leaf, g, create_graph)


def _walk(
    starts: Sequence[tuple[Any, Tensor]], targets: Any, keep: bool, create_graph: bool
) -> dict[Any, Any]:
    """The cotangents that arrive: Tensors if the pass is recorded, else bare arrays."""
    if create_graph:
        return walk(starts, targets, keep)
    token = quiet(silent)
    try:
        return walk([(edge, g._data) for edge, g in starts], targets, keep, _lift, add)
    finally:
        unquiet(token)


def _lift(a: Any) -> Tensor:
    """A Tensor of an array, or of the number that NumPy makes of an array without dims."""
    return wrap(np.asarray(a))


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs` (times `grad_outputs`) with respect to `inputs`.

    Touches no `.grad`. An input that does not take part gives an error, None with
    `allow_unused`, or zeros with `materialize_grads`.
    """
    if is_grads_batched:
        raise NotImplementedError(
            "grad: is_grads_batched is not supported. Call grad once per cotangent."
        )
    tensors = _as_list(inputs)
    edges = []
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"grad: inputs must be Tensors; got {type(t).__name__} at place {i}.")
        edge = edge_of(t)
        if edge is None:
            raise GradientError(
                f"grad: every input must require grad; input {i} of shape {tuple(t._data.shape)} "
                "does not. Set requires_grad=True on it before the forward pass."
            )
        edges.append(edge)
    keep = create_graph if retain_graph is None else retain_graph
    starts = _starts("grad", _as_list(outputs), grad_outputs)
    found = _walk(starts, edges, keep, create_graph)
    if not create_graph:  # one array, one Tensor
        made = {id(g._data): g for _, g in starts}
        for edge, a in found.items():
            found[edge] = made.setdefault(id(a), wrap(a))
    result: list[Tensor | None] = []
    for i, (t, edge) in enumerate(zip(tensors, edges)):
        g = found.get(edge)
        if g is not None and edge is t:
            g = _run_hooks(t, g)
        if g is None and materialize_grads:
            g = wrap(np.zeros_like(t._data))
        if g is None and not allow_unused:
            raise GradientError(
                f"grad: input {i} of shape {tuple(t._data.shape)} was not used in the graph of the "
                "outputs. Pass allow_unused=True to get None for it."
            )
        result.append(g)
    return tuple(result)


def _run_hooks(leaf: Tensor, g: Tensor) -> Tensor:
    for hook in list(leaf._hooks or ()):
        new = hook(g)
        if new is None:
            continue
        if new.shape != leaf.shape:
            raise GradientError(
                f"backward: a hook of a leaf must return a gradient of its shape "
                f"{tuple(leaf.shape)}, or None; got {tuple(new.shape)}."
            )
        g = new
    return g


_collecting = threading.Lock()
if hasattr(os, "register_at_fork"):  # another thread may hold it while this one forks
    os.register_at_fork(after_in_child=_collecting._at_fork_reinit)  # type: ignore[attr-defined]


def _accumulate(leaf: Tensor, g: Any, recorded: bool) -> None:
    """Add `g` to the leaf's gradient, taking over an array if nothing else refers to it.

    It is a Tensor if the pass was recorded, else an array.
    """
    if recorded:
        g = _run_hooks(leaf, g)
        leaf._grad = g if leaf._grad is None else leaf._grad + g
    else:
        hooked = bool(leaf._hooks)  # a hook may have kept what it was given
        if hooked:
            g = _run_hooks(leaf, wrap(g))._data
        with _collecting:  # NumPy lets other threads run while it adds
            before = leaf._grad
            if before is None:
                leaf._grad = wrap(g if not hooked and sole(g, USUAL) else np.array(g, order="C"))
            else:
                np.add(before._data, g, before._data)
                if before._cell is not None:
                    before._cell.version += 1
    for hook in list(leaf.__dict__.get("_post_hooks", ())):
        hook(leaf)


def _chain() -> int:
    """The references to a gradient that `backward`'s loop alone holds, in `_accumulate`."""
    seen: list[int] = []

    def accumulate(leaf: Any, g: Any, recorded: bool) -> None:
        seen.append(references(g))

    found = {"leaf": object()}
    while found:
        leaf, g = found.popitem()
        accumulate(leaf, g, False)
    return seen[0]


USUAL = usual(_chain)
