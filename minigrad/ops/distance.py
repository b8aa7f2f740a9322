"""Norms of vectors and matrices, and distances. Other reductions are in reduce.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .convert import to
from .creation import zeros_like
from .reduce import _count, check_dims, spread, sum

__all__ = ["dist", "norm"]


@op
def vector_norm(
    input: Array, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Array:
    """(sum of |x|^ord)^(1/ord) over one dim, several, or all.

    ord inf and -inf are the largest and smallest |x|, 0 counts what is not zero. Gradient at the
    zero vector: zero.
    """
    if dtype is not None:
        input = input.astype(dtypes.to_dtype(dtype))
    if input.dtype.kind != "f":
        raise RuntimeError(
            f"linalg.vector_norm: input must be floating; got dtype {input.dtype}. Use .float()."
        )
    dims = check_dims("linalg.vector_norm", dim, input.ndim)
    a = np.abs(input)
    if (ord == math.inf or ord < 0) and not _count(a.shape, dims):
        raise ShapeError(
            f"linalg.vector_norm: of nothing there is no largest element; got shape {a.shape}, ord "
            f"{ord}."
        )
    if ord in (math.inf, -math.inf):
        return (np.max if ord > 0 else np.min)(a, dims, keepdims=keepdim)
    if ord == 0:
        y = (a != 0).sum(dims, keepdims=keepdim)
    elif ord == 1:
        y = a.sum(dims, keepdims=keepdim)
    elif ord == 2:
        y = np.sqrt(np.square(a, dtype=max(a.dtype, np.dtype("f4"))).sum(dims, keepdims=keepdim))
    else:
        y = np.power(np.power(a, ord).sum(dims, keepdims=keepdim), 1.0 / ord)
    return np.asarray(y).astype(a.dtype, copy=False)


@vector_norm.gradient("input")
def _(g: Tensor, input: Tensor, y: Tensor, ord: float, dim: Any, keepdim: bool) -> Tensor | None:
    shape = input._data.shape
    if ord == 0:
        return zeros_like(input)
    g = spread(g, shape, dim, keepdim)
    if ord == 1:
        return g * input.sign()
    y = spread(y, shape, dim, keepdim)
    if ord == 2:  # dividing by inf: zero at the zero vector, and so are the derivatives
        return input * (g / y.masked_fill(y == 0, math.inf))
    if ord in (math.inf, -math.inf):
        hit = to(input.abs() == y, input.dtype)
        dims = check_dims("linalg.vector_norm", dim, len(shape))
        return input.sign() * (hit / hit.sum(dims, True)) * g
    size = input.abs()
    power = (size ** (ord - 1)).masked_fill(input == 0, 0.0)
    return input.sign() * power * (g / (y ** (ord - 1)).masked_fill(y == 0, math.inf))


def _matrix_norm(input: Tensor, ord: Any, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if ord not in (1, -1, math.inf, -math.inf):
        raise NotImplementedError(
            f"linalg.norm: matrix norms are 'fro', 1, -1, inf and -inf; got ord {ord!r}, which "
            "needs singular values."
        )
    row, col = dims
    over, then = (row, col) if abs(ord) == 1 else (col, row)
    sums = sum(input.abs(), over, True)
    y = sums.amax(then, True) if ord > 0 else sums.amin(then, True)
    return y if keepdim else y.squeeze(dims)


@composite(name="linalg_norm")
def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Norm of vectors, or of matrices if `dim` names two dims (or A has two and ord is given)."""
    if dtype is not None:
        A = to(A, dtype)
    matrix = (isinstance(dim, (tuple, list)) and len(dim) == 2) or (
        dim is None and ord is not None and A.ndim == 2
    )
    if dim is None and ord is not None and A.ndim > 2:
        raise ShapeError(f"linalg.norm: with ord, input must have 1 or 2 dims; got {A.ndim} dims.")
    if ord is None or (ord == "fro" and matrix):
        return vector_norm(A, 2, dim, keepdim)
    if isinstance(ord, str):
        raise ValueError(f"linalg.norm: ord must be a number, or 'fro' for matrices; got {ord!r}.")
    if matrix:
        dims = tuple(check_dim("linalg.norm", d, A.ndim) for d in (dim or (0, 1)))
        return _matrix_norm(A, ord, dims, keepdim)
    return vector_norm(A, ord, dim, keepdim)


@composite(method="norm")
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm of all elements, or over dims: (sum of |x|^p)^(1/p); 'fro' and None are 2."""
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p must be a number or 'fro'; got {p!r}.")
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype)


@composite(method="dist")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return norm(input - other, p)
