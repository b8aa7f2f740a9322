"""`x[index]` and `x[index] = value`, by PyTorch's rules. Selection along a dim is in gather.py.

An index is taken apart in two steps: ints, slices, None and ... give a view; what index arrays and
masks remain then pick from that view. (NumPy treats ints beside index arrays as arrays, PyTorch
does not.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import mode
from ..errors import ShapeError
from ..inplace import bump, check_in_place, concerns_graph, replace
from ..op import Array, composite, op
from ..tensor import Tensor, _refresh, wrap
from .convert import to, writable
from .section import _slice, explain_index
from .shape import expand, sum_to_size

__all__ = ["argwhere", "index_put", "nonzero", "where"]

_BASIC = (int, slice, type(None), type(Ellipsis))


@op(name="index")
def _index(input: Array, index: Any) -> Array:
    """Elements picked by index arrays (checked, as `parse` returns them)."""
    return input[index]


@op(name="index_backward")
def _index_grad(g: Array, shape: Any, index: Any) -> Array:
    """Zeros of `shape` to which `g` is added at `index`; repeated places add up."""
    y = np.zeros(shape, g.dtype)
    np.add.at(y, index, g)
    return y


_index.gradient("input", lambda g, input_shape, index: _index_grad(g, input_shape, index))
_index_grad.gradient("g", lambda g, index: _index(g, index))


@op(name="index_put")
def _put(input: Array, value: Array, index: Any) -> Array:
    """A copy of `input` with `value`, broadcast, at `index`."""
    y = input.copy()
    y[index] = value
    return y


@_put.gradient("input")
def _(g: Tensor, index: Any) -> Tensor:
    return _put(g, g.new_zeros(()), index)


@_put.gradient("value")
def _(g: Tensor, value_shape: Any, index: Any) -> Tensor:
    picked = getitem(g, index)
    shape = tuple(value_shape)
    while len(shape) > picked._data.ndim and shape[0] == 1:  # x[0] = a (1, n) row
        shape = shape[1:]
    return sum_to_size(picked, shape).reshape(value_shape)


def _index_array(item: Any, copy: bool) -> Any:
    """An index item as a Python int, a bool mask or an integer array."""
    tensor = isinstance(item, Tensor)
    a = item._data if tensor else np.asarray(item)
    if a.size == 0 and not tensor and not isinstance(item, np.ndarray):
        a = a.astype(np.int64)  # []
    if a.dtype == np.uint8 and tensor:
        a = a.astype(np.bool_)
    if a.dtype.kind not in "iub":
        raise IndexError(
            f"getitem: an index must be int, bool, a slice, None, ..., or an array of ints or "
            f"bools; got {'a Tensor' if tensor else type(item).__name__} of dtype {a.dtype}."
        )
    if a.ndim == 0 and a.dtype.kind != "b":
        return int(a)
    return a.copy() if copy and a.dtype.kind != "b" else a


def parse(index: Any, shape: tuple[int, ...], copy: bool = False) -> tuple[Any, Any]:
    """`index` as typed, as a basic index and an advanced one for the view it gives (or None).

    Raises
    ------
    IndexError
        Too many indices, an index out of range, a mask of another shape, or a wrong type.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    basic: list[Any] = []
    arrays: list[Any] = []  # per item of basic that survives as dims: an array or None
    dims_used = 0
    parsed = []
    for item in items:
        if not isinstance(item, _BASIC) or isinstance(item, bool):
            item = _index_array(item, copy)
        elif isinstance(item, slice):
            item = _plain_slice(item)
        parsed.append(item)
        if isinstance(item, np.ndarray):
            dims_used += item.ndim if item.dtype.kind == "b" else 1
        elif item is not None and item is not Ellipsis:
            dims_used += 1
    if dims_used > len(shape):
        raise IndexError(
            f"getitem: too many indices: {dims_used} for a tensor with {len(shape)} dims, shape "
            f"{shape}."
        )
    if sum(item is Ellipsis for item in parsed) > 1:
        raise IndexError("getitem: an index can hold ... only once.")
    if not any(isinstance(item, np.ndarray) for item in parsed):
        return tuple(parsed), None
    if not any(item is Ellipsis for item in parsed):
        parsed.append(Ellipsis)
    d = 0
    for item in parsed:
        if item is Ellipsis:
            free = len(shape) - dims_used
            basic += [slice(None)] * free
            arrays += [None] * free
            d += free
        elif not isinstance(item, np.ndarray):
            basic.append(item)
            arrays += [] if isinstance(item, int) else [None]
            d += item is not None
        elif item.dtype.kind != "b":
            _check_range("getitem", item, shape[d], d)
            basic.append(slice(None))
            arrays.append(item)
            d += 1
        elif not item.ndim:  # a lone bool picks all or nothing along a new dim
            basic.append(None)
            arrays.append(np.zeros(int(item), np.int64))
        else:
            if item.shape != shape[d : d + item.ndim]:
                raise IndexError(
                    f"getitem: a mask must have the shape of the dims it indexes; got mask "
                    f"{item.shape} for dims {d} to {d + item.ndim - 1} of shape {shape}."
                )
            basic += [slice(None)] * item.ndim
            arrays += list(item.nonzero())
            d += item.ndim
    while arrays and arrays[-1] is None:
        arrays.pop()
    _check_broadcast([a for a in arrays if a is not None])
    return tuple(basic), tuple([slice(None) if a is None else a for a in arrays])


