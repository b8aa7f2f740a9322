"""The compiled loops of pooling: windows given by tables, one chunk per plane. No policy here."""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import kernel

__all__ = ["gather", "scatter", "window_max", "window_max_2x2", "window_mean", "window_spread"]


@kernel
def window_max(start, stop, x, rows, cols, dil_h, dil_w, y, idx):
    """Winner of each window and its flat position, planes start..stop of x (P, H, W)."""
    w = x.shape[2]
    for p in range(start, stop):
        plane = x[p]
        for i in range(rows.shape[0]):
            r0, r1 = rows[i, 0], rows[i, 1]
            best_row, where_row = y[p, i], idx[p, i]
            for j in range(cols.shape[0]):
                c0, c1 = cols[j, 0], cols[j, 1]
                best = x.dtype.type(-np.inf)
                where = r0 * w + c0 if r0 < r1 and c0 < c1 else 0
                for r in range(r0, r1, dil_h):
                    for c in range(c0, c1, dil_w):
                        value = plane[r, c]
                        take = (value > best) | (value != value)
                        best = value if take else best
                        where = r * w + c if take else where
                best_row[j] = best
                where_row[j] = where


@kernel
def window_max_2x2(start, stop, x, y, idx):
    """`window_max` of 2x2 windows that tile the plane: no branches and no passes."""
    w = x.shape[2]
    for p in range(start, stop):
        for i in range(y.shape[1]):
            upper, lower = x[p, 2 * i], x[p, 2 * i + 1]
            best_row, where_row = y[p, i], idx[p, i]
            for j in range(y.shape[2]):
                a, b, c, d = upper[2 * j], upper[2 * j + 1], lower[2 * j], lower[2 * j + 1]
                at = 2 * i * w + 2 * j
                best, where = a, at
                take = (b > best) | (b != b)
                best, where = b if take else best, at + 1 if take else where
                take = (c > best) | (c != c)
                best, where = c if take else best, at + w if take else where
                take = (d > best) | (d != d)
                best, where = d if take else best, at + w + 1 if take else where
                best_row[j] = best
                where_row[j] = where


@kernel
def gather(start, stop, x, idx, y):
    """y[p, k] = x[p, idx[p, k]], planes start..stop."""
    for p in range(start, stop):
        plane, places, line = x[p], idx[p], y[p]
        for k in range(len(places)):
            line[k] = plane[places[k]]


@kernel
def scatter(start, stop, g, idx, gx):
    """gx[p] = 0; gx[p, idx[p, k]] += g[p, k], planes start..stop."""
    for p in range(start, stop):
        plane, places, line = gx[p], idx[p], g[p]
        plane[:] = 0
        for k in range(len(places)):
            plane[places[k]] += line[k]


@kernel
def window_mean(start, stop, x, rows, cols, divisor, y):
    """Sum of each window over its divisor, planes start..stop."""
    for p in range(start, stop):
        plane = x[p]
        for i in range(rows.shape[0]):
            line = y[p, i]
            for j in range(cols.shape[0]):
                total = x.dtype.type(0)
                for r in range(rows[i, 0], rows[i, 1]):
                    for c in range(cols[j, 0], cols[j, 1]):
                        total += plane[r, c]
                line[j] = total / divisor[i, j]


@kernel
def window_spread(start, stop, g, rows, cols, divisor, gx):
    """Adjoint of `window_mean`, planes start..stop."""
    for p in range(start, stop):
        plane = gx[p]
        plane[:, :] = 0
        for i in range(rows.shape[0]):
            line = g[p, i]
            for j in range(cols.shape[0]):
                share = line[j] / divisor[i, j]
                for r in range(rows[i, 0], rows[i, 1]):
                    for c in range(cols[j, 0], cols[j, 1]):
                        plane[r, c] += share
