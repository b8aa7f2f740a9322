"""The compiled loops of normalisation: a chunk is one channel, or one row. No policy here.

One channel stays in L2 over the passes that need it, so that memory is read once; sums run in
float64, which costs nothing beside that: their vector loops take 45 GB/s from L2 on a core.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import helper, kernel
from minigrad.kernels.team import share

__all__ = ["channel_affine", "channel_grad", "channel_norm", "row_grad", "row_norm"]


@helper
def _affine(src, m, s, b, floor, dst):
    """dst = (src − m)·s + b, or 0 where that is at most `floor`: 0 for a relu, NaN for none."""
    zero = src.dtype.type(0)
    for k in range(len(src)):
        v = (src[k] - m) * s + b
        dst[k] = zero if v <= floor else v


@kernel
def channel_norm(team, chunks, x, eps, weight, shift, floor, y, mean, var, rstd):
    """Statistics of the channels of x (N, C, L), two passes, and y normalised by them."""
    m = max(x.shape[0] * x.shape[2], 1)
    for c in share(team, chunks):
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
        mean[c], var[c] = middle, total / m
        rstd[c] = 1.0 / np.sqrt(var[c] + eps)
        s = rstd[c] * weight[c]
        for n in range(x.shape[0]):
            _affine(x[n, c], mean[c], s, shift[c], floor, y[n, c])


@kernel
def channel_affine(team, chunks, x, mean, scale, shift, floor, y):
    """y = (x − mean)·scale + shift, planes of x (N·C, L)."""
    channels = len(mean)
    for p in share(team, chunks):
        c = p % channels
        _affine(x[p], mean[c], scale[c], shift[c], floor, y[p])


@kernel
def channel_grad(team, chunks, g, x, mean, rstd, scale, shift, floor, gx, gw, gb):
    """Gradients of batch-normalised channels.

    Where `_affine` gave 0 for a relu, g does not count: the same expression is compared again,
    which costs less than reading its result would.
    """
    count = max(x.shape[0] * x.shape[2], 1)
    zero = x.dtype.type(0)
    for c in share(team, chunks):
        m, r, s, t = mean[c], rstd[c], scale[c], shift[c]
        along, across = 0.0, 0.0
        for n in range(x.shape[0]):
            gs, xs = g[n, c], x[n, c]
            for k in range(len(xs)):
                d = xs[k] - m
                h = zero if d * s + t <= floor else gs[k]
                along += np.float64(h)
                across += np.float64(h * d)
        across *= np.float64(r)
        gb[c], gw[c] = along, across
        a = x.dtype.type(along / count)
        b = x.dtype.type(across / count * r)
        for n in range(x.shape[0]):
            gs, xs, out = g[n, c], x[n, c], gx[n, c]
            for k in range(len(xs)):
                d = xs[k] - m
                h = zero if d * s + t <= floor else gs[k]
                out[k] = s * (h - a - d * b)


@kernel
def row_norm(team, chunks, x, eps, y, mean, rstd):
    """y = (x − mean)·rstd for the rows of x (R, L)."""
    length = max(x.shape[1], 1)
    for i in share(team, chunks):
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
def row_grad(team, chunks, g, x, mean, rstd, gx):
    """Gradient of `row_norm`."""
    length = max(x.shape[1], 1)
    for i in share(team, chunks):
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
