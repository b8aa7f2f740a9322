"""Along one dim: running sums and products, sorting, the k largest, unique values."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim, wrap
from .extremes import scatter_back
from .join import cat, stack
from .rearrange import flip
from .section import narrow

__all__ = [
    "argsort",
    "bincount",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "diff",
    "kthvalue",
    "median",
    "msort",
    "quantile",
    "sort",
    "topk",
    "unique",
]

Sort = namedtuple("sort", "values indices")  # type: ignore[name-match]
Topk = namedtuple("topk", "values indices")  # type: ignore[name-match]
Kthvalue = namedtuple("kthvalue", "values indices")  # type: ignore[name-match]
Median = namedtuple("median", "values indices")  # type: ignore[name-match]
Cummax = namedtuple("cummax", "values indices")  # type: ignore[name-match]
Cummin = namedtuple("cummin", "values indices")  # type: ignore[name-match]


def _summed(a: Array, dtype: Any) -> Array:
    if dtype is not None:
        return a.astype(dtypes.to_dtype(dtype), copy=False)
    return a if a.dtype.kind == "f" else a.astype(np.int64, copy=False)


@op(method="cumsum", inplace="cumsum_")
def cumsum(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """Running sum along a dim."""
    d, a = check_dim("cumsum", dim, input.ndim), _summed(input, dtype)
    return np.cumsum(a, d, a.dtype) if a.ndim else a.copy()


@cumsum.gradient("input")
def _(g: Tensor, dim: int) -> Tensor:
    return flip(cumsum(flip(g, (dim,)), dim), (dim,)) if g._data.ndim else g


@op(method="cumprod", inplace="cumprod_")
def cumprod(input: Array, dim: int, *, dtype: Any = None) -> Array:
    """Running product along a dim."""
    d, a = check_dim("cumprod", dim, input.ndim), _summed(input, dtype)
    return np.cumprod(a, d, a.dtype) if a.ndim else a.copy()


@cumprod.gradient("input")
def _(g: Tensor, input: Tensor, y: Tensor, dim: int) -> Tensor:
    if not g._data.ndim:
        return g
    d = check_dim("cumprod", dim, g._data.ndim)
    n = g._data.shape[d]
    if input._data.all():
        return flip(cumsum(flip(g * y, (d,)), d), (d,)) / input
    # with zeros: before · after, where after[k] = g[k] + x[k+1] · after[k+1]
    before = cat((narrow(y, d, 0, 1) * 0 + 1, narrow(y, d, 0, n - 1)), d)
    after = [narrow(g, d, n - 1, 1)]
    for k in range(n - 2, -1, -1):
        after.append(narrow(g, d, k, 1) + narrow(input, d, k + 1, 1) * after[-1])
    return before * cat(after[::-1], d)


def _cumulative(name: str, input: Array, dim: int) -> tuple[Array, Array]:
    d = check_dim(name, dim, input.ndim)
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    best = np.maximum if name == "cummax" else np.minimum
    values = best.accumulate(input, d)
    places = np.arange(input.shape[d]).reshape((-1,) + (1,) * (input.ndim - d - 1))
    same = (input == values) | (np.isnan(input) & np.isnan(values))
    return values, np.maximum.accumulate(np.where(same, places, 0), d)


@op(name="cummax", outputs="values indices")
def _cummax(input: Array, dim: int) -> tuple[Array, Array]:
    """Running maximum along a dim and where it stands (the last of several)."""
    return _cumulative("cummax", input, dim)


@op(name="cummin", outputs="values indices")
def _cummin(input: Array, dim: int) -> tuple[Array, Array]:
    """Running minimum along a dim and where it stands (the last of several)."""
    return _cumulative("cummin", input, dim)


for _cum in (_cummax, _cummin):
    _cum.gradient(
        "input",
        lambda g, indices, input_shape, dim: g.new_zeros(input_shape).scatter_add(dim, indices, g),
    )


@composite(method="cummax")
def cummax(input: Tensor, dim: int) -> Any:
    """(values, indices) of the running maximum along a dim."""
    return Cummax(*_cummax(input, dim))


@composite(method="cummin")
def cummin(input: Tensor, dim: int) -> Any:
    """(values, indices) of the running minimum along a dim."""
    return Cummin(*_cummin(input, dim))


@composite(method="diff")
def diff(input: Tensor, n: int = 1, dim: int = -1) -> Tensor:
    """x[i + 1] - x[i] along a dim, `n` times."""
    d = check_dim("diff", dim, input.ndim)
    if not hasattr(n, "__index__") or n < 0:
        raise ShapeError(f"diff: n must be an int that is not negative; got n {n!r}.")
    for _ in range(min(n, input._data.shape[d])):  # after as many steps nothing is left
        size = input._data.shape[d]
        input = narrow(input, d, min(1, size), max(0, size - 1)) - narrow(
            input, d, 0, max(0, size - 1)
        )
    return input


# order ---------------------------------------------------------------------------------------


def _order(a: Array, d: int, descending: bool) -> Array:
    """Indices that sort `a` along `d`; equal elements keep their order, NaN counts as largest."""
    if not descending:
        return np.argsort(a, d, kind="stable")
    back = np.argsort(np.flip(a, d), d, kind="stable")
    return np.flip(a.shape[d] - 1 - back, d)


@op(name="sort", outputs="values indices")
def _sort(input: Array, dim: int = -1, descending: bool = False) -> tuple[Array, Array]:
    """Elements in order along a dim, and where they stood."""
    d = check_dim("sort", dim, input.ndim)
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    order = _order(input, d, descending)
    return np.take_along_axis(input, order, d), np.ascontiguousarray(order)


@_sort.gradient("input")
def _(g: Tensor, indices: Tensor, input_shape: Any, dim: int) -> Tensor:
    return scatter_back(g, indices, input_shape, dim)


@composite(method="sort")
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> Any:
    """(values, indices) in order along a dim.

    Always stable: equal elements keep their order. NaN counts as larger than every number.
    """
    return Sort(*_sort(input, dim, descending))


@composite(method="msort")
def msort(input: Tensor) -> Tensor:
    """The elements in order along dim 0."""
    return sort(input, 0).values


@op(method="argsort", differentiable=False)
def argsort(
    input: Array, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Array:
    """Indices that sort a dim; always stable."""
    d = check_dim("argsort", dim, input.ndim)
    return np.ascontiguousarray(_order(input, d, descending)) if input.ndim else np.zeros((), "i8")


@op(name="topk", outputs="values indices")
def _topk(input: Array, k: int, dim: int = -1, largest: bool = True) -> tuple[Array, Array]:
    """The k largest (or smallest) elements along a dim in order, and where they stand."""
    d = check_dim("topk", dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise TypeError(f"topk: k must be an int; got {k!r}.")
    if not 0 <= k <= n:
        raise ShapeError(f"topk: k must be in [0, {n}], the size of dim {d}; got k {k}.")
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    order = _first(input, d, int(k), largest)
    return np.take_along_axis(input, order, d), np.ascontiguousarray(order)


def _first(a: Array, d: int, k: int, largest: bool) -> Array:
    """The first k of `_order`; of many, those of a partition, where equal elements are any."""
    front = (slice(None),) * d
    n = a.shape[d]
    if not k or n < 256 or 8 * k > n:
        return _order(a, d, largest)[(*front, slice(k))]
    some = np.argpartition(a, n - k if largest else k - 1, d)
    some = np.sort(some[(*front, slice(n - k, None) if largest else slice(k))], d)
    return np.take_along_axis(some, _order(np.take_along_axis(a, some, d), d, largest), d)


@_topk.gradient("input")
def _(g: Tensor, indices: Tensor, input_shape: Any, dim: int) -> Tensor:
    return scatter_back(g, indices, input_shape, dim)


@composite(method="topk")
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the k largest (or smallest) elements along a dim, always in order.

    Raises
    ------
    ValueError
        k exceeds the size of the dim.
    """
    return Topk(*_topk(input, k, dim, largest))


