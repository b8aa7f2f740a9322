"""Selecting and writing along a dim by index tensors, and by masks. `x[...]` is in index.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim, wrap
from .convert import to
from .index import _where, getitem
from .shape import broadcast_shapes, broadcast_tensors, expand

__all__ = [
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "scatter",
    "scatter_add",
    "take",
    "take_along_dim",
]


def _check_index(name: str, index: Array, size: int, dim: int, empty_float: bool = True) -> Array:
    """`index` as int64; IndexError outside [0, size), before anything is read or written."""
    if index.dtype.kind not in "iu":
        if index.size or not empty_float:
            raise TypeError(
                f"{name}: index must be an int64 tensor; got dtype {index.dtype}. Use .long()."
            )
        index = index.astype(np.int64)
    if index.size and (index.min() < 0 or index.max() >= size):
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index {wrong} is out of range for dim {dim} with size {size}.")
    return index


def _grid(name: str, input: Array, dim: int, index: Array) -> tuple[Any, ...]:
    """Index arrays that address `input` at `index` along `dim` and at its own place elsewhere."""
    d = check_dim(name, dim, input.ndim)
    a, i = np.atleast_1d(input), np.atleast_1d(index)
    if a.ndim != i.ndim:
        raise ShapeError(
            f"{name}: index must have as many dims as input; got index {index.shape}, input "
            f"{input.shape}."
        )
    if index.size and any(n > m for k, (n, m) in enumerate(zip(i.shape, a.shape)) if k != d):
        raise ShapeError(
            f"{name}: index must not be larger than input except in dim {d}; got index "
            f"{index.shape}, input {input.shape}."
        )
    i = _check_index(name, i, a.shape[d], d)
    grid = list(np.ogrid[tuple(slice(n) for n in i.shape)])
    grid[d] = i
    return tuple(grid)


@op(method="gather")
def gather(input: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    """Elements picked along a dim: y[i, j] = x[index[i, j], j] for dim 0, and so on.

    Raises
    ------
    IndexError
        An index is outside [0, size of dim).
    """
    grid = _grid("gather", input, dim, index)
    return np.atleast_1d(input)[grid].reshape(index.shape)


@gather.gradient("input")
def _(g: Tensor, input_shape: Any, dim: int, index: Tensor) -> Tensor:
    return g.new_zeros(input_shape).scatter_add(dim, index, g)


def _source(name: str, src: Array, index: Array, input: Array) -> Array:
    if src.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: src must have the dtype of input; got src {src.dtype}, input {input.dtype}."
        )
    a, i = np.atleast_1d(src), np.atleast_1d(index)
    if a.ndim != i.ndim or any(n > m for n, m in zip(i.shape, a.shape)):
        raise ShapeError(
            f"{name}: src must be at least as large as index in every dim; got src {src.shape}, "
            f"index {index.shape}."
        )
    return a[tuple(slice(n) for n in i.shape)]


@op(name="scatter")
def _scatter(input: Array, dim: int, index: Array, src: Array) -> Array:
    """`scatter` of a tensor."""
    grid = _grid("scatter", input, dim, index)
    y = input.copy("C")
    np.atleast_1d(y)[grid] = _source("scatter", src, index, input)
    return y


@_scatter.gradient("input")
def _(g: Tensor, dim: int, index: Tensor) -> Tensor:
    return scatter(g, dim, index, 0.0)


def _from_places(g: Tensor, dim: int, index: Tensor, shape: Any) -> Tensor:
    """The gradient of src: `g` at the places written, zero for the part of src not used."""
    from .section import _slice_grad

    got = gather(g, dim, index)
    if got._data.shape == shape:
        return got
    return _slice_grad(got, shape, tuple(slice(n) for n in got._data.shape))


_scatter.gradient("src", lambda g, dim, index, src_shape: _from_places(g, dim, index, src_shape))


@composite(method="scatter", inplace="scatter_")
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """A copy in which src (or a number) is written along a dim: y[index[i, j], j] = src[i, j].

    `reduce` 'add' adds instead. Which of several values for one place stays is not defined.

    Raises
    ------
    IndexError
        An index is outside [0, size of dim).
    """
    what = value if src is None else src
    if what is None:
        raise TypeError("scatter: needs src, a Tensor, or value, a number.")
    if not isinstance(index, Tensor):
        raise TypeError(f"scatter: index must be a Tensor; got {type(index).__name__}.")
    if not isinstance(what, Tensor):
        what = wrap(np.full(index._data.shape, what, input._data.dtype))
    if reduce == "add":
        return scatter_add(input, dim, index, what)
    if reduce is not None:
        raise NotImplementedError(f"scatter: reduce must be None or 'add'; got {reduce!r}.")
    return _scatter(input, dim, index, what)


@op(method="scatter_add", inplace="scatter_add_")
def scatter_add(input: Array, dim: int, index: Array, src: Array) -> Array:
    """A copy to which src is added along a dim: y[index[i, j], j] += src[i, j]."""
    grid = _grid("scatter_add", input, dim, index)
    y = input.copy("C")
    np.add.at(np.atleast_1d(y), grid, _source("scatter_add", src, index, input))
    return y


scatter_add.gradient("input", lambda g: g)
scatter_add.gradient("src", lambda g, dim, index, src_shape: _from_places(g, dim, index, src_shape))


# whole slices --------------------------------------------------------------------------------


def _vector_index(
    name: str, input: Array, dim: int, index: Array
) -> tuple[int, Array, tuple[Any, ...]]:
    d = check_dim(name, dim, input.ndim)
    if index.ndim > 1:
        raise ShapeError(f"{name}: index must have at most 1 dim; got shape {index.shape}.")
    size = input.shape[d] if input.ndim else 1
    i = _check_index(name, index.reshape(-1), size, d)
    return d, i, (slice(None),) * d + (i,)


@op(method="index_select")
def index_select(input: Array, dim: int, index: Array) -> Array:
    """The entries of a dim named by `index`, a vector of ints in [0, size of dim)."""
    d, i, _ = _vector_index("index_select", input, dim, index)
    return np.take(np.atleast_1d(input), i, d).reshape(input.shape if not input.ndim else
        (*input.shape[:d], i.size, *input.shape[d + 1 :]))  # fmt: skip


@index_select.gradient("input")
def _(g: Tensor, input_shape: Any, dim: int, index: Tensor) -> Tensor:
    return index_add(g.new_zeros(input_shape), dim, index, g)


def _entries(name: str, source: Array, input: Array, d: int, i: Array) -> Array:
    shape = (*input.shape[:d], i.size, *input.shape[d + 1 :])
    if source.shape != shape and not (source.size == 1 and i.size == 1 and input.ndim <= 1):
        raise ShapeError(
            f"{name}: source must have input's shape with dim {d} as long as index; got source "
            f"{source.shape}, expected {shape}."
        )
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: source must have the dtype of input; got source {source.dtype}, input "
            f"{input.dtype}."
        )
    return source.reshape(shape)


@op(method="index_add", inplace="index_add_")
def index_add(input: Array, dim: int, index: Array, source: Array, *, alpha: float = 1) -> Array:
    """A copy to whose entries `index` of a dim those of alpha · source are added."""
    d, i, place = _vector_index("index_add", input, dim, index)
    y = input.copy("C")
    given = _entries("index_add", source, input, d, i)
    np.add.at(np.atleast_1d(y), place, given if alpha == 1 else given * alpha)
    return y


index_add.gradient("input", lambda g: g)


@index_add.gradient("source")
def _(g: Tensor, dim: int, index: Tensor, alpha: float, source_shape: Any) -> Tensor:
    return (index_select(g, dim, index) * alpha).reshape(source_shape)


@op(method="index_copy", inplace="index_copy_")
def index_copy(input: Array, dim: int, index: Array, source: Array) -> Array:
    """A copy whose entries `index` of a dim are those of source."""
    d, i, place = _vector_index("index_copy", input, dim, index)
    y = input.copy("C")
    np.atleast_1d(y)[place] = _entries("index_copy", source, input, d, i)
    return y


index_copy.gradient("input", lambda g, dim, index: g.index_fill(dim, index, 0.0))


@index_copy.gradient("source")
def _(g: Tensor, dim: int, index: Tensor, source_shape: Any) -> Tensor:
    return index_select(g, dim, index).reshape(source_shape)


@op(name="index_fill")
def _index_fill(input: Array, dim: int, index: Array, value: Array) -> Array:
    """`index_fill` of a 0-dim tensor."""
    _, _, place = _vector_index("index_fill", input, dim, index)
    y = input.copy("C")
    np.atleast_1d(y)[place] = value
    return y


_index_fill.gradient("input", lambda g, dim, index: g.index_fill(dim, index, 0.0))
_index_fill.gradient("value", lambda g, dim, index: index_select(g, dim, index.unique()).sum())


@composite(method="index_fill", inplace="index_fill_")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy whose entries `index` of a dim hold a number (or a 0-dim tensor)."""
    return _index_fill(input, dim, index, _scalar("index_fill", value, input))


