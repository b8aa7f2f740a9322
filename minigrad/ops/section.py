"""Parts of a tensor that need no index array: slices, diagonals, triangles, strided regions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as np_as_strided

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from ..tensor import wrap as tensor_over
from .shape import as_ints

__all__ = [
    "as_strided",
    "as_strided_scatter",
    "diag",
    "diag_embed",
    "diagonal",
    "narrow",
    "select",
    "tril",
    "triu",
]


@op(name="slice", view=True)
def _slice(input: Array, index: Any) -> Array:
    """Basic indexing: ints, slices, None and ... give a view."""
    items = index if isinstance(index, tuple) else (index,)
    if Ellipsis not in items:
        items = (*items, Ellipsis)  # a single element is then a view too, not a NumPy scalar
    try:
        return input[items]
    except IndexError:
        raise explain_index(index, input.shape) from None


@op(name="slice_backward")
def _slice_grad(g: Array, shape: Any, index: Any) -> Array:
    """Zeros of `shape` with `g` at `index`: the adjoint of `_slice`."""
    y = np.zeros(shape, g.dtype)
    y[index] = g
    return y


_slice.gradient("input", lambda g, input_shape, index: _slice_grad(g, input_shape, index))
_slice_grad.gradient("g", lambda g, index: _slice(g, index))


def explain_index(index: Any, shape: tuple[int, ...]) -> IndexError:
    """Why basic indexing of `shape` by `index` failed."""
    items = index if isinstance(index, tuple) else (index,)
    used = sum(1 for i in items if i is not None and i is not Ellipsis)
    if used > len(shape):
        return IndexError(
            f"getitem: too many indices: {used} for a tensor with {len(shape)} dims, shape {shape}."
        )
    d = 0
    for i in items:
        if i is Ellipsis:
            d += len(shape) - used
        elif i is not None:
            if not isinstance(i, slice) and not -shape[d] <= i < shape[d]:
                return IndexError(
                    f"getitem: index {i} is out of range for dim {d} with size {shape[d]}."
                )
            d += 1
    return IndexError(f"getitem: invalid index {index!r} for shape {shape}.")


@composite(method="select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The part of `input` at `index` along `dim`, without that dim."""
    n = input._data.ndim
    if not n:
        raise IndexError("select: a 0-dim tensor has no dim to select from.")
    d, i = check_dim("select", dim, n), operator.index(index)
    size = input._data.shape[d]
    if not -size <= i < size:
        raise IndexError(f"select: index {i} is out of range for dim {d} with size {size}.")
    return _slice(input, (slice(None),) * d + (i,))