@composite(method="kthvalue")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the k-th smallest element along a dim, counted from 1."""
    d = check_dim("kthvalue", dim, input.ndim)
    n = input._data.shape[d] if input.ndim else 1
    if not 1 <= k <= n:
        raise ShapeError(f"kthvalue: k must be in [1, {n}], the size of dim {d}; got k {k}.")
    pair = sort(input, dim)
    if not input.ndim:
        return Kthvalue(*pair)
    values, indices = (narrow(x, d, k - 1, 1) for x in pair)
    return Kthvalue(values, indices) if keepdim else Kthvalue(values.squeeze(d), indices.squeeze(d))


@composite(method="median")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all, or (values, indices) along a dim; of two middle elements the smaller.

    NaN if there is one.
    """
    flat = input.flatten() if dim is None else input
    d = 0 if dim is None else check_dim("median", dim, input.ndim)
    n = flat._data.shape[d] if flat.ndim else 1
    if not n and dim is None:
        return input.new_full((), math.nan)
    if not n:
        raise IndexError(f"median: the dim must not be empty; got shape {tuple(input.shape)}.")
    pair = sort(flat, d)
    if not flat.ndim:
        return Median(*pair)
    middle = np.full_like(np.take(flat._data, [0], d), (n - 1) // 2, dtype=np.int64)
    if flat.is_floating_point():
        nan = np.isnan(np.take(pair[0]._data, [n - 1], d))
        middle = np.where(nan, n - 1, middle)
    values, indices = (x.gather(d, wrap(middle)) for x in pair)
    if dim is None:
        return values.reshape(())
    return Median(values, indices) if keepdim else Median(values.squeeze(d), indices.squeeze(d))


@composite(method="quantile")
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The value below which a share q of the elements lies, of all or along a dim.

    Parameters
    ----------
    q : number in [0, 1], or (K,) Tensor of them
        Of several, the results are the first dim.
    interpolation : {'linear', 'lower', 'higher', 'nearest', 'midpoint'}
        What to take between two elements.
    """
    qs = np.asarray(q._data if isinstance(q, Tensor) else q, np.float64)
    if not input.is_floating_point() or qs.ndim > 1 or not ((qs >= 0) & (qs <= 1)).all():
        raise ShapeError(
            f"quantile: input must be floating, and q one or several numbers in [0, 1]; got input "
            f"of dtype {input.dtype}, q {qs.tolist()}."
        )
    if interpolation not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise ShapeError(
            "quantile: interpolation must be 'linear', 'lower', 'higher', 'nearest' or 'midpoint'; "
            f"got {interpolation!r}."
        )
    x = input.reshape(-1) if dim is None or not input.ndim else input
    d = 0 if dim is None else check_dim("quantile", dim, input.ndim)
    n = x._data.shape[d]
    if not n:
        raise ShapeError(f"quantile: input must not be empty; got shape {tuple(input.shape)}.")
    ordered = sort(x, d)[0]
    last = ordered.narrow(d, n - 1, 1)  # NaN if there is one
    results = []
    for place in np.atleast_1d(qs) * (n - 1):
        low, high = math.floor(place), math.ceil(place)
        share = {"lower": 0.0, "higher": 1.0, "midpoint": 0.5}.get(interpolation, place - low)
        if interpolation == "nearest":
            share = float(round(place) - low)
        value = ordered.narrow(d, low, 1).lerp(ordered.narrow(d, high, 1), share)
        value = value.masked_fill(last.isnan(), math.nan)
        if dim is None:
            value = value.reshape([1] * input.ndim if keepdim else [])
        results.append(value if keepdim or dim is None else value.squeeze(d))
    if not qs.ndim:
        return results[0]
    return results[0].new_zeros(0, *results[0].shape) if not results else stack(results)


@composite(method="unique")
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The different elements (or slices along `dim`) in order, and on request where each input
    element is among them and how often each occurs."""
    a = input._data
    got = np.unique(a, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    values, inverse, counts = got
    inverse = inverse.reshape(a.shape if dim is None else -1)
    out = [wrap(values)]
    if return_inverse:
        out.append(wrap(inverse.astype(np.int64)))
    if return_counts:
        out.append(wrap(counts.astype(np.int64)))
    return out[0] if len(out) == 1 else tuple(out)


@composite(method="bincount")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... occurs in a vector of ints >= 0, or the sum of its weights."""
    a = input._data
    if a.ndim != 1 or a.dtype.kind not in "iu" or (a < 0).any():
        raise ShapeError(
            f"bincount: input must be a vector of ints >= 0; got shape {a.shape}, dtype {a.dtype}"
            f"{', minimum ' + str(a.min()) if a.size else ''}."
        )
    if a.size and a.max() >= 1 << 48:  # NumPy writes out of bounds there
        raise ShapeError(
            f"bincount: input must be small ints, for the result counts up to the largest; got "
            f"maximum {a.max()}. Map the values to 0, 1, ... with unique."
        )
    w = None if weights is None else weights._data
    if w is not None and w.shape != a.shape:
        raise ShapeError(f"bincount: weights must have the shape {a.shape}; got {w.shape}.")
    y = np.bincount(a, w, minlength)
    return wrap(y.astype(w.dtype) if w is not None and w.dtype == np.float32 else y)
