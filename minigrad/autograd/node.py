"""The graph node of an autograd.Function: what it saved, and how the walk calls its backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Node, Output, is_grad_enabled
from ..errors import GradientError, ShapeError
from ..tensor import Tensor, wrap

__all__ = ["FunctionNode", "Saved"]


class Saved:
    """A saved tensor and its version. An output is kept as an array: no reference cycle."""

    __slots__ = ("cell", "index", "value", "version")

    def __init__(self, t: Tensor, outputs: Sequence[Any], given: Sequence[Tensor]) -> None:
        self.index = next((i for i, o in enumerate(outputs) if o is t), None)
        if self.index is not None and t._node is None and any(t is x for x in given):
            self.index = None  # an input that was returned as it is
        self.value: Tensor | np.ndarray = t if self.index is None else t._data
        self.cell = t._share_cell()
        self.version = self.cell.version


class FunctionNode(Node):
    """One recorded call of a Function."""

    __slots__ = ("cls", "count", "ctx", "live", "places", "released", "saved")

    cls: Any
    ctx: Any
    count: int  # arguments of forward
    places: tuple[int, ...]  # which of them are tensors
    live: tuple[bool, ...]  # which outputs carry gradients
    released: bool
    saved: tuple[Saved | None, ...]

    @property
    def name(self) -> str:
        return f"{self.cls.__name__}Backward"

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.live)

    def release(self) -> None:
        if self.saved:
            self.saved, self.released = (), True

    def unpack(self) -> tuple[Any, ...]:
        """The saved tensors, their versions checked."""
        if self.released:
            raise GradientError(
                f"{self.name}: trying to backward through the graph a second time, but what this "
                "function saved was freed by the first pass. Use loss.backward(retain_graph=True) "
                "the first time, or compute the loss again."
            )
        return tuple(None if s is None else self._checked(s) for s in self.saved)

    def _checked(self, s: Saved) -> Tensor:
        if s.cell.version != s.version:
            raise GradientError(
                f"{self.name}: one of the tensors needed for its gradient has been modified by an "
                f"inplace operation: it was at version {s.version} when it was saved and is at "
                f"version {s.cell.version} now, changed by {s.cell.where}. Change a clone instead."
            )
        if isinstance(s.value, Tensor):
            return s.value
        out = wrap(s.value)
        if s.index is not None and is_grad_enabled() and self.live[s.index]:
            out._node, out._rg = self.edge(s.index, s.value), True
        return out

    def edge(self, index: int, array: np.ndarray) -> Any:
        return self if len(self.live) == 1 else Output(self, index, array.shape, array.dtype)

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        ctx = self.ctx
        got = g if isinstance(g, list) else [g]
        if ctx._materialize:
            shapes = self.shape if len(self.live) > 1 else (self.shape,)
            kinds = self.dtype if len(self.live) > 1 else (self.dtype,)
            got = [
                wrap(np.zeros(s, d)) if one is None else one
                for one, s, d in zip(got, shapes, kinds)
            ]
        back = self.cls.backward(ctx, *got)
        grads = tuple(back) if isinstance(back, (tuple, list)) else (back,)
        while len(grads) > self.count and grads[-1] is None:
            grads = grads[:-1]
        if len(grads) != self.count:
            raise GradientError(
                f"{self.name}: backward must return one gradient per argument of forward, None for "
                f"those without; got {len(grads)} for {self.count} arguments."
            )
        return [self._fit(i, grads[i], edge) for i, edge in zip(self.places, self.inputs)]

    def _fit(self, i: int, g: Any, edge: Any) -> Tensor | None:
        if g is None or edge is None:
            return None
        if not isinstance(g, Tensor):
            raise TypeError(
                f"{self.name}: the gradient of argument {i} must be a Tensor or None; got "
                f"{type(g).__name__}."
            )
        if tuple(g._data.shape) != tuple(edge.shape):
            if g._data.ndim >= len(edge.shape) and _expandable(edge.shape, g._data.shape):
                return _sum_to(g, tuple(edge.shape))
            raise ShapeError(
                f"{self.name}: the gradient of argument {i} must have its shape "
                f"{tuple(edge.shape)}; got {tuple(g._data.shape)}."
            )
        return g if g._data.dtype == edge.dtype else g.to(edge.dtype)


def _expandable(small: Sequence[int], large: Sequence[int]) -> bool:
    return all(s in (1, n) for s, n in zip(reversed(small), reversed(large)))


def _sum_to(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`g` summed over the dims along which `shape` was broadcast."""
    extra = g._data.ndim - len(shape)
    dims = [
        *range(extra),
        *(extra + i for i, n in enumerate(shape) if n != g._data.shape[extra + i]),
    ]
    return g.sum(dims, True).reshape(shape)
