"""The compiled loops of normalisation: a chunk is one channel, or one row. No policy here.

One channel stays in L2 over the passes that need it; sums run in float64.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import kernel

__all__ = ["channel_affine", "channel_grad", "channel_stats", "row_grad", "row_norm"]


@kernel
def channel_stats(start, stop, x, mean, var):
    """Mean and biased variance of channels start..stop of x (N, C, L), two passes."""
    m = max(x.shape[0] * x.shape[2], 1)
    for c in range(start, stop):
        total = 0.0
        for n in range(x.shape[0]):
            line = x[n, c]
            for k in range(len(line)):
                total += np.float64(line[k])
        middle = total / m
        total = 0.0
        for n in range(x.shape[0]):
            line = x[n, c]
            for k in range(len(line)):
                d = np.float64(line[k]) - middle
                total += d * d
        mean[c] = middle
        var[c] = total / m


@kernel
def channel_affine(start, stop, x, mean, scale, shift, y):
    """y = (x − mean)·scale + shift, images start..stop of x (N, C, L)."""
    for n in range(start, stop):
        for c in range(x.shape[1]):
            src, dst = x[n, c], y[n, c]
            m, s, b = mean[c], scale[c], shift[c]
            for k in range(len(src)):
                dst[k] = (src[k] - m) * s + b


@kernel
def channel_grad(start, stop, g, x, mean, rstd, scale, gx, gw, gb):
    """Gradients of a batch-normalised channel, channels start..stop."""
    count = max(x.shape[0] * x.shape[2], 1)
    for c in range(start, stop):
        m, r = mean[c], rstd[c]
        along, across = 0.0, 0.0
        for n in range(x.shape[0]):
            gs, xs = g[n, c], x[n, c]
            for k in range(len(xs)):
                along += np.float64(gs[k])
                across += np.float64(gs[k] * (xs[k] - m))
        across *= np.float64(r)
        gb[c], gw[c] = along, across
        s = scale[c]
        a = x.dtype.type(along / count)
        b = x.dtype.type(across / count * r)
        for n in range(x.shape[0]):
            gs, xs, out = g[n, c], x[n, c], gx[n, c]
            for k in range(len(xs)):
                out[k] = s * (gs[k] - a - (xs[k] - m) * b)


@kernel
def row_norm(start, stop, x, eps, y, mean, rstd):
    """y = (x − mean)·rstd for rows start..stop of x (R, L)."""
    length = max(x.shape[1], 1)
    for i in range(start, stop):
        src, dst = x[i], y[i]
        total = 0.0
        for k in range(len(src)):
            total += np.float64(src[k])
        middle = total / length
        total = 0.0
        for k in range(len(src)):
            d = np.float64(src[k]) - middle
            total += d * d
        r = 1.0 / np.sqrt(total / length + eps)
        mean[i], rstd[i] = middle, r
        m, s = x.dtype.type(middle), x.dtype.type(r)
        for k in range(len(src)):
            dst[k] = (src[k] - m) * s


@kernel
def row_grad(start, stop, g, x, mean, rstd, gx):
    """Gradient of `row_norm`, rows start..stop."""
    length = max(x.shape[1], 1)
    for i in range(start, stop):
        gs, xs, out = g[i], x[i], gx[i]
        m, r = mean[i], rstd[i]
        along, across = 0.0, 0.0
        for k in range(len(xs)):
            along += np.float64(gs[k])
            across += np.float64(gs[k] * (xs[k] - m))
        a = x.dtype.type(along / length)
        b = x.dtype.type(across * r * r / length)
        for k in range(len(xs)):
            out[k] = r * (gs[k] - a - (xs[k] - m) * b)
