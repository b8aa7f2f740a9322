"""Sums, means, variances, products, and tests over dims. Norms are in distance.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "logsumexp",
    "mean",
    "nanmean",
    "nansum",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]


_add_up: Any = np.add.reduce  # typed: NumPy's stubs want a literal keepdims


def check_dims(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """`dim` (None and () mean all) as a tuple counted from the front, without repeats."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (list, tuple)):
        dims = tuple([check_dim(op, d, ndim) for d in dim])
        if len(set(dims)) < len(dims):
            raise ShapeError(f"{op}: each dim may appear once; got dim {tuple(dim)}.")
        return (dims if ndim else ()) or tuple(range(ndim))
    d = check_dim(op, dim, ndim)
    return (d,) if ndim else ()


def spread(t: Tensor, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Tensor:
    """`t`, reduced from `shape` over `dim`, repeated to `shape` again."""
    if not keepdim and t._data.ndim != len(shape):
        dims = check_dims("expand", dim, len(shape))
        t = t.reshape(tuple([1 if i in dims else n for i, n in enumerate(shape)]))
    return t if t._data.shape == shape else t.expand(shape)


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    return math.prod([shape[d] for d in dims])


def _whole(a: Array, dtype: Any) -> Any:
    """The dtype in which PyTorch sums `a`: integers and bool in int64."""
    return dtypes.to_dtype(dtype) if dtype is not None else a.dtype if a.dtype.kind == "f" else "i8"


@op(method="sum")
def sum(input: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """Sum over one dim, several, or all. Integers and bool add up in int64; of nothing it is 0."""
    dims = None if dim is None else check_dims("sum", dim, input.ndim)
    d = _whole(input, dtype)
    if d == np.float16:  # NumPy would add in half precision
        return _add_up(input, dims, np.float32, keepdims=keepdim).astype(d)
    if d is not input.dtype:
        input = input.astype(d, copy=False)
    return _add_up(input, dims, d, keepdims=keepdim)


sum.gradient("input", lambda g, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim))


def _float_only(name: str, a: Array) -> None:
    if a.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: could not infer output dtype. Input dtype must be floating; got {a.dtype}. "
            "Use .float() first."
        )


