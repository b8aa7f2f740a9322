"""The compiled loops of softmax and cross-entropy, a chunk is one row. No policy here.

A row is read three times and stays in L1: for its largest element, for the sum of exponentials,
for the result. exp is inlined and vectorised; it bounds all of them.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from minigrad.kernels.exponential import exp32, exp64
from minigrad.kernels.jit import Kernel, fill, helper, kernel
from minigrad.kernels.team import share

__all__ = ["by_dtype"]


LANES = 16


@helper
def _top(row, best):
    """Largest element, of NaNs aside; `best` (LANES,) is work space, so that no lane waits."""
    n = len(row) // LANES * LANES
    fill(best, row[0])
    for at in range(0, n, LANES):
        part = row[at : at + LANES]
        for k in range(LANES):
            best[k] = part[k] if part[k] > best[k] else best[k]
    top = best[0]
    for k in range(1, LANES):
        top = best[k] if best[k] > top else top
    for k in range(n, len(row)):
        top = row[k] if row[k] > top else top
    return top


def _rows(exp: Kernel) -> SimpleNamespace:
    """The loops over one dtype."""

    @kernel
    def softmax(team, chunks, x, log, y):
        """y = the softmax of the rows of x, or its logarithm."""
        work = np.empty(LANES, x.dtype)
        for r in share(team, chunks):
            row, to = x[r], y[r]
            top, total = _top(row, work), x.dtype.type(0)
            for k in range(len(row)):
                e = exp(row[k] - top)
                to[k] = e
                total += e
            if log:
                rest = np.log(total)
                for k in range(len(row)):
                    to[k] = (row[k] - top) - rest
            else:
                scale = 1 / total
                for k in range(len(row)):
                    to[k] *= scale

    @kernel
    def softmax_grad(team, chunks, g, y, log, gx):
        """Gradient of `softmax` from its result."""
        for r in share(team, chunks):
            gs, ys, to = g[r], y[r], gx[r]
            total = y.dtype.type(0)
            if log:
                for k in range(len(gs)):
                    total += gs[k]
                for k in range(len(gs)):
                    to[k] = gs[k] - exp(ys[k]) * total
            else:
                for k in range(len(gs)):
                    total += gs[k] * ys[k]
                for k in range(len(gs)):
                    to[k] = ys[k] * (gs[k] - total)

    @kernel
    def cross_entropy(team, chunks, x, classes, weights, loss):
        """loss[r] = −weights[r] · log softmax(x[r])[classes[r]]; 0 where the weight is 0."""
        work = np.empty(LANES, x.dtype)
        for r in share(team, chunks):
            row, total = x[r], x.dtype.type(0)
            if weights[r] == 0:
                loss[r] = 0
                continue
            top = _top(row, work)
            for k in range(len(row)):
                total += exp(row[k] - top)
            loss[r] = (np.log(total) - (row[classes[r]] - top)) * weights[r]

    @kernel
    def cross_entropy_grad(team, chunks, x, classes, scale, target, gx):
        """gx[r] = scale[r] · softmax(x[r]), less target[r] at the row's class."""
        work = np.empty(LANES, x.dtype)
        for r in share(team, chunks):
            row, to = x[r], gx[r]
            if scale[r] == 0 and target[r] == 0:
                fill(to, 0)
                continue
            top, total = _top(row, work), x.dtype.type(0)
            for k in range(len(row)):
                e = exp(row[k] - top)
                to[k] = e
                total += e
            a = scale[r] / total
            for k in range(len(row)):
                to[k] *= a
            to[classes[r]] -= target[r]

    return SimpleNamespace(
        softmax=softmax, softmax_grad=softmax_grad,
        cross_entropy=cross_entropy, cross_entropy_grad=cross_entropy_grad,
    )  # fmt: skip


by_dtype = {np.dtype(np.float32): _rows(exp32), np.dtype(np.float64): _rows(exp64)}
