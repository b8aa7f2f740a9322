"""Normalisation over batch and space, or over rows, with fused gradients; no Tensor lives here.

Sums over many run in float64 whatever the dtype of the data, and a mean far from zero costs no
digits.
Two passes over the data, each by parts of the batch, in the order in which a convolution writes and
reads them: statistics, then results. Bound by memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import moments
from minigrad.kernels.jit import dense, use_jit

Pair = tuple[int, int]
Array = NDArray[np.floating]
CHUNKS = 16  # that a batch is cut into, where it can be

__all__ = [
    "batch_norm",
    "batch_norm_apply",
    "batch_norm_fold",
    "batch_norm_grad",
    "row_norm",
    "row_norm_grad",
]


def _ncl(x: Array) -> Array:
    """(N, C, ...) as (N, C, L)."""
    shape = x.shape
    return x.reshape(shape[0], shape[1], -1 if x.size else math.prod(shape[2:]))


def batch_norm(
    x: Array, eps: float, w: Array | None, b: Array | None, relu: bool = False,
    running: tuple[Array | None, Array | None] = (None, None), momentum: float = 0.0,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Normalise each channel of x (N, C, ...) by its own statistics, then scale and shift it.

        y[n,c,l] = (x[n,c,l] − mean[c]) · rstd[c] · w[c] + b[c],  rstd = 1/sqrt(var + eps)

    `relu` cuts y off at 0. A `running` mean and variance move, in place, by `momentum` of the way
    to those of x, the variance to the unbiased one. Returns y, mean, biased var and rstd, three
    arrays (C,).
    """
    if not use_jit(x, w, b):
        return batch_norm_reference(x, eps, w, b, relu, running, momentum)
    x = dense(x)
    x3 = _ncl(x)
    n, c, length = x3.shape
    parts, splits = _parts(n, c)
    sums, (mean, var, rstd) = np.empty((parts, c, 2)), np.empty((3, c), x.dtype)
    moments.part_moments.run(parts * splits, _work(x), splits, x3, sums)
    fits = [r is not None and r.dtype is x.dtype and r.flags.carray for r in running]
    none = _constant(0, 0, x.dtype)
    moving = [r if fit else none for r, fit in zip(running, fits)]
    moments.join_moments(
        sums, n, length, float(eps), float(momentum), mean, var, rstd, *moving
    )
    _move([None if fit else r for r, fit in zip(running, fits)], mean, var, n * length, momentum)
    return batch_norm_apply(x, mean, rstd, w, b, relu), mean, var, rstd


def _move(
    running: Sequence[Array | None], mean: Array, var: Array, count: int, momentum: float
) -> None:
    """Running statistics, where there are any, towards those of `count` elements per channel."""
    mean_now, var_now = running
    if mean_now is not None:
        mean_now *= 1 - momentum
        mean_now += momentum * mean
    if var_now is not None:
        var_now *= 1 - momentum
        var_now += momentum * (var * (count / max(count - 1, 1)))


