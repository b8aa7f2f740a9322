"""The compiled loops of normalisation: a chunk is a part of a batch, or a row. No policy here.

Of images (N, C, L), a part is some neighbouring images: the threads that wrote them, as parts of a
convolution's results, find them in their own caches. It is cut into `splits` groups of channels
where images are few. Some thousand elements are summed in their own dtype, these sums in float64.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import helper, kernel
from minigrad.kernels.moments_simd import (
    affine_lines,
    grad_lines,
    sum_gradients,
    sum_moments,
)
from minigrad.kernels.team import share

__all__ = ["fold", "join_gradients", "join_moments", "normalise", "part_gradients", "part_moments",
           "row_grad", "row_norm", "spread_gradients"]  # fmt: skip

PARTIAL = 8192  # elements whose sum is taken in their own dtype
FAR = 4.0  # squared distance from the mean, in variances


@helper
def _cut(chunk, chunks, splits, n, c):
    """Images i0..i1 and channels c0..c1 of a chunk, and its part."""
    part, split, parts = chunk // splits, chunk % splits, chunks // splits
    i0, i1 = part * n // parts, (part + 1) * n // parts
    return i0, i1, split * c // splits, (split + 1) * c // splits, part


@kernel
def part_moments(team, chunks, splits, x, parts):
    """parts[part, channel] = the mean, and the sum of squares of what differs from it.

    Both from what differs from the channel's first element, which costs few digits unless that is
    far from the mean: then once more, from the mean itself.
    """
    n, c, length = x.shape
    step, pitch = max(1, PARTIAL // max(length, 1)), c * length
    how, totals = np.empty(1, x.dtype), np.empty(2)
    for chunk in share(team, chunks):
        i0, i1, c0, c1, part = _cut(chunk, chunks, splits, n, c)
        count = max((i1 - i0) * length, 1)
        for ch in range(c0, c1):
            how[0] = x[i0, ch, 0] if i1 > i0 and length else 0
            for _ in range(2):
                totals[0] = totals[1] = 0
                for i in range(i0, i1, step):
                    for k in range(0, length, PARTIAL):
                        sum_moments(x, (i * c + ch) * length + k, pitch, min(step, i1 - i),
                                    min(PARTIAL, length - k), how, totals)  # fmt: skip
                off = totals[0] / count
                spread = totals[1] - totals[0] * off
                parts[part, ch, 0], parts[part, ch, 1] = how[0] + off, spread
                if totals[0] * off <= FAR * spread < np.inf:
                    break
                how[0] += off


@kernel
def join_moments(parts, n, length, eps, momentum, mean, var, rstd, running_mean, running_var):
    """Mean, biased variance and 1/sqrt(variance + eps) of channels from those of their parts.

    Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances". What runs, unless it is empty, moves towards them.
    """
    many, channels, count = len(parts), len(mean), max(n * length, 1)
    middle, spread = np.zeros(channels), np.zeros(channels)
    for part in range(many):
        weight = ((part + 1) * n // many - part * n // many) * length / count
        for ch in range(channels):
            middle[ch] += parts[part, ch, 0] * weight
    for part in range(many):
        here = ((part + 1) * n // many - part * n // many) * length
        for ch in range(channels):
            off = parts[part, ch, 0] - middle[ch]
            spread[ch] += parts[part, ch, 1] + off * off * here
    for ch in range(channels):
        mean[ch] = middle[ch]
        var[ch] = max(spread[ch] / count, 0.0) if spread[ch] == spread[ch] else spread[ch]
        rstd[ch] = 1.0 / np.sqrt(var[ch] + eps)
    for ch in range(len(running_mean)):
        running_mean[ch] = (1 - momentum) * running_mean[ch] + momentum * mean[ch]
    unbiased = count / max(count - 1, 1)
    for ch in range(len(running_var)):
        running_var[ch] = (1 - momentum) * running_var[ch] + momentum * (var[ch] * unbiased)


@kernel
def normalise(team, chunks, splits, x, mean, rstd, weight, shift, floor, y):
    """y = (x − mean)·rstd·weight + shift; 0 where that is at most `floor`."""
    (n, c, length), how = x.shape, np.empty(4, x.dtype)
    for chunk in share(team, chunks):
        i0, i1, c0, c1, _ = _cut(chunk, chunks, splits, n, c)
        for ch in range(c0, c1):
            how[0], how[1], how[2], how[3] = mean[ch], rstd[ch] * weight[ch], shift[ch], floor
            affine_lines(x, (i0 * c + ch) * length, c * length, i1 - i0, length, how, y)


@kernel
def part_gradients(team, chunks, splits, g, x, mean, rstd, weight, shift, floor, parts):
    """parts[part, channel] = sums of h and of h·(x − mean), h the g that a relu let through.

    Where a relu gave 0, g does not count: the same expression is compared again, which costs less
    than reading its result would.
    """
    n, c, length = x.shape
    step, pitch = max(1, PARTIAL // max(length, 1)), c * length
    how, totals = np.empty(4, x.dtype), np.empty(2)
    for chunk in share(team, chunks):
        i0, i1, c0, c1, part = _cut(chunk, chunks, splits, n, c)
        for ch in range(c0, c1):
            how[0], how[1], how[2], how[3] = mean[ch], rstd[ch] * weight[ch], shift[ch], floor
            totals[0] = totals[1] = 0
            for i in range(i0, i1, step):
                for k in range(0, length, PARTIAL):
                    sum_gradients(g, x, (i * c + ch) * length + k, pitch, min(step, i1 - i),
                                  min(PARTIAL, length - k), how, totals)  # fmt: skip
            parts[part, ch, 0], parts[part, ch, 1] = totals[0], totals[1]


@kernel
def join_gradients(parts, count, rstd, gw, gb, along, across):
    """Gradients of weight and bias from sums of parts, and what `spread_gradients` takes."""
    channels = len(rstd)
    total, product = np.zeros(channels), np.zeros(channels)
    for part in range(len(parts)):
        for ch in range(channels):
            total[ch] += parts[part, ch, 0]
            product[ch] += parts[part, ch, 1]
    for ch in range(channels):
        product[ch] *= rstd[ch]
        gw[ch], gb[ch] = product[ch], total[ch]
        along[ch], across[ch] = total[ch] / count, product[ch] * rstd[ch] / count


@kernel
def spread_gradients(
    team, chunks, splits, g, x, mean, rstd, weight, shift, floor, along, across, gx
):
    """gx = rstd·weight·(h − along − (x − mean)·across), with h as in `part_gradients`."""
    (n, c, length), how = x.shape, np.empty(6, x.dtype)
    for chunk in share(team, chunks):
        i0, i1, c0, c1, _ = _cut(chunk, chunks, splits, n, c)
        for ch in range(c0, c1):
            how[0], how[1], how[2], how[3] = mean[ch], rstd[ch] * weight[ch], shift[ch], floor
            how[4], how[5] = along[ch], across[ch]
            grad_lines(g, x, (i0 * c + ch) * length, c * length, i1 - i0, length, how, gx)


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