@composite(method="narrow")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` entries of `dim` from `start` on, as a view."""
    if not input._data.ndim:
        raise ShapeError("narrow: a 0-dim tensor has no dim to narrow.")
    d = check_dim("narrow", dim, input._data.ndim)
    size, first, count = input._data.shape[d], operator.index(start), operator.index(length)
    if not -size <= first <= size:
        raise IndexError(
            f"narrow: start must be in [{-size}, {size}]; got start {first} for dim {d}."
        )
    first += size if first < 0 else 0
    if count < 0 or first + count > size:
        raise ShapeError(
            f"narrow: start + length must not pass the size {size} of dim {d}; got start {first}, "
            f"length {count}."
        )
    return _slice(input, (slice(None),) * d + (slice(first, first + count),))


def _two_dims(name: str, dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    if ndim < 2:
        raise ShapeError(f"{name}: the tensor must have at least 2 dims; got {ndim}.")
    a, b = check_dim(name, dim1, ndim), check_dim(name, dim2, ndim)
    if a == b:
        raise ShapeError(f"{name}: dim1 and dim2 must differ; got {dim1} and {dim2}.")
    return a, b


@op(method="diagonal", view=True)
def diagonal(input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """The diagonals of the matrices in dims `dim1`, `dim2`, as a new last dim; a view.

    `offset` counts diagonals above (positive) or below the main one.
    """
    a, b = _two_dims("diagonal", dim1, dim2, input.ndim)
    rows, cols = input.shape[a], input.shape[b]
    n = max(0, min(rows, cols - offset) if offset >= 0 else min(rows + offset, cols))
    matrices = np.moveaxis(input, (a, b), (-2, -1))
    start = matrices[..., max(0, -offset) :, max(0, offset) :]  # NumPy's own result is read-only
    step = start.strides[-2] + start.strides[-1]
    shape = (*start.shape[:-2], n)
    return np_as_strided(start, shape, (*start.strides[:-2], step), writeable=input.flags.writeable)


@op(name="diagonal_backward")
def _diagonal_grad(g: Array, shape: Any, offset: int, dim1: int, dim2: int) -> Array:
    """Zeros of `shape` with `g` on the diagonals: the adjoint of `diagonal`."""
    y = np.zeros(shape, g.dtype)
    a, b = _two_dims("diagonal", dim1, dim2, len(shape))
    k = np.arange(g.shape[-1])
    rows, cols = (k, k + offset) if offset >= 0 else (k - offset, k)
    np.moveaxis(y, (a, b), (-2, -1))[..., rows, cols] = g
    return y


@diagonal.gradient("input")
def _(g: Tensor, input_shape: Any, offset: int, dim1: int, dim2: int) -> Tensor:
    return _diagonal_grad(g, input_shape, offset, dim1, dim2)


_diagonal_grad.gradient("g", lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2))


@composite(method="diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices in dims `dim1`, `dim2` whose diagonals are the last dim of `input`."""
    n = input._data.ndim + 1
    if n < 2:
        raise ShapeError("diag_embed: the tensor must have at least 1 dim; got 0.")
    a, b = _two_dims("diag_embed", dim1, dim2, n)
    side = input._data.shape[-1] + abs(offset)
    shape = list(input._data.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, side)
    return _diagonal_grad(input, tuple(shape), offset if a < b else -offset, *sorted((a, b)))


@composite(method="diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with the vector `input` on its diagonal, or the diagonal of the matrix `input`."""
    if input._data.ndim == 1:
        return diag_embed(input, diagonal)
    if input._data.ndim != 2:
        raise ShapeError(f"diag: the tensor must have 1 or 2 dims; got {input._data.ndim}.")
    return globals()["diagonal"](input, diagonal).clone()


def _fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Fill the main diagonal, in place; of a tall matrix with `wrap` again below each end.

    More than 2 dims must have one size; the diagonal is then where all indices are equal.
    """
    shape = self._data.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(
            f"fill_diagonal_: the tensor must be a matrix or have equal sizes; got shape {shape}."
        )
    at = np.zeros(shape, np.bool_)
    np.fill_diagonal(at, True, wrap)
    return self.masked_fill_(tensor_over(at), fill_value)


Tensor.fill_diagonal_ = _fill_diagonal_  # type: ignore[attr-defined]


def _is_matrix(name: str, a: Array) -> None:
    if a.ndim < 2:
        raise ShapeError(f"{name}: the tensor must have at least 2 dims; got {a.ndim}.")


@op(method="tril", inplace="tril_")
def tril(input: Array, diagonal: int = 0) -> Array:
    """Matrices (last two dims) with zeros above a diagonal."""
    _is_matrix("tril", input)
    return np.tril(input, diagonal)


@op(method="triu", inplace="triu_")
def triu(input: Array, diagonal: int = 0) -> Array:
    """Matrices (last two dims) with zeros below a diagonal."""
    _is_matrix("triu", input)
    return np.triu(input, diagonal)


tril.gradient("input", lambda g, diagonal: tril(g, diagonal))
triu.gradient("input", lambda g, diagonal: triu(g, diagonal))


# strided regions -----------------------------------------------------------------------------


def _region(
    name: str, a: Array, size: Any, stride: Any, storage_offset: Any
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    shape, steps = as_ints(name, "size", size), as_ints(name, "stride", stride)
    first = 0 if storage_offset is None else operator.index(storage_offset)
    if len(shape) != len(steps):
        raise ShapeError(
            f"{name}: size and stride must have one length; got size {shape}, stride {steps}."
        )
    if min((*shape, *steps, first, 0)) < 0:
        raise ShapeError(
            f"{name}: size, stride and storage_offset must not be negative; got {shape}, {steps}, "
            f"{first}."
        )
    if 0 not in shape:
        last = first + sum((n - 1) * s for n, s in zip(shape, steps))
        if last >= a.size:
            raise ShapeError(
                f"{name}: the region must lie inside the tensor's {a.size} elements; got size "
                f"{shape}, stride {steps}, storage_offset {first}, which reach element {last}."
            )
    return shape, steps, first


def _strided(a: Array, shape: Any, steps: Any, first: int) -> Array:
    if 0 in shape:
        return np.empty(shape, a.dtype)
    flat = np.ascontiguousarray(a).reshape(-1)[first:]  # reshape alone keeps a stride of 0
    return np_as_strided(flat, shape, tuple(s * a.itemsize for s in steps))


@op(method="as_strided", view=True)
def as_strided(input: Array, size: Any, stride: Any, storage_offset: Any = None) -> Array:
    """The elements at storage_offset + sum of index · stride of the row-major input; a view.

    Raises
    ------
    ValueError
        The region reaches past the tensor's elements.
    """
    return _strided(input, *_region("as_strided", input, size, stride, storage_offset))


@op(name="as_strided_backward")
def _as_strided_grad(g: Array, shape: Any, size: Any, stride: Any, storage_offset: Any) -> Array:
    """Zeros of `shape` to which `g` is added element by element: the adjoint of `as_strided`."""
    y = np.zeros(shape, g.dtype)
    region = _region("as_strided", y, size, stride, storage_offset)
    places = _strided(np.arange(y.size), *region)
    np.add.at(y.reshape(-1), places.reshape(-1), g.reshape(-1))
    return y


@as_strided.gradient("input")
def _(g: Tensor, input_shape: Any, size: Any, stride: Any, storage_offset: Any) -> Tensor:
    return _as_strided_grad(g, input_shape, size, stride, storage_offset)


@_as_strided_grad.gradient("g")
def _(g: Tensor, size: Any, stride: Any, storage_offset: Any) -> Tensor:
    return as_strided(g, size, stride, storage_offset)


@op(method="as_strided_scatter")
def as_strided_scatter(
    input: Array, src: Array, size: Any, stride: Any, storage_offset: Any = None
) -> Array:
    """A copy of `input` in which the region of `as_strided` holds `src`."""
    y = input.copy("C")
    region = _region("as_strided_scatter", y, size, stride, storage_offset)
    if src.shape != region[0]:
        raise ShapeError(
            f"as_strided_scatter: src must have the shape of size; got src {src.shape}, size "
            f"{region[0]}."
        )
    if 0 not in region[0]:
        _strided(y, *region)[...] = src
    return y


@as_strided_scatter.gradient("input")
def _(g: Tensor, src_shape: Any, size: Any, stride: Any, storage_offset: Any) -> Tensor:
    return as_strided_scatter(g, g.new_zeros(src_shape), size, stride, storage_offset)


@as_strided_scatter.gradient("src")
def _(g: Tensor, size: Any, stride: Any, storage_offset: Any) -> Tensor:
    return as_strided(g, size, stride, storage_offset)