# masks and flat places -----------------------------------------------------------------------


def _scalar(name: str, value: Any, input: Tensor) -> Tensor:
    """A number or 0-dim tensor in the dtype of `input`, which must be able to hold it."""
    if isinstance(value, Tensor):
        if value._data.ndim:
            raise ShapeError(
                f"{name}: value must be a number or a 0-dim tensor; got shape "
                f"{tuple(value._data.shape)}."
            )
        if not dtypes.can_cast(value.dtype, input.dtype):
            raise RuntimeError(
                f"{name}: value of dtype {value.dtype} does not fit into dtype {input.dtype}."
            )
        return to(value, input.dtype)
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name}: value must be a number; got {type(value).__name__}.")
    return wrap(np.asarray(value).astype(input._data.dtype))


def _mask(name: str, mask: Any) -> Tensor:
    if not isinstance(mask, Tensor) or mask._data.dtype != np.bool_:
        got = f"dtype {mask.dtype}" if isinstance(mask, Tensor) else type(mask).__name__
        raise RuntimeError(f"{name}: mask must be a bool tensor; got {got}. Compare, as in x > 0.")
    return mask


@composite(method="masked_fill", inplace="masked_fill_")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value`, a number or 0-dim tensor, where `mask` holds, else `input`; shapes broadcast."""
    return _where(_mask("masked_fill", mask), _scalar("masked_fill", value, input), input)


@composite(method="masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` holds, as a vector; shapes broadcast."""
    shape = broadcast_shapes(input._data.shape, _mask("masked_select", mask)._data.shape)
    return getitem(expand(input, shape), expand(mask, shape)).reshape(-1) if shape else (
        getitem(input.reshape(1), mask.reshape(1))
    )  # fmt: skip


@op(name="masked_scatter")
def _masked_scatter(input: Array, mask: Array, source: Array) -> Array:
    """`masked_scatter` of a mask of the input's shape."""
    y, n = input.copy("C"), int(np.count_nonzero(mask))
    if source.size < n:
        raise ShapeError(
            f"masked_scatter: source must have an element for each True of mask; got {source.size} "
            f"elements for {n}."
        )
    y[mask] = source.reshape(-1)[:n]
    return y


