"""The graph node of an autograd.Function: what it saved, and how the walk calls its backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..contract import line_of, switch
from ..engine import Node, Output, is_grad_enabled, mode
from ..errors import GradientError, ShapeError
from ..tensor import Tensor, wrap
from ..trace import Trace, is_zero_for_others, varied

__all__ = ["FunctionNode", "Saved"]


class Saved:
    """A saved tensor and its version. An output is kept as an array: no reference cycle."""

    __slots__ = ("cell", "index", "made", "value", "version")

    def __init__(self, t: Tensor, outputs: Sequence[Any], given: Sequence[Tensor]) -> None:
        is_input = any([t is x for x in given])
        index = None
        for i, o in enumerate(outputs):
            if o is t:
                index = i
                break
        if is_input and t._node is None:
            index = None  # an input that was returned as it is
        self.index, self.made = index, index is None and not is_input and not t._rg
        self.value: Tensor | np.ndarray = t if index is None else t._data
        self.cell = t._share_cell()
        self.version = self.cell.version


class FunctionNode(Node):
    """One recorded call of a Function."""

    __slots__ = ("cls", "count", "ctx", "live", "made", "places", "released", "saved")

    cls: Any
    ctx: Any
    count: int  # arguments of forward
    places: tuple[int, ...]  # which of them are tensors
    live: Sequence[bool]  # which outputs carry gradients
    made: tuple[str, ...]  # attributes of ctx that hold tensors other than inputs
    released: bool
    saved: Sequence[Saved | None]

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
                f"{self.name()}: trying to backward through the graph a second time, but what this "
                "function saved was freed by the first pass. Use loss.backward(retain_graph=True) "
                "the first time, or compute the loss again."
            )
        return tuple(None if s is None else self._checked(s) for s in self.saved)

    def _checked(self, s: Saved) -> Tensor:
        if s.cell.version != s.version:
            raise GradientError(
                f"{self.name()}: one of the tensors needed for its gradient has been modified by "
                f"an inplace operation: it was at version {s.version} when it was saved and is at "
                f"version {s.cell.version} now, changed by {s.cell.where}. Change a clone instead."
            )
        if isinstance(s.value, Tensor):
            return self._constant(s.value) if s.made and mode.trace is not None else s.value
        out = wrap(s.value)
        if s.index is not None and is_grad_enabled() and self.live[s.index]:
            out._node, out._rg = self.edge(s.index, s.value), True
        return out

    def _followed(self, trace: Trace, got: Sequence[Any]) -> Any:
        """What backward returns, while what it does with its tensors is followed."""
        kept = self.ctx.__dict__
        before = {name: kept[name] for name in self.made if name in kept}
        with trace:
            kept.update({name: self._constant(value) for name, value in before.items()})
            try:
                return self.cls.backward(self.ctx, *got)
            finally:
                kept.update(before)

    def _constant(self, value: Any) -> Any:
        """`value`, which forward kept, such that what backward makes of it is followed."""
        why = (
            "backward takes what forward kept, and what is neither an input nor an output, for a "
            "constant"
        )
        if isinstance(value, (tuple, list)):
            return type(value)([self._constant(v) for v in value])
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            mode.trace.leaves(why)
        if not isinstance(value, Tensor) or value._data.dtype.kind != "f" or value._rg:
            return value
        out = wrap(value._data)
        out._cell = value._share_cell()
        return mode.trace.detached(out, why)

    def edge(self, index: int, array: np.ndarray) -> Any:
        return self if len(self.live) == 1 else Output(self, index, array.shape, array.dtype)

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        ctx, single = self.ctx, len(self.live) == 1
        got = list(g) if isinstance(g, list) else [g]
        if ctx._materialize and not single:
            got = [
                wrap(np.zeros(s, d)) if one is None and d is not None else one
                for one, s, d in zip(got, self.shape, self.dtype)
            ]
        trace = None
        if mode.recording:
            trace = Trace(got)
            got = trace.given
        versions = [None if t is None else t._version for t in got]
        back = self.cls.backward(ctx, *got) if trace is None else self._followed(trace, got)
        grads = tuple(back) if isinstance(back, (tuple, list)) else (back,)
        while len(grads) > self.count and grads[-1] is None:
            grads = grads[:-1]
        if len(grads) != self.count:
            names = ", ".join(f"g{i}" for i in range(self.count))
            raise GradientError(
                f"{self.name()}: backward must return one gradient per argument of forward, None "
                f"for those without; got {len(grads)} for {self.count} arguments. Write "
                f"return {names}"
                f"{self._where()}"
            )
        for t, version in zip(got, versions):
            if t is not None and t._version != version:
                raise GradientError(
                    f"{self.name()}: backward changed its gradient in place, which other ops rely "
                    f"on. Write g = g * 2 for g *= 2{self._where()}"
                )
        return [
            self._fit(i, grads[i], edge, got, trace) for i, edge in zip(self.places, self.inputs)
        ]

    def _where(self) -> str:
        return f". It stands at {line_of(self.cls.backward)}."

    def _fit(self, i: int, g: Any, edge: Any, got: Sequence[Any], trace: Any) -> Tensor | None:
        if g is None or edge is None:
            return None
        if not isinstance(g, Tensor):
            hint = ", or minigrad.from_numpy(...) and @once_differentiable"
            raise TypeError(
                f"{self.name()}: the gradient of argument {i} must be a Tensor or None; got "
                f"{type(g).__name__}. Compute it with minigrad's functions"
                f"{hint if isinstance(g, np.ndarray) else ''}{self._where()}"
            )
        if trace is not None:
            g = self._closed(i, g, got, trace)
        like = edge._data if isinstance(edge, Tensor) else edge
        if g._data.shape != like.shape:
            if g._data.ndim >= len(like.shape) and _expandable(like.shape, g._data.shape):
                g = _sum_to(g, like.shape)
            else:
                raise ShapeError(
                    f"{self.name()}: the gradient of argument {i} must have its shape "
                    f"{like.shape}; got {g._data.shape}{self._where()}"
                )
        if g._data.dtype != like.dtype:
            if g._data.dtype.kind != "f":
                raise GradientError(
                    f"{self.name()}: the gradient of argument {i} must have its dtype "
                    f"{like.dtype}; got {g._data.dtype}{self._where()}"
                )
            g = g.to(like.dtype)
        watch = self.cls._watch
        if switch.on and watch.suspect(g._data):
            saved = [None if s is None else s.value for s in self.saved]
            bad = watch.non_finite(g._data, [*got, *saved, *self.ctx.__dict__.values()])
            if bad is not None:
                raise GradientError(
                    f"{self.name()}: the gradient of argument {i}, of shape {like.shape}, is "
                    f"{g._data[bad]} at {list(bad)} although its cotangent and all that was saved "
                    "is finite. Look for a division by zero, a log or sqrt of zero or an overflow. "
                    "If it is meant, switch this check off with "
                    f"minigrad.autograd.set_contract_checks(False){self._where()}"
                )
        return g

    def _closed(self, i: int, g: Tensor, got: Sequence[Any], trace: Trace) -> Any:
        def elsewhere() -> Any:
            ctx = self.ctx
            before, ctx._saved = ctx._node, tuple([varied(t, 1e-3) for t in self.unpack()])
            ctx._node = None
            try:
                back = self.cls.backward(ctx, *[varied(t, 1.0) for t in got])
            finally:
                ctx._node, ctx._saved = before, None
            return back[i] if isinstance(back, (tuple, list)) else back

        what = f"{self.name()}: the gradient of argument {i}"
        advice = (
            "Write backward with minigrad's functions, return from forward what backward needs of "
            "it, hand it constants as arguments (or keep them as integers or bools); or mark "
            f"backward @once_differentiable{self._where()}"
        )
        return trace.closed(g, self.inputs, what, advice, lambda: is_zero_for_others(elsewhere))


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