@lru_cache(maxsize=256)
def _parts(n: int, c: int) -> Pair:
    """Into how many parts a batch is cut, and each into groups of channels: from shapes alone."""
    parts = max(1, min(n, CHUNKS))
    return parts, max(1, min(c, CHUNKS // parts))


def batch_norm_apply(
    x: Array, mean: Array, rstd: Array, w: Array | None, b: Array | None, relu: bool = False
) -> Array:
    """y[n,c,l] = (x[n,c,l] − mean[c]) · rstd[c] · w[c] + b[c]; x (N, C, ...), L of them."""
    if not use_jit(x, mean, rstd, w, b):
        return batch_norm_apply_reference(x, mean, rstd, w, b, relu)
    x3 = _ncl(dense(x))
    y, (n, c, _) = np.empty(x3.shape, x3.dtype), x3.shape
    parts, splits = _parts(n, c)
    weight = _constant(c, 1, x.dtype) if w is None else dense(w)
    shift = _constant(c, 0, x.dtype) if b is None else dense(b)
    how = dense(mean), dense(rstd), weight, shift, _floor(x.dtype, relu)
    moments.normalise.run(parts * splits, 0.17 * x.size, splits, x3, *how, y)
    return y.reshape(x.shape)


def batch_norm_fold(
    w: Array, b: Array | None, mean: Array, var: Array, eps: float, weight: Array | None,
    shift: Array | None,
) -> tuple[Array, Array]:  # fmt: skip
    """Filters (F, ...) and bias (F,) that do what w, b and then `batch_norm_apply` do.

        w[f] · s[f],  (b[f] − mean[f]) · s[f] + shift[f],  s[f] = weight[f] / sqrt(var[f] + eps)
    """
    if not use_jit(w, b, mean, var, weight, shift):
        return batch_norm_fold_reference(w, b, mean, var, eps, weight, shift)
    f = len(w)
    to, moved = np.empty(w.shape, w.dtype), np.empty(f, w.dtype)
    given = [
        _constant(f, k, w.dtype) if v is None else dense(v)
        for v, k in ((b, 0), (weight, 1), (shift, 0))
    ]
    rows, made = dense(w).reshape(f, -1), to.reshape(f, -1)
    moments.fold(rows, dense(mean), dense(var), *given, float(eps), made, moved)
    return to, moved


@lru_cache(maxsize=256)
def _constant(size: int, value: int, dtype: np.dtype) -> Array:
    """An array that is only read."""
    return np.full(size, value, dtype)


def batch_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, w: Array | None, b: Array | None = None,
    relu: bool = False, spare: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Gradients of `batch_norm` where mean and rstd are those of the batch itself.

        x̂ = (x − mean)·rstd,  gb = Σ g,  gw = Σ g·x̂,  gx = w·rstd·(g − gb/M − x̂·gw/M),  M = N·L

    With `relu`, which alone needs b, g is first made 0 where the result was cut off.
    Returns gx (N, C, ...), gw (C,), gb (C,); gx may take the memory of a g that is `spare`.
    """
    if not use_jit(g, x, mean, rstd, w, b):
        return batch_norm_grad_reference(g, x, mean, rstd, w, b, relu)
    gx = g if spare and g.flags.carray else np.empty(x.shape, x.dtype)
    g3, x3 = _ncl(dense(g)), _ncl(dense(x))
    n, c, length = x3.shape
    parts, splits = _parts(n, c)
    weight = _constant(c, 1, x.dtype) if w is None else dense(w)
    shift = _constant(c, 0, x.dtype) if b is None else dense(b)
    mean, rstd = dense(mean), dense(rstd)
    how, sums = (mean, rstd, weight, shift, _floor(x.dtype, relu)), np.empty((parts, c, 2))
    moments.part_gradients.run(parts * splits, _work(x), splits, g3, x3, *how, sums)
    gw, gb, *means = np.empty((4, c), x.dtype)
    moments.join_gradients(sums, max(n * length, 1), rstd, gw, gb, *means)
    moments.spread_gradients.run(parts * splits, _work(x), splits, g3, x3, *how, *means, _ncl(gx))
    return gx, gw, gb


def _work(x: Array) -> float:
    """In nanoseconds; to begin a line of a channel takes a while."""
    return 0.15 * x.size + 5.0 * x.shape[0] * x.shape[1]


@lru_cache(maxsize=8)
def _floor(dtype: np.dtype[Any], relu: bool) -> Any:
    """What `moments` cuts off at."""
    return dtype.type(0 if relu else math.nan)


def row_norm(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Normalise each row of x (R, L): y = (x − mean)·rstd, rstd = 1/sqrt(biased var + eps).

    Returns y (R, L), mean (R,), rstd (R,).
    """
    if not use_jit(x):
        return row_norm_reference(x, eps)
    x, y, r = dense(x), np.empty(x.shape, x.dtype), x.shape[0]
    mean, rstd, eps = np.empty(r, x.dtype), np.empty(r, x.dtype), float(eps)
    moments.row_norm.run(r, 1.0 * x.size, x, eps, y, mean, rstd)
    return y, mean, rstd


def row_norm_grad(g: Array, x: Array, mean: Array, rstd: Array) -> Array:
    """Gradient of `row_norm`: gx = rstd·(g − mean(g) − x̂·mean(g·x̂)), all (R, L)."""
    if not use_jit(g, x, mean, rstd):
        return row_norm_grad_reference(g, x, mean, rstd)
    g, x, mean, rstd = dense(g), dense(x), dense(mean), dense(rstd)
    gx = np.empty(x.shape, x.dtype)
    moments.row_grad.run(x.shape[0], 1.0 * x.size, g, x, mean, rstd, gx)
    return gx


def batch_norm_reference(
    x: Array, eps: float, w: Array | None, b: Array | None, relu: bool = False,
    running: tuple[Array | None, Array | None] = (None, None), momentum: float = 0.0,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """`batch_norm` in NumPy, two passes for the statistics."""
    rows = _ncl(x)
    m = max(rows.shape[0] * rows.shape[2], 1)
    mean = rows.sum(axis=(0, 2), dtype=np.float64) / m
    var = np.square(rows - mean[:, None]).sum(axis=(0, 2)) / m
    mean, var = mean.astype(x.dtype), var.astype(x.dtype)
    rstd = (1 / np.sqrt(var + eps)).astype(x.dtype, copy=False)
    _move(running, mean, var, m, momentum)
    return batch_norm_apply_reference(x, mean, rstd, w, b, relu), mean, var, rstd


def batch_norm_apply_reference(
    x: Array, mean: Array, rstd: Array, w: Array | None, b: Array | None, relu: bool = False
) -> Array:
    """`batch_norm_apply` in NumPy."""
    scale = rstd if w is None else rstd * w
    y = (_ncl(x) - mean[:, None]) * scale[:, None]
    y = y if b is None else y + b[:, None]
    return (np.maximum(y, 0) if relu else y).reshape(x.shape)


def batch_norm_fold_reference(
    w: Array, b: Array | None, mean: Array, var: Array, eps: float, weight: Array | None,
    shift: Array | None,
) -> tuple[Array, Array]:  # fmt: skip
    """`batch_norm_fold` in NumPy."""
    scale = (1 if weight is None else weight) / np.sqrt(var + eps)
    moved = ((0 if b is None else b) - mean) * scale + (0 if shift is None else shift)
    scale = scale.reshape(-1, *[1] * (w.ndim - 1))
    return (w * scale).astype(w.dtype, copy=False), moved.astype(w.dtype, copy=False)


def batch_norm_grad_reference(
    g: Array, x: Array, mean: Array, rstd: Array, w: Array | None, b: Array | None = None,
    relu: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """`batch_norm_grad` in NumPy."""
    if relu:
        g = np.where(batch_norm_apply_reference(x, mean, rstd, w, b) <= 0, g.dtype.type(0), g)
    shape, g, x = x.shape, _ncl(g), _ncl(x)
    m = max(x.shape[0] * x.shape[2], 1)
    xhat = (x - mean[:, None]) * rstd[:, None]
    gb = g.sum(axis=(0, 2), dtype=np.float64).astype(g.dtype)
    gw = (g * xhat).sum(axis=(0, 2), dtype=np.float64).astype(g.dtype)
    scale = rstd if w is None else rstd * w
    gx = scale[:, None] * (g - gb[:, None] / m - xhat * (gw[:, None] / m))
    return gx.astype(x.dtype, copy=False).reshape(shape), gw, gb


def row_norm_reference(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """`row_norm` in NumPy."""
    length = max(x.shape[1], 1)
    mean = x.sum(axis=1, dtype=np.float64, keepdims=True) / length
    var = np.square(x - mean).sum(axis=1, keepdims=True) / length
    rstd = 1.0 / np.sqrt(var + eps)
    y = ((x - mean) * rstd).astype(x.dtype)
    return y, mean[:, 0].astype(x.dtype), rstd[:, 0].astype(x.dtype)


def row_norm_grad_reference(g: Array, x: Array, mean: Array, rstd: Array) -> Array:
    """`row_norm_grad` in NumPy."""
    length = max(x.shape[1], 1)
    xhat = (x - mean[:, None]) * rstd[:, None]
    along = g.sum(axis=1, dtype=np.float64, keepdims=True) / length
    across = (g * xhat).sum(axis=1, dtype=np.float64, keepdims=True) / length
    return (rstd[:, None] * (g - along - xhat * across)).astype(x.dtype, copy=False)