_masked_scatter.gradient("input", lambda g, mask: masked_fill(g, mask, 0.0))


@_masked_scatter.gradient("source")
def _(g: Tensor, mask: Tensor, source_shape: Any) -> Tensor:
    used = masked_select(g, mask)
    from .section import _slice_grad

    size = int(np.prod(source_shape))
    return _slice_grad(used, (size,), slice(0, used._data.size)).reshape(source_shape)


@composite(method="masked_scatter", inplace="masked_scatter_")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Elements of source, in order, where `mask` holds, else `input`."""
    input, mask = broadcast_tensors(input, _mask("masked_scatter", mask))
    return _masked_scatter(input, mask, source)


@composite(method="take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened tensor, in the shape of `index`."""
    i, n = index._data, input._data.size
    if i.size and (i.min() < -n or i.max() >= n):
        wrong = i[(i < -n) | (i >= n)].flat[0]
        raise IndexError(f"take: index {wrong} is out of range for a tensor of {n} elements.")
    flat = index_select(input.reshape(-1), 0, wrap(np.where(i < 0, i + n, i).reshape(-1)))
    return flat.reshape(i.shape)


@composite(method="take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Elements at `indices` (from argsort, say) along a dim; other dims broadcast."""
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    d = check_dim("take_along_dim", dim, input.ndim)
    if input.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_dim: indices must have as many dims as input; got {indices.ndim} and "
            f"{input.ndim}."
        )
    a, i = list(input._data.shape), list(indices._data.shape)
    shape = list(broadcast_shapes([*a[:d], 1, *a[d + 1 :]], [*i[:d], 1, *i[d + 1 :]]))
    n = a[d]
    shape[d] = n
    input = expand(input, shape)
    shape[d] = i[d]
    return gather(input, d, expand(indices, shape))
