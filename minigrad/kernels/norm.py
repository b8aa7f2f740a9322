"""Normalisation over batch and space, or over rows, with fused gradients; no Tensor lives here.

Sums run in float64 whatever the dtype of the data, so that a mean far from zero costs no digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import moments
from minigrad.kernels.jit import dense, parallel, use_jit

Array = NDArray[np.floating]

__all__ = [
    "batch_norm_apply",
    "batch_norm_grad",
    "batch_norm_stats",
    "row_norm",
    "row_norm_grad",
]


def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel of x (N, C, L): two arrays (C,)."""
    if not use_jit(x):
        return batch_norm_stats_reference(x)
    x, c = dense(x), x.shape[1]
    mean, var = np.empty(c, x.dtype), np.empty(c, x.dtype)
    parallel(lambda a, z: moments.channel_stats(a, z, x, mean, var), c, x.size)
    return mean, var


def batch_norm_apply(
    x: Array, mean: Array, rstd: Array, w: Array | None, b: Array | None
) -> Array:
    """y[n,c,l] = (x[n,c,l] − mean[c]) · rstd[c] · w[c] + b[c]; x (N, C, L)."""
    if not use_jit(x, mean, rstd, w, b):
        return batch_norm_apply_reference(x, mean, rstd, w, b)
    x, y = dense(x), np.empty(x.shape, x.dtype)
    mean, scale = dense(mean), dense(rstd) if w is None else rstd * w
    shift = np.zeros_like(scale) if b is None else dense(b)
    parallel(
        lambda a, z: moments.channel_affine(a, z, x, mean, scale, shift, y), x.shape[0], x.size
    )
    return y


def batch_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, w: Array | None
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm_apply` where mean and rstd are those of the batch itself.

        x̂ = (x − mean)·rstd,  gb = Σ g,  gw = Σ g·x̂,  gx = w·rstd·(g − gb/M − x̂·gw/M),  M = N·L

    Returns gx (N, C, L), gw (C,), gb (C,).
    """
    if not use_jit(g, x, mean, rstd, w):
        return batch_norm_grad_reference(g, x, mean, rstd, w)
    g, x, mean, rstd = dense(g), dense(x), dense(mean), dense(rstd)
    scale = rstd if w is None else rstd * w
    c = x.shape[1]
    gx, gw, gb = np.empty(x.shape, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    parallel(
        lambda a, z: moments.channel_grad(a, z, g, x, mean, rstd, scale, gx, gw, gb),
        c,
        2.0 * x.size,
    )
    return gx, gw, gb


def row_norm(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Normalise each row of x (R, L): y = (x − mean)·rstd, rstd = 1/sqrt(biased var + eps).

    Returns y (R, L), mean (R,), rstd (R,).
    """
    if not use_jit(x):
        return row_norm_reference(x, eps)
    x, y, r = dense(x), np.empty(x.shape, x.dtype), x.shape[0]
    mean, rstd, eps = np.empty(r, x.dtype), np.empty(r, x.dtype), float(eps)
    parallel(lambda a, z: moments.row_norm(a, z, x, eps, y, mean, rstd), r, 2.0 * x.size)
    return y, mean, rstd


def row_norm_grad(g: Array, x: Array, mean: Array, rstd: Array) -> Array:
    """Gradient of `row_norm`: gx = rstd·(g − mean(g) − x̂·mean(g·x̂)), all (R, L)."""
    if not use_jit(g, x, mean, rstd):
        return row_norm_grad_reference(g, x, mean, rstd)
    g, x, mean, rstd = dense(g), dense(x), dense(mean), dense(rstd)
    gx = np.empty(x.shape, x.dtype)
    parallel(
        lambda a, z: moments.row_grad(a, z, g, x, mean, rstd, gx), x.shape[0], 2.0 * x.size
    )
    return gx


def batch_norm_stats_reference(x: Array) -> tuple[Array, Array]:
    """`batch_norm_stats` in NumPy, two passes."""
    m = max(x.shape[0] * x.shape[2], 1)
    mean = x.sum(axis=(0, 2), dtype=np.float64) / m
    var = np.square(x - mean[:, None]).sum(axis=(0, 2)) / m
    return mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm_apply_reference(
    x: Array, mean: Array, rstd: Array, w: Array | None, b: Array | None
) -> Array:
    """`batch_norm_apply` in NumPy."""
    scale = rstd if w is None else rstd * w
    y = (x - mean[:, None]) * scale[:, None]
    return y if b is None else y + b[:, None]


def batch_norm_grad_reference(
    g: Array, x: Array, mean: Array, rstd: Array, w: Array | None
) -> tuple[Array, Array, Array]:
    """`batch_norm_grad` in NumPy."""
    m = max(x.shape[0] * x.shape[2], 1)
    xhat = (x - mean[:, None]) * rstd[:, None]
    gb = g.sum(axis=(0, 2), dtype=np.float64).astype(g.dtype)
    gw = (g * xhat).sum(axis=(0, 2), dtype=np.float64).astype(g.dtype)
    scale = rstd if w is None else rstd * w
    gx = scale[:, None] * (g - gb[:, None] / m - xhat * (gw[:, None] / m))
    return gx.astype(x.dtype, copy=False), gw, gb


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
