"""The compiled loops of normalisation: a chunk is a channel, a plane or a row. No policy here.

One channel stays in L2 over the passes that need it, so that memory is read once. Some thousand
elements are summed in their own dtype, and these sums in float64.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import kernel
from minigrad.kernels.moments_simd import (
    affine_lines,
    grad_lines,
    sum_gradients,
    sum_lines,
    sum_moments,
)
from minigrad.kernels.team import share

__all__ = ["channel_affine", "channel_grad", "channel_norm", "fold", "row_grad", "row_norm"]

PARTIAL = 8192  # elements whose sum is taken in their own dtype


@kernel
def channel_norm(team, chunks, x, eps, weight, shift, floor, y, mean, var, rstd):
    """Statistics of the channels of x (N, C, L), and y normalised by them.

    The second pass sums deviations from a mean that is nearly right, and corrects it by their sum.
    """
    n, c, length = x.shape
    count, step, pitch = max(n * length, 1), max(1, PARTIAL // max(length, 1)), c * length
    how, totals = np.empty(4, x.dtype), np.empty(2)
    for ch in share(team, chunks):
        totals[0] = totals[1] = 0
        for i in range(0, n, step):
            for k in range(0, length, PARTIAL):
                sum_lines(x, (i * c + ch) * length + k, pitch, min(step, n - i),
                          min(PARTIAL, length - k), totals)  # fmt: skip
        how[0] = totals[0] / count
        totals[0] = totals[1] = 0
        for i in range(0, n, step):
            for k in range(0, length, PARTIAL):
                sum_moments(x, (i * c + ch) * length + k, pitch, min(step, n - i),
                            min(PARTIAL, length - k), how, totals)  # fmt: skip
        off = totals[0] / count
        spread = totals[1] / count - off * off
        mean[ch], var[ch] = how[0] + off, 0.0 if spread < 0 else spread
        rstd[ch] = 1.0 / np.sqrt(var[ch] + eps)
        how[0], how[1], how[2], how[3] = mean[ch], rstd[ch] * weight[ch], shift[ch], floor
        affine_lines(x, ch * length, pitch, n, length, how, y)


@kernel
def channel_affine(team, chunks, x, mean, rstd, weight, shift, floor, y):
    """y = (x − mean)·rstd·weight + shift, planes of x (N·C, L); 0 where that is at most `floor`."""
    channels, length, how = len(mean), x.shape[1], np.empty(4, x.dtype)
    for p in share(team, chunks):
        ch = p % channels
        how[0], how[1], how[2], how[3] = mean[ch], rstd[ch] * weight[ch], shift[ch], floor
        affine_lines(x, p * length, length, 1, length, how, y)


@kernel
def fold(w, mean, var, bias, weight, shift, eps, to, moved):
    """to = w·s for each filter of w (F, L), moved = (bias − mean)·s + shift."""
    for f in range(len(w)):
        scale = weight[f] / np.sqrt(var[f] + w.dtype.type(eps))
        moved[f] = (bias[f] - mean[f]) * scale + shift[f]
        row, out = w[f], to[f]
        for i in range(len(row)):
            out[i] = row[i] * scale


@kernel
def channel_grad(team, chunks, g, x, mean, rstd, scale, shift, floor, gx, gw, gb):
    """Gradients of batch-normalised channels.

    Where a relu gave 0, g does not count: the same expression is compared again, which costs less
    than reading its result would.
    """
    n, c, length = x.shape
    count, step, pitch = max(n * length, 1), max(1, PARTIAL // max(length, 1)), c * length
    how, totals = np.empty(6, x.dtype), np.empty(2)
    for ch in share(team, chunks):
        how[0], how[1], how[2], how[3] = mean[ch], scale[ch], shift[ch], floor
        totals[0] = totals[1] = 0
        for i in range(0, n, step):
            for k in range(0, length, PARTIAL):
                sum_gradients(g, x, (i * c + ch) * length + k, pitch, min(step, n - i),
                              min(PARTIAL, length - k), how, totals)  # fmt: skip
        across = totals[1] * rstd[ch]
        gb[ch], gw[ch] = totals[0], across
        how[4], how[5] = totals[0] / count, across / count * rstd[ch]
        grad_lines(g, x, ch * length, pitch, n, length, how, gx)


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