def _plain_slice(s: slice) -> slice:
    ends = [int(v) if isinstance(v, Tensor) else v for v in (s.start, s.stop, s.step)]
    if ends[2] == 0:
        raise ShapeError("getitem: a slice's step must not be 0.")
    return slice(*ends)


def _check_range(name: str, index: Array, size: int, dim: int) -> None:
    if index.size and (index.min() < -size or index.max() >= size):
        wrong = index[(index < -size) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index {wrong} is out of range for dim {dim} with size {size}.")


def _check_broadcast(arrays: list[Any]) -> None:
    try:
        np.broadcast_shapes(*[a.shape for a in arrays])
    except ValueError:
        raise IndexError(
            "getitem: index arrays must broadcast together (a mask counts as its number of True); "
            f"got shapes {', '.join(str(a.shape) for a in arrays)}."
        ) from None


@composite(method="__getitem__")
def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`: ints, slices, None, ..., bool masks, integer arrays and lists, and mixtures.

    Without arrays the result is a view. Gradients go back to where the elements came from; those
    of elements that were picked more than once add up.

    Raises
    ------
    IndexError
        An index is out of range, there are too many, or a mask has another shape.
    """
    if index.__class__ is int or index.__class__ is slice:
        return _slice(input, index)
    basic, advanced = parse(index, input._data.shape, mode.recording and input._rg)
    if advanced is None:
        return _slice(input, basic)
    if any(item != slice(None) for item in basic):
        input = _slice(input, basic)
    return _index(input, advanced)


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    """`self[index] = value`: the value is broadcast and cast; gradients flow to both."""
    a = self._data
    basic, advanced = parse(index, a.shape, True)
    records = mode.recording and (
        concerns_graph(self)
        or (isinstance(value, Tensor) and value.requires_grad and a.dtype.kind == "f")
    )
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(value))
    writable(self, "setitem")
    if records:
        check_in_place(self, "setitem")
        _refresh(self)
        target = self[basic] if advanced is not None else self
        _refresh(target)
        source = wrap(target._data.copy())
        source._node, source._rg = target._node, target._rg
        out = _put_checked(source, to(value, a.dtype), advanced if advanced is not None else basic)
        replace(target, out, "setitem")
        if target is not self:
            _refresh(self)
        return
    try:
        view = a[basic]
    except IndexError:
        raise explain_index(basic, a.shape) from None
    target_shape = view.shape if advanced is None else view[advanced].shape
    with np.errstate(all="ignore"):
        fitting = _fit_value(value._data, target_shape)
        if advanced is None:
            a[basic] = fitting
        else:
            view[advanced] = fitting
    bump(self, "setitem")


def _fit_value(value: Array, shape: tuple[int, ...]) -> Array:
    try:
        while value.ndim > len(shape) and value.shape[0] == 1:
            value = value[0]
        return np.broadcast_to(value, shape)
    except ValueError:
        raise ShapeError(
            f"setitem: the value must broadcast to the indexed part; got value {value.shape} for "
            f"{shape}."
        ) from None


def _put_checked(input: Tensor, value: Tensor, index: Any) -> Tensor:
    try:
        shape = input._data[index].shape
    except IndexError:
        raise explain_index(index, input._data.shape) from None
    _fit_value(value._data, shape)
    return _put(input, value, index)


Tensor.__setitem__ = _setitem  # type: ignore[method-assign,assignment]


@composite(method="index_put", inplace="index_put_")
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with `values` written (or, with `accumulate`, added) at `input[indices]`."""
    values = values if isinstance(values, Tensor) else wrap(np.asarray(values, input.dtype))
    basic, advanced = parse(tuple(indices), input._data.shape, True)
    index = basic if advanced is None else advanced
    if not accumulate:
        return _put_checked(input, to(values, input.dtype), index)
    picked = input._data[index].shape
    return input + _index_grad(expand(values, picked), tuple(input._data.shape), index)


# conditions ----------------------------------------------------------------------------------


@op(name="where")
def _where(condition: Array, input: Array, other: Array) -> Array:
    """`where` of two tensors of one dtype."""
    return np.where(condition, input, other)


@_where.gradient("input")
def _(g: Tensor, condition: Tensor, input_shape: Any) -> Tensor:
    return sum_to_size(_where(condition, g, g.new_zeros(())), input_shape)


@_where.gradient("other")
def _(g: Tensor, condition: Tensor, other_shape: Any) -> Tensor:
    return sum_to_size(_where(condition, g.new_zeros(()), g), other_shape)


@composite
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Elements of `input` where `condition` holds, else of `other`; numbers and tensors broadcast.

    With `condition` alone: the places where it holds, one index tensor per dim.
    """
    if not isinstance(condition, Tensor):
        raise TypeError(f"where: condition must be a Tensor; got {type(condition).__name__}.")
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if condition._data.dtype not in (np.bool_, np.uint8):
        raise RuntimeError(
            f"where: condition must be a bool tensor; got dtype {condition.dtype}. Compare first, "
            "as in x > 0."
        )
    return _where(condition, *_meet("where", input, other))


def _meet(name: str, *values: Any) -> list[Tensor]:
    """Tensors and numbers as tensors of the one dtype in which they meet."""
    from .. import dtypes

    for v in values:
        if not isinstance(v, (Tensor, int, float)):
            raise TypeError(
                f"{name}: input and other must be Tensors or numbers; got {type(v).__name__}."
            )
    d = dtypes.result_type(*[v._data if isinstance(v, Tensor) else v for v in values])
    return [to(v, d) if isinstance(v, Tensor) else wrap(np.asarray(v, d)) for v in values]


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where `condition` holds, else `other`."""
    return where(condition, self, other)


Tensor.where = _where_method  # type: ignore[attr-defined]


@composite(method="nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """(K, ndim) places of the nonzero elements in row-major order, or one index tensor per dim."""
    a = input._data
    if as_tuple:
        return tuple([wrap(i) for i in np.atleast_1d(a).nonzero()])
    return wrap(np.ascontiguousarray(np.argwhere(a)))


@composite(method="argwhere")
def argwhere(input: Tensor) -> Tensor:
    """(K, ndim) places of the nonzero elements in row-major order."""
    return nonzero(input)
