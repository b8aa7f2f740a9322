"""autograd.Function: an op with its own backward, written as a class, as in PyTorch.

A function of your own over ndarrays is shorter as an op (see minigrad.op); this is for code written
for PyTorch, and for backward passes that are not the gradient (straight-through estimators,
gradient reversal).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Node, is_grad_enabled, no_grad
from ..errors import GradientError
from ..inplace import check_in_place, replace
from ..tensor import Tensor, edge_of, wrap
from .node import FunctionNode, Saved

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What `forward` leaves for `backward`; any attribute may be set on it."""

    needs_input_grad: tuple[bool, ...] = ()
    _saved: tuple[Any, ...] = ()
    _node: weakref.ref[FunctionNode] | None = None  # the node holds the context
    _not_differentiable: tuple[Tensor, ...] = ()
    _dirty: tuple[Tensor, ...] = ()
    _materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`; a later in-place change of one is then noticed."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward: takes Tensors or None; got {type(t).__name__} at place "
                    f"{i}. Set other values as attributes, as in ctx.size = size."
                )
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given."""
        node = None if self._node is None else self._node()
        return self._saved if node is None else node.unpack()

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Outputs through which no gradient flows (indices, masks)."""
        self._not_differentiable = outputs

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Inputs that `forward` changed in place; return them as outputs."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """False: `backward` gets None, not zeros, for outputs that were not used."""
        self._materialize = value


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

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the outputs, Tensors or a tuple of them."""
        raise NotImplementedError("Function: define forward(ctx, *args) as a staticmethod.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fill `ctx` for a `forward` that does not take it."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of the arguments, given those of the outputs."""
        raise NotImplementedError(
            "Function: define backward(ctx, *grads) as a staticmethod; a gradient needed it."
        )

    def __init__(self) -> None:
        raise RuntimeError(
            f"{type(self).__name__}: a Function is not instantiated; call "
            f"{type(self).__name__}.apply(...)."
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run `forward` and record it."""
        ctx = FunctionCtx()
        places = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))
        recording = is_grad_enabled()
        edges = tuple(edge_of(args[i]) if recording else None for i in places)
        wants = {i for i, e in zip(places, edges) if e is not None}
        ctx.needs_input_grad = tuple(i in wants for i in range(len(args)))
        before = {id(args[i]): (args[i]._node, args[i]._rg) for i in places}
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        outputs = list(result) if isinstance(result, tuple) else [result]
        for t in ctx._dirty:
            if recording and wants:
                check_in_place(t, cls.__name__)
            t._node, t._rg = before.get(id(t), (t._node, t._rg))
        given = [args[i] for i in places]
        fresh = [_own(o, given, ctx._dirty) for o in outputs]
        node = _attach(cls, ctx, args, places, edges, outputs, fresh) if wants else None
        for i, o in enumerate(outputs):
            if _is_any(o, ctx._dirty):
                replace(o, fresh[i], cls.__name__)
                fresh[i] = o
        if node is not None:
            node.saved = tuple(None if t is None else Saved(t, outputs, given) for t in ctx._saved)
            ctx._saved, ctx._dirty, ctx._not_differentiable = (), (), ()
        return tuple(fresh) if isinstance(result, tuple) else fresh[0]


def _own(out: Any, given: Sequence[Tensor], dirty: Sequence[Tensor]) -> Any:
    """An output with a buffer of its own, so that in-place changes of it stay its own affair."""
    if not isinstance(out, Tensor):
        return out
    shared = any(np.may_share_memory(out._data, t._data) for t in given)
    if shared and not _is_any(out, dirty):
        return wrap(out._data.copy())
    return wrap(out._data) if out._rg or out._node is not None or shared else out


def _attach(
    cls: type[Function],
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    places: tuple[int, ...],
    edges: tuple[Any, ...],
    outputs: Sequence[Any],
    fresh: Sequence[Any],
) -> FunctionNode:
    """Record the call: make its node and point the outputs at it."""
    node = FunctionNode.__new__(FunctionNode)
    tensors = [o for o in fresh if isinstance(o, Tensor)]
    if len(tensors) != len(fresh):
        got = ", ".join(type(o).__name__ for o in fresh)
        raise TypeError(f"{cls.__name__}: forward must return Tensors; got {got}.")
    single = len(tensors) == 1
    shapes = tuple(o._data.shape for o in tensors)
    kinds = tuple(o._data.dtype for o in tensors)
    Node.__init__(node, edges, shapes[0] if single else shapes, kinds[0] if single else kinds)
    node.live = tuple(
        o._data.dtype.kind == "f" and not _is_any(was, ctx._not_differentiable)
        for o, was in zip(tensors, outputs)
    )
    node.cls, node.ctx, node.count, node.places = cls, ctx, len(args), places
    node.saved, node.released = (), False
    ctx._node = weakref.ref(node)
    for i, o in enumerate(tensors):
        if node.live[i]:
            o._node, o._rg = node.edge(i, o._data), True
    return node


def _is_any(t: Any, values: Sequence[Any]) -> bool:
    return any(t is v for v in values)


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a `backward` that cannot be differentiated again: trying to is an error."""

    @functools.wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            result = fn(ctx, *grads)
        if not is_grad_enabled():
            return result
        edges = tuple(edge_of(t) for t in (*grads, *ctx.saved_tensors) if isinstance(t, Tensor))
        parts = result if isinstance(result, tuple) else (result,)
        marked = tuple(_Once.mark(r, edges) for r in parts)
        return marked if isinstance(result, tuple) else marked[0]

    return backward


class _Once(Node):
    """Stands behind a gradient that must not be differentiated again."""

    __slots__ = ()

    @staticmethod
    def mark(value: Any, edges: tuple[Any, ...]) -> Any:
        """`value`, such that differentiating it raises."""
        if not isinstance(value, Tensor) or not any(e is not None for e in edges):
            return value
        out = wrap(value._data)
        out._node, out._rg = _Once(edges, value._data.shape, value._data.dtype), True
        return out

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        raise GradientError(
            "once_differentiable: trying to differentiate twice a function that was marked with "
            "@once_differentiable. Remove the mark and write backward with minigrad's functions."
        )
