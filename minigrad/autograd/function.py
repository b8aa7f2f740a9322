"""autograd.Function: an op with its own backward, written as a class, as in PyTorch.

A function of your own over ndarrays is shorter as an op (see minigrad.op); this is for code written
for PyTorch, and for backward passes that are not the gradient (straight-through estimators,
gradient reversal). What is recorded of a call is in node.py.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..contract import Watch, line_of, switch
from ..engine import Node, Output, mode, tick
from ..errors import GradientError
from ..inplace import check_in_place, replace
from ..tensor import Tensor, edge_of, wrap
from .context import FunctionCtx
from .node import FunctionNode, Saved

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class Function:
    """Subclass with static methods `forward(ctx, *args)` and `backward(ctx, *grads)`.

    Call it as `MyFunction.apply(*args)`. `forward` runs without recording; `backward` returns one
    gradient per argument of `forward`, None for those without, and is itself recorded for gradients
    of gradients. Instead of taking `ctx`, `forward` may come with `setup_context(ctx, inputs,
    output)`.

        class Double(Function):
            @staticmethod
            def forward(ctx, x):
                return 2 * x

            @staticmethod
            def backward(ctx, g):
                return 2 * g
    """

    _forward: Callable[..., Any]  # as the user wrote it; forward itself is guarded
    _watch = Watch()
    _split = False  # whether setup_context stands apart from forward

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("forward", "backward", "setup_context"):
            if inspect.isfunction(cls.__dict__.get(name)):
                raise TypeError(
                    f"{cls.__name__}: {name} must be a static method, since no instance is made. "
                    f"Put @staticmethod on the line above def {name}(...), at "
                    f"{line_of(cls.__dict__[name])}."
                )
        cls._watch = Watch()
        cls._split = cls.setup_context is not Function.setup_context
        if "forward" in cls.__dict__:
            cls._forward = staticmethod(cls.forward)
            if not cls._split:
                cls.forward = staticmethod(_not_called(cls.__name__, cls.forward))  # type: ignore[method-assign]

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the outputs, Tensors or a tuple of them."""
        raise NotImplementedError("Function: define forward(ctx, *args) as a staticmethod.")

    _forward = forward

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fill `ctx` for a `forward` that does not take it."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of the arguments, given those of the outputs."""
        node = None if ctx._node is None else ctx._node()
        raise NotImplementedError(
            f"{'Function' if node is None else node.cls.__name__}: define backward(ctx, *grads) as "
            "a staticmethod; a gradient needed it."
        )

    def __init__(self) -> None:
        raise RuntimeError(
            f"{type(self).__name__}: a Function is not instantiated; call "
            f"{type(self).__name__}.apply(...)."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and record it. Keywords and defaults are for a split forward."""
        if kwargs or cls._split:
            args = _bound(cls, args, kwargs)
        needs = [False] * len(args)
        places, given, edges = [], [], []
        for i, t in enumerate(args):
            if isinstance(t, Tensor):
                places.append(i)
                given.append(t)
                edges.append(edge_of(t))
                needs[i] = t._rg
        ctx = FunctionCtx(tuple(needs))
        recording, trace = mode.recording, mode.trace
        wants = recording and True in needs
        versions = [t._version for t in given]
        copies = None
        if switch.on:
            key = tuple([t._data.shape for t in given])
            if key not in cls._watch.seen:
                copies = cls._watch.copies(key, [t._data for t in given])
        mode.recording, mode.trace = False, None
        try:
            if cls._split:
                result = cls._forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls._forward(ctx, *args)
        finally:
            mode.recording, mode.trace = recording, trace
        outputs = list(result) if isinstance(result, tuple) else [result]
        dirty = ctx._dirty
        if dirty:
            _check_dirty(cls, dirty, given, outputs, edges, wants)
        if copies is not None or (switch.on and versions != [t._version for t in given]):
            _check_inputs(cls, places, given, versions, copies, dirty)
        fresh = [_own(o, given, dirty) for o in outputs]
        node = None
        if wants:
            node = _attach(cls, ctx, len(args), given, tuple(places), tuple(edges), outputs, fresh)
        for i, o in enumerate(outputs) if dirty else ():
            if _is_any(o, dirty):
                replace(o, fresh[i], cls.__name__)
                fresh[i] = o
        if node is not None and ctx._saved:
            node.saved = [None if t is None else Saved(t, outputs, given) for t in ctx._saved]
            ctx._saved = None
        if node is not None and (dirty or ctx._not_differentiable):
            ctx._dirty = ctx._not_differentiable = ()  # else a cycle through the outputs
        return tuple(fresh) if isinstance(result, tuple) else fresh[0]


def _not_called(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward` for whoever calls it by name (super().forward): not with tensors alone."""

    @functools.wraps(forward)
    def checked(*args: Any) -> Any:
        if args and isinstance(args[0], Tensor):
            raise TypeError(
                f"{name}.forward: is not called directly, or nothing is recorded; got a Tensor in "
                f"place of ctx. Call {name}.apply(...)."
            )
        return forward(*args)

    return checked


def _bound(cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of a split forward, defaults filled in, as `setup_context` gets them."""
    if not cls._split:
        raise TypeError(
            f"{cls.__name__}.apply: takes no keyword arguments; got {', '.join(kwargs)}. Give them "
            "by position, or split forward and setup_context."
        )
    bound = inspect.signature(cls._forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _check_dirty(
    cls: type[Function],
    dirty: Sequence[Tensor],
    given: Sequence[Tensor],
    outputs: Sequence[Any],
    edges: Sequence[Any],
    wants: bool,
) -> None:
    """What is given to mark_dirty must be inputs and outputs; give them back their old places."""
    for t in dirty:
        if not _is_any(t, given) or not _is_any(t, outputs):
            what = "an input" if not _is_any(t, given) else "returned as an output too"
            raise GradientError(
                f"{cls.__name__}: what is given to mark_dirty must be {what}; got a tensor of "
                f"shape {t._data.shape}. Write x.add_(1); ctx.mark_dirty(x); return x."
            )
        if wants:
            check_in_place(t, cls.__name__)
        edge = next(e for e, x in zip(edges, given) if x is t)
        t._node, t._rg = None if edge is t else edge, edge is not None


def _check_inputs(
    cls: type[Function],
    places: Sequence[int],
    given: Sequence[Tensor],
    versions: Sequence[int],
    copies: list[Any] | None,
    dirty: Sequence[Tensor],
) -> None:
    """What forward did to its inputs must be what it said with `mark_dirty`."""
    for k, (i, t) in enumerate(zip(places, given)):
        changed = t._version != versions[k]
        if (not changed and copies is None) or _is_any(t, dirty):
            continue
        if copies is not None and not changed:
            changed = cls._watch.restored([t._data], [copies[k]]) is not None
        if changed:
            raise GradientError(
                f"{cls.__name__}: forward changed argument {i}, of shape {t._data.shape}, in "
                "place without saying so. Work on x.clone(), or say it: ctx.mark_dirty(x) and "
                f"return x. It stands at {line_of(cls._forward)}."
            )


def _own(out: Any, given: Sequence[Tensor], dirty: Sequence[Tensor]) -> Any:
    """An output with a buffer of its own, so that in-place changes of it stay its own affair."""
    if not isinstance(out, Tensor):
        return out
    a = out._data
    if a.base is None:
        shared = any([a is t._data or a is t._data.base for t in given])
    else:
        shared = any([np.may_share_memory(a, t._data) for t in given])
    if shared and not _is_any(out, dirty):
        return wrap(a.copy())
    return wrap(a) if out._rg or out._node is not None or shared else out


def _attach(
    cls: type[Function],
    ctx: FunctionCtx,
    count: int,
    given: Sequence[Tensor],
    places: tuple[int, ...],
    edges: tuple[Any, ...],
    outputs: Sequence[Any],
    fresh: Sequence[Any],
) -> FunctionNode:
    """Record the call: make its node and point the outputs at it."""
    if not any([isinstance(o, Tensor) for o in fresh]):
        got = ", ".join(type(o).__name__ for o in fresh)
        hints = {"list": " Return a tuple.", "ndarray": " Return minigrad.from_numpy(y)."}
        hint = hints.get(got, "")
        raise TypeError(f"{cls.__name__}: forward must return Tensors; got {got}.{hint}")
    for t in ctx._not_differentiable:
        if not _is_any(t, outputs):
            raise GradientError(
                f"{cls.__name__}: what is given to mark_non_differentiable must be an output; got "
                f"a tensor of shape {t._data.shape}. Write ctx.mark_non_differentiable(index); "
                "return values, index."
            )
    node = _new_node(FunctionNode)
    node.seq, node.inputs = tick(), edges
    node.cls, node.ctx, node.count, node.places = cls, ctx, count, places
    node.made = _check_attributes(cls, ctx, outputs, given) if ctx.__dict__ else ()
    node.saved, node.released = (), False
    shapes, kinds, live = [], [], []
    for o, was in zip(fresh, outputs):
        a = o._data if isinstance(o, Tensor) else None
        shapes.append(() if a is None else a.shape)
        kinds.append(None if a is None else a.dtype)
        constant = ctx._not_differentiable and _is_any(was, ctx._not_differentiable)
        live.append(a is not None and a.dtype.kind == "f" and not constant)
    single = len(fresh) == 1
    node.shape, node.dtype = (shapes[0], kinds[0]) if single else (shapes, kinds)
    node.live = live
    ctx._node = weakref.ref(node)
    for i, o in enumerate(fresh):
        if live[i]:
            o._node, o._rg = node if single else Output(node, i, shapes[i], kinds[i]), True
    return node


_new_node = FunctionNode.__new__


def _check_attributes(
    cls: type[Function], ctx: FunctionCtx, outputs: Sequence[Any], given: Sequence[Tensor]
) -> tuple[str, ...]:
    """Names of the attributes that hold tensors or arrays other than inputs.

    Refuse an output kept as an attribute: output -> node -> ctx -> output is never freed.
    """
    made = []
    for name, value in ctx.__dict__.items():
        if name.startswith("_"):
            continue
        for t in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(t, (Tensor, np.ndarray)) and not _is_any(t, given):
                made.append(name)
            if isinstance(t, Tensor) and _is_any(t, outputs) and t._node is None:
                raise GradientError(
                    f"{cls.__name__}: ctx.{name} holds an output of forward: a reference cycle "
                    "that keeps the graph alive, and changes in place go unnoticed. Write "
                    "ctx.save_for_backward(y), and (y,) = ctx.saved_tensors in backward."
                )
    return tuple(made)


def _is_any(t: Any, values: Sequence[Any]) -> bool:
    return any([t is v for v in values])


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a `backward` that cannot be differentiated again: trying to is an error."""

    @functools.wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        recording, trace = mode.recording, mode.trace
        mode.recording, mode.trace = False, None
        try:
            result = fn(ctx, *grads)
        finally:
            mode.recording, mode.trace = recording, trace
        if not recording:
            return result
        if trace is not None:
            trace.left = ""  # the mark says more
        node = None if ctx._node is None else ctx._node()
        edges = tuple(edge_of(t) for t in grads if isinstance(t, Tensor))
        edges += () if node is None else node.inputs
        parts = result if isinstance(result, tuple) else (result,)
        name = "" if node is None else f"{node.name()}: "
        marked = tuple(_Once.mark(r, edges, name) for r in parts)
        return marked if isinstance(result, tuple) else marked[0]

    return backward


class _Once(Node):
    """Stands behind a gradient that must not be differentiated again."""

    __slots__ = ("of",)

    of: str  # whose gradient it is

    @staticmethod
    def mark(value: Any, edges: tuple[Any, ...], of: str) -> Any:
        """`value`, such that differentiating it raises."""
        if not isinstance(value, Tensor) or not any(e is not None for e in edges):
            return value
        out = wrap(value._data)
        node = _Once(edges, value._data.shape, value._data.dtype)
        node.of = of
        out._node, out._rg = node, True
        return out

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        raise GradientError(
            f"{self.of}trying to differentiate twice a function that was marked with "
            "@once_differentiable. Remove the mark and write backward with minigrad's functions."
        )
