"""The compiled loops of pooling, one chunk per plane. No policy here.

A plane is small enough for the nearest cache. Vectors hold neighbouring windows. What is the same
for a whole row of windows is done once per row, along the columns, before they are told apart.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import fill, helper, kernel
from minigrad.kernels.team import share
from minigrad.kernels.windows_simd import plane_best

__all__ = ["gather", "plane_spread", "plane_sum", "scatter", "window_best", "window_best_grad",
           "window_max", "window_mean", "window_spread"]  # fmt: skip


@helper
def _columns(v, stride, pad, dil, width, out):
    """Column of tap v in window 0, and the range of windows in which it is inside the plane."""
    at = v * dil - pad
    low = (-at + stride - 1) // stride if at < 0 else 0
    high = (width - 1 - at) // stride + 1 if at < width else 0
    return at, min(low, out), min(high, out)


@kernel
def window_best(team, chunks, x, size, stride, pad, dil, y, tap):
    """Winner of each window and its tap u·KW + v (KH·KW for none), plane by plane of x."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = size, stride, pad, dil
    h, w, oh, ow = x.shape[1], x.shape[2], y.shape[1], y.shape[2]
    for p in share(team, chunks):
        plane_best(x[p], h, w, kh, kw, sh, sw, ph, pw, dh, dw, y[p], tap[p], oh, ow)


@kernel
def window_best_grad(team, chunks, g, tap, size, stride, pad, dil, w, gx):
    """Adjoint of `window_best`: each g is added where its winner stood in planes of gx, w wide."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = size, stride, pad, dil
    place = np.empty(kh * kw, np.int64)
    for t in range(kh * kw):
        place[t] = t // kw * dh * w + t % kw * dw
    for p in share(team, chunks):
        plane = gx[p]
        fill(plane, 0)
        for i in range(g.shape[1]):
            line, at = g[p, i], tap[p, i]
            corner = (i * sh - ph) * w - pw
            for j in range(len(line)):
                t = at[j]
                if t < kh * kw:
                    plane[corner + j * sw + place[t]] += line[j]


@kernel
def window_max(team, chunks, x, rows, cols, y, idx):
    """Winner of each window and its flat position, windows by tables."""
    w = x.shape[2]
    for p in share(team, chunks):
        plane = x[p]
        for i in range(rows.shape[0]):
            r0, r1 = rows[i, 0], rows[i, 1]
            best_row, where_row = y[p, i], idx[p, i]
            for j in range(cols.shape[0]):
                c0, c1 = cols[j, 0], cols[j, 1]
                best = x.dtype.type(-np.inf)
                where = r0 * w + c0 if r0 < r1 and c0 < c1 else 0
                for r in range(r0, r1):
                    for c in range(c0, c1):
                        value = plane[r, c]
                        take = (value > best) | (value != value)
                        best = value if take else best
                        where = r * w + c if take else where
                best_row[j] = best
                where_row[j] = where


@kernel
def gather(team, chunks, x, idx, y):
    """y[p, k] = x[p, idx[p, k]]."""
    for p in share(team, chunks):
        plane, places, line = x[p], idx[p], y[p]
        for k in range(len(places)):
            line[k] = plane[places[k]]


@kernel
def scatter(team, chunks, g, idx, gx):
    """gx[p] = 0; gx[p, idx[p, k]] += g[p, k]."""
    for p in share(team, chunks):
        plane, places, line = gx[p], idx[p], g[p]
        fill(plane, 0)
        for k in range(len(places)):
            plane[places[k]] += line[k]


@kernel
def window_mean(team, chunks, x, rows, cols, sliding, divisor, y):
    """Sum of each window over its divisor, windows by tables.

    sliding = (width, stride, padding) of the windows along columns; a stride of 0 if they adapt.
    """
    w, ow = x.shape[2], cols.shape[0]
    width, step, pad = sliding
    column = np.empty(w, x.dtype)
    for p in share(team, chunks):
        for i in range(rows.shape[0]):
            line, over = y[p, i], divisor[i]
            fill(column, 0)
            for r in range(rows[i, 0], rows[i, 1]):
                row = x[p, r]
                for c in range(w):
                    column[c] += row[c]
            if step == 0:
                for j in range(ow):
                    line[j] = _total(column[cols[j, 0] : cols[j, 1]])
            else:
                fill(line, 0)
                for v in range(width):
                    c, low, high = _columns(v, step, pad, 1, w, ow)
                    if high > low:
                        _add_every(column[c + low * step :], step, line[low:high])
            for j in range(ow):
                line[j] /= over[j]


@helper
def _total(part):
    total = part.dtype.type(0)
    for c in range(len(part)):
        total += part[c]
    return total


@helper
def _add_every(src, step, to):
    if step == 2:
        for j in range(len(to)):
            to[j] += src[2 * j]
    else:
        for j in range(len(to)):
            to[j] += src[step * j]


@kernel
def window_spread(team, chunks, g, rows, cols, divisor, gx):
    """Adjoint of `window_mean`."""
    h, w = gx.shape[1], gx.shape[2]
    row = np.empty(w, g.dtype)
    for p in share(team, chunks):
        done = 0  # rows that hold something
        for i in range(rows.shape[0]):
            line, over = g[p, i], divisor[i]
            fill(row, 0)
            for j in range(cols.shape[0]):
                each = line[j] / over[j]
                for c in range(cols[j, 0], cols[j, 1]):
                    row[c] += each
            for r in range(rows[i, 0], rows[i, 1]):
                to = gx[p, r]
                if r < done:
                    for c in range(w):
                        to[c] += row[c]
                else:
                    for c in range(w):
                        to[c] = row[c]
            for r in range(done, rows[i, 0]):
                fill(gx[p, r], 0)
            done = max(done, rows[i, 1])
        for r in range(done, h):
            fill(gx[p, r], 0)


@kernel
def plane_sum(team, chunks, x, divisor, y):
    """Sum of each row of x, which is a plane, over `divisor`."""
    for p in share(team, chunks):
        y[p] = _total(x[p]) / y.dtype.type(divisor)


@kernel
def plane_spread(team, chunks, g, gx):
    """Adjoint of a mean by `plane_sum`."""
    for p in share(team, chunks):
        fill(gx[p], g[p] / g.dtype.type(gx.shape[1]))
