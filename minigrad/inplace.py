"""In-place changes: right, or an error. How `x.mul_(y)`, `x[i] = y` and views enter the graph.

An in-place call computes the op out of place, writes the result into the tensor's buffer (or, where
nothing else can see that buffer, takes over the result's), and gives the tensor the result's place
in the graph. Every change counts up the buffer's version, so that a backward pass that needs an
overwritten value finds out. A change to a view also changes its base: the base gets a new node that
scatters the view into it, and views of that base look themselves up again when they are next used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .engine import mode, recording
from .errors import GradientError, ShapeError
from .record import record, user_line
from .tensor import Tensor, _refresh, wrap

__all__ = ["bump", "check_in_place", "concerns_graph", "in_place", "refresh_view", "replace"]


def in_place(call: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The method `name` that computes `call` into its first argument."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        records = mode.recording and any(
            [isinstance(a, Tensor) and concerns_graph(a) for a in (self, *args, *kwargs.values())]
        )
        if not records:
            out = call(self, *args, **kwargs)
            _write(self, out, name)
            return self
        check_in_place(self, name)
        needed = _needs_old_value(call) or any([a is self for a in args])
        source = wrap(self._data.copy() if needed else self._data)
        source._node, source._rg = self._node, self._rg
        args = tuple([source if a is self else a for a in args])
        replace(self, call(source, *args, **kwargs), name)
        return self

    method.__name__ = name
    method.__doc__ = f"In-place version of `{getattr(call, '__name__', name)}`; returns self."
    return method


def _needs_old_value(call: Any) -> bool:
    """Whether a gradient rule of `call` may name the input that is about to change."""
    op = getattr(call, "op", None)
    return op is None or any([("input", 0) in rule.fetch for rule in op.rules])


def concerns_graph(t: Tensor) -> bool:
    """Whether a change of `t` concerns a graph: its own, or that of the tensor it is a view of."""
    _refresh(t)
    return t._rg or (t._base is not None and t._base._rg)


def check_in_place(t: Tensor, name: str) -> None:
    """Refuse to change, while recording, a leaf that collects gradients (or a view of one)."""
    for who, x in (("a leaf Tensor", t), ("a view of a leaf Tensor", t._base)):
        if x is not None and x._rg and x._node is None:
            raise GradientError(
                f"{name}: {who} that requires grad is being used in an in-place operation: the "
                "graph needs its old value. Write y = x.op(...) instead, or change it inside "
                "`with minigrad.no_grad():`."
            )


def replace(t: Tensor, out: Tensor, name: str) -> None:
    """Write `out` into `t` and give `t` its place in the graph; a base of `t` follows."""
    base = t._base
    if base is None and _take_over(t, out, name):
        return
    _write(t, out, name)
    if base is None:
        _take_place(t, out)
        return
    from .op import registry

    if base._rg or out._rg:
        order, region = _region(t._data, base._data)
        old = _permuted(base, order)
        new = wrap(old._data)  # the values are in place; only the node is wanted
        record(registry["as_strided_scatter"].op, (new,), (old, out), region)
        new = _permuted(new, sorted(range(len(order)), key=order.__getitem__))
        _take_place(base, new)
    t._seen = -1
    _refresh(t)


def _take_over(t: Tensor, out: Tensor, name: str) -> bool:
    """Let `t` have the buffer of `out` if no view, node or array outside can see its own.

    Whatever shares a tensor's memory gives it a cell, and leaves may share it with the user.
    """
    a, b = t._data, out._data
    hidden = t._cell is None and t._node is not None and b.base is None
    hidden = hidden and not getattr(t.grad_fn, "outs", None)  # its node needs, and keeps, it
    if not hidden or a.strides != b.strides or a.shape != b.shape or a.dtype != b.dtype:
        return False
    t._data, t._cell = b, out._share_cell()
    _take_place(t, out)
    bump(t, name)
    if out._node is not None:  # what the node kept of its output is the new value
        out._node.out_cells = [(cell, cell.version) for cell, _ in out._node.out_cells]
    return True


def _take_place(t: Tensor, new: Tensor) -> None:
    """Put `t` where `new` stands in the graph; what `retain_grad` asked for moves along."""
    kept, before = t._retains, t.grad_fn
    t._node, t._rg = new._node, new._rg
    if kept is not None:
        if before is not None and before.hooks and kept in before.hooks:
            before.hooks.remove(kept)
        t._retains = None
        if t._rg:
            t.retain_grad()


def refresh_view(view: Tensor) -> None:
    """Make `view` a view of its base as the base stands in the graph now."""
    base, cell = view._base, view._cell
    assert base is not None and cell is not None
    view._seen = cell.version
    if not base._rg:
        view._node, view._rg = None, False
        return
    from .op import registry

    before, mode.recording = mode.recording, True
    try:
        order, region = _region(view._data, base._data)
        fresh = registry["as_strided"](_permuted(base, order), *region)
    finally:
        mode.recording = before
    view._node, view._rg = fresh._node, fresh._rg


def _permuted(t: Tensor, order: list[int]) -> Tensor:
    """`t` as it stands in the graph, with its dims in this order."""
    if order == sorted(order):
        if t._node is None:
            return t  # a leaf: cotangents must reach the leaf itself
        again = wrap(t._data)
        again._node, again._rg = t._node, t._rg
        return again
    from .op import registry

    before, mode.recording = mode.recording, True
    try:
        out: Tensor = registry["permute"](t, order)
    finally:
        mode.recording = before
    return out


def _region(view: np.ndarray, base: np.ndarray) -> tuple[list[int], tuple[Any, Any, int]]:
    """The order of dims that makes `base` row-major, and then the view's size, strides, offset."""
    order = list(range(base.ndim))
    if not base.flags.c_contiguous:
        order.sort(key=lambda d: -base.strides[d])
    if not base.transpose(order).flags.c_contiguous:
        raise GradientError(
            "in-place change of a view: recorded only if its base has no gaps in memory; got "
            f"strides {base.strides} for shape {base.shape}. Call .contiguous() on the base first."
        )
    step = base.itemsize
    offset = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // step
    return order, (view.shape, tuple(s // step for s in view.strides), offset)


def _write(t: Tensor, out: Tensor, name: str) -> None:
    a, b = t._data, out._data
    if a.shape != b.shape:
        raise ShapeError(
            f"{name}: the result must have the tensor's own shape {tuple(a.shape)}; got "
            f"{tuple(b.shape)}. An in-place op cannot broadcast the tensor it changes."
        )
    if a.dtype != b.dtype and not dtypes.can_cast(b.dtype, a.dtype):
        raise RuntimeError(
            f"{name}: result type {b.dtype} can't be cast to the tensor's dtype {a.dtype}. Convert "
            f"the tensor first, as in x = x.to(minigrad.{b.dtype})."
        )
    shared = 0 in a.strides and any(n > 1 and not s for n, s in zip(a.shape, a.strides))
    if not a.flags.writeable or shared:
        raise RuntimeError(
            f"{name}: several elements of this tensor share one memory location (it was expanded), "
            "or its memory is read-only. Use .clone() first."
        )
    np.copyto(a, b, casting="unsafe")
    bump(t, name)


def bump(t: Tensor, name: str, line: bool = True) -> None:
    """Count a change of the tensor's buffer, and remember what made it, and in which `line`."""
    cell = t._share_cell()
    cell.version += 1
    if not recording():
        cell.where = f"{name} (without recording)"
    else:
        cell.where = f"{name} at {user_line()}" if line else name