@op(method="mean")
def mean(input: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """Mean over one dim, several, or all; NaN over nothing. Integers are a RuntimeError."""
    dims = check_dims("mean", dim, input.ndim)
    if dtype is not None:
        input = input.astype(dtypes.to_dtype(dtype))
    _float_only("mean", input)
    d = input.dtype
    n = _count(input.shape, dims)
    if d == np.float16:
        return (_add_up(input, dims, np.float32, keepdims=keepdim) / n).astype(d)
    return np.true_divide(_add_up(input, dims, d, keepdims=keepdim), d.type(n))


@mean.gradient("input")
def _(g: Tensor, input_shape: Any, dim: Any, keepdim: bool) -> Tensor:
    n = _count(input_shape, check_dims("mean", dim, len(input_shape)))
    return spread(g / n, input_shape, dim, keepdim) if n else g.new_zeros(input_shape)


@op(method="nansum")
def nansum(input: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """Sum of what is not NaN."""
    dims = check_dims("nansum", dim, input.ndim)
    d = _whole(input, dtype)
    return np.asarray(np.nansum(input, dims, d, keepdims=keepdim))


@nansum.gradient("input")
def _(g: Tensor, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return spread(g, input._data.shape, dim, keepdim).masked_fill(input.isnan(), 0.0)


@composite(method="nanmean")
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean of what is not NaN."""
    _float_only("nanmean", input._data)
    return nansum(input, dim, keepdim, dtype=dtype) / (~input.isnan()).sum(dim, keepdim)


def _correction(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, float]:
    """PyTorch's overloads: var(unbiased), var(dim, unbiased), var(dim, correction=...)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError("var: give either unbiased or correction, not both.")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return dim, correction


def _variance(
    name: str, input: Array, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> Array:
    _float_only(name, input)
    dim, correction = _correction(dim, unbiased, correction)
    dims = check_dims(name, dim, input.ndim)
    n = _count(input.shape, dims)
    x = input.astype(np.float32) if input.dtype == np.float16 else input
    d = x - np.true_divide(x.sum(dims, keepdims=True), n)
    free = x.dtype.type(max(0, n - correction))
    return np.true_divide(np.square(d, out=np.asarray(d)).sum(dims, keepdims=keepdim), free)


@op(method="var")
def var(
    input: Array, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: Any = None,
) -> Array:  # fmt: skip
    """Variance over one dim, several, or all: sum of (x - mean)² / max(0, n - correction).

    `unbiased` False is correction 0, True (the default) is 1.
    """
    y = _variance("var", input, dim, unbiased, keepdim, correction)
    return np.asarray(y).astype(input.dtype, copy=False)


def _variance_slope(
    g: Tensor, x: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> Tensor:
    dim, correction = _correction(dim, unbiased, correction)
    shape = x._data.shape
    n = _count(shape, check_dims("var", dim, len(shape)))
    free = n - correction
    scale = 2 / free if free > 0 else math.inf
    return spread(g * scale, shape, dim, keepdim) * (x - x.mean(dim, True))


var.gradient("input", lambda g, input, dim, unbiased, keepdim, correction: _variance_slope(
    g, input, dim, unbiased, keepdim, correction
))  # fmt: skip


@op(method="std")
def std(
    input: Array, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: Any = None,
) -> Array:  # fmt: skip
    """Standard deviation: the square root of `var`. Where it is 0, its gradient is 0."""
    y = np.sqrt(_variance("std", input, dim, unbiased, keepdim, correction))
    return np.asarray(y).astype(input.dtype, copy=False)


@std.gradient("input")
def _(
    g: Tensor, input: Tensor, y: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> Tensor:
    half = g / (2 * y).masked_fill(y == 0, math.inf)  # zero at 0, and so are its derivatives
    return _variance_slope(half, input, dim, unbiased, keepdim, correction)


@composite(method="var_mean")
def var_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The variance and the mean."""
    d = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, d, keepdim)


@composite(method="std_mean")
def std_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The standard deviation and the mean."""
    d = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, d, keepdim)


@op(method="prod")
def prod(input: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """Product over one dim or all; 1 over nothing. Integers and bool multiply in int64."""
    dims = check_dims("prod", None if dim is None else dim, input.ndim)
    return input.prod(dims, _whole(input, dtype), keepdims=keepdim)


@prod.gradient("input")
def _(g: Tensor, input: Tensor, y: Tensor, dim: Any, keepdim: bool) -> Tensor:
    shape = input._data.shape
    if y._data.all():
        return spread(g * y, shape, dim, keepdim) / input
    dims = check_dims("prod", dim, len(shape))
    last = input.movedim(dims, tuple(range(len(shape) - len(dims), len(shape))))
    others = _products_of_others(last.flatten(len(shape) - len(dims)) if dims else last.reshape(1))
    others = others.reshape(last._data.shape)
    others = others.movedim(tuple(range(len(shape) - len(dims), len(shape))), dims)
    return spread(g, shape, dim, keepdim) * others


def _products_of_others(x: Tensor) -> Tensor:
    """(..., n): the product along the last dim without the element itself, by pairs of pairs."""
    n = x._data.shape[-1]
    if n <= 1:
        return x.new_ones(x._data.shape)
    if n % 2:
        return _products_of_others(_append_one(x))[..., :n]
    a, b = x[..., ::2], x[..., 1::2]
    outside = _products_of_others(a * b)
    pairs = (outside * b).unsqueeze(-1), (outside * a).unsqueeze(-1)
    from .join import cat

    return cat(pairs, -1).flatten(-2)


def _append_one(x: Tensor) -> Tensor:
    from .join import cat

    return cat((x, x.new_ones((*x._data.shape[:-1], 1))), -1)


@op(method="logsumexp")
def logsumexp(input: Array, dim: Any, keepdim: bool = False) -> Array:
    """log of the sum of exponentials over one dim or several, without overflow."""
    if input.dtype.kind != "f":
        input = input.astype(dtypes.get_default_dtype())
    dims = check_dims("logsumexp", dim, input.ndim)
    top = input.max(dims, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(input.dtype, copy=False)
    y = np.log(np.exp(input - top).sum(dims, keepdims=True)) + top
    return y if keepdim else y.squeeze(dims)


@logsumexp.gradient("input")
def _(g: Tensor, input: Tensor, y: Tensor, dim: Any, keepdim: bool) -> Tensor:
    shape = input._data.shape
    y = y.masked_fill(y.isinf() & (y < 0), 0.0) if np.isneginf(y._data).any() else y
    return spread(g, shape, dim, keepdim) * (input - spread(y, shape, dim, keepdim)).exp()


@op(method="all", differentiable=False)
def all(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether all elements are nonzero, over one dim, several, or all of them; True of nothing.

    With `dim` (), nothing is reduced.
    """
    dims = () if dim == () else check_dims("all", dim, input.ndim)
    y = np.all(input, dims, keepdims=keepdim)
    return np.asarray(y, np.uint8) if input.dtype == np.uint8 else y


@op(method="any", differentiable=False)
def any(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether some element is nonzero, over one dim, several, or all of them; False of nothing.

    With `dim` (), nothing is reduced.
    """
    dims = () if dim == () else check_dims("any", dim, input.ndim)
    y = np.any(input, dims, keepdims=keepdim)
    return np.asarray(y, np.uint8) if input.dtype == np.uint8 else y


@op(method="count_nonzero", differentiable=False)
def count_nonzero(input: Array, dim: Any = None) -> Array:
    """How many elements are nonzero, over one dim, several, or all of them."""
    return (input != 0).sum(check_dims("count_nonzero", dim, input.ndim), np.int64)
