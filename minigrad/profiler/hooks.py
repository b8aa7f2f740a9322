"""What is put in place while a profile runs: timed copies of what ops, nodes and optimisers call.

Nothing here runs otherwise, and no other file knows of it: the functions that an op runs, the
`pullback` of every kind of node, every optimiser's `step`, and `choose` of the convolutions are
replaced by ones that also take the time, and put back.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numpy as np

from .. import call
from ..engine import Node
from ..kernels import conv
from ..op import Op
from ..optim import Optimizer
from .events import Event, Recorder

__all__ = ["installed"]


def installed(recorder: Recorder) -> Callable[[], None]:
    """Put the hooks in place; what is returned takes them away."""
    undo: list[Callable[[], None]] = []

    def swap(owner: Any, name: str, new: Any) -> None:
        undo.append(functools.partial(setattr, owner, name, getattr(owner, name)))
        setattr(owner, name, new)

    for op, owner, name in _forwards():
        swap(owner, name, _timed_forward(recorder, op, getattr(owner, name)))
    for kind in _family(Node):
        for name in ("pullback", "first_order"):  # those that are its own, not inherited
            if name in kind.__dict__:
                swap(kind, name, _timed_pullback(recorder, kind.__dict__[name]))
    for made in _family(Optimizer):
        if "step" in made.__dict__:
            swap(made, "step", _timed_step(recorder, made.__dict__["step"]))
    swap(conv, "choose", _noted(recorder, conv.choose))

    def restore() -> None:
        for back in reversed(undo):
            back()

    return restore


def _forwards() -> list[tuple[Op, Any, str]]:
    """Of every op, those of users too, each place (object, attribute) of what it runs.

    That is `apply` of the op and, where its call has a fast path, the variable `forward` which
    that closes over.
    """
    found: dict[int, tuple[Op, Any, str]] = {}
    for f in gc.get_objects():  # no registry has the ops of users
        if type(f) is FunctionType and f.__globals__ is vars(call):
            scope = dict(zip(f.__code__.co_freevars, f.__closure__ or ()))
            if "op" in scope:
                op = scope["op"].cell_contents
                found[id(op)] = (op, op, "apply")
                if "forward" in scope:
                    found[id(scope["forward"])] = (op, scope["forward"], "cell_contents")
    return list(found.values())


def _family(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from _family(sub)


def _timed_forward(
    recorder: Recorder, op: Op, forward: Callable[..., Any]
) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        event = recorder.begin(op.name, "op")
        try:
            result = forward(*args)
        finally:
            recorder.end(event)
        _note_arrays(event, args[0] if op.variadic else args, result, op.view)
        return result

    return run


def _note_arrays(event: Event, args: Any, result: Any, view: bool) -> None:
    """The shapes of what went in and came out, and the bytes of both."""
    given = [a for a in args if isinstance(a, np.ndarray)]
    made = [a for a in (result if isinstance(result, tuple) else (result,)) if hasattr(a, "nbytes")]
    event.input_shapes = tuple([a.shape for a in given])
    event.output_shapes = tuple([a.shape for a in made])
    event.dtype = made[0].dtype if made else None
    if not (view and given and made and np.may_share_memory(given[0], made[0])):
        event.bytes = sum([a.nbytes for a in given]) + sum([a.nbytes for a in made])


def _timed_pullback(recorder: Recorder, pullback: Callable[..., Any]) -> Callable[..., Any]:
    def run(node: Any, g: Any, *rest: Any) -> Any:
        outer, name = recorder.current, node.name()
        if outer is not None and outer.kind == "backward" and outer.name == name:
            return pullback(node, g, *rest)  # one way to run a rule may call another
        event = recorder.begin(name, "backward")
        try:
            back = pullback(node, g, *rest)
        finally:
            recorder.end(event)
        if not event.inner:  # its rules ran on arrays, or there was nothing to do
            given = [_bare(c) for c in (g if isinstance(g, list) else [g])]
            _note_arrays(event, given, tuple([_bare(c) for c in back]), True)
        return back

    return run


def _bare(cotangent: Any) -> Any:
    """The array of a cotangent: a Tensor or an array, by itself or after the edge it is for."""
    one = cotangent[1] if isinstance(cotangent, tuple) else cotangent
    return getattr(one, "_data", one)


def _timed_step(recorder: Recorder, step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def run(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        event = recorder.begin(f"Optimizer.step#{type(optimizer).__name__}.step", "optimizer")
        try:
            return step(optimizer, *args, **kwargs)
        finally:
            recorder.end(event)
            event.bytes = _updated_bytes(optimizer)

    return run


def _updated_bytes(optimizer: Any) -> int:
    """Each gradient is read, each parameter and each array of its state read and written."""
    total = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                like = [s for s in optimizer.state.get(p, {}).values()
                        if getattr(s, "shape", None) == p.shape]
                total += p._data.nbytes * (3 + 2 * len(like))
    return total


def _noted(recorder: Recorder, choose: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(choose)
    def run(*args: Any, **kwargs: Any) -> str:
        name = choose(*args, **kwargs)
        event = recorder.current
        if event is not None:
            event.algorithm = name
        return name

    return run
