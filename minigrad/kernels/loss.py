"""Softmax, its logarithm and cross-entropy over the rows of a matrix, with gradients; no Tensor.

Bound by exp, once per element and pass, at some 0.7 ns for a float32 on a core.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.jit import dense, use_jit
from minigrad.kernels.rows import by_dtype

Array = NDArray[np.floating]
Classes = NDArray[np.int64]

__all__ = ["cross_entropy", "cross_entropy_grad", "log_softmax", "log_softmax_grad", "softmax",
           "softmax_grad"]  # fmt: skip


def log_softmax(x: Array) -> Array:
    """y[r,c] = x[r,c] − log Σ_k exp(x[r,k]), for any x (R, C) without overflow."""
    return _softmax(x, True)


def softmax(x: Array) -> Array:
    """y[r,c] = exp(x[r,c]) / Σ_k exp(x[r,k]), for any x (R, C) without overflow."""
    return _softmax(x, False)


def log_softmax_grad(g: Array, y: Array) -> Array:
    """gx = g − exp(y)·Σ_k g[r,k], where y (R, C) is what `log_softmax` returned."""
    return _softmax_grad(g, y, True)


def softmax_grad(g: Array, y: Array) -> Array:
    """gx = y·(g − Σ_k g[r,k]·y[r,k]), where y (R, C) is what `softmax` returned."""
    return _softmax_grad(g, y, False)


def cross_entropy(x: Array, classes: Classes, weights: Array) -> Array:
    """loss[r] = −weights[r] · log softmax(x[r])[classes[r]], 0 where the weight is 0.

    x (R, C), classes (R,) in [0, C), weights (R,).
    """
    if not x.size or not use_jit(x, weights):
        return cross_entropy_reference(x, classes, weights)
    x, loss = dense(x), np.empty(len(x), x.dtype)
    rows, how = by_dtype[x.dtype].cross_entropy, (dense(classes), dense(weights), loss)
    rows.run(len(x), 1.5 * x.size, x, *how)
    return loss


def cross_entropy_grad(x: Array, classes: Classes, scale: Array, target: Array) -> Array:
    """gx[r,c] = scale[r]·softmax(x[r])[c] − target[r]·[c = classes[r]]; 0 where both are 0."""
    if not x.size or not use_jit(x, scale, target):
        return cross_entropy_grad_reference(x, classes, scale, target)
    x, gx = dense(x), np.empty_like(x)
    rows = by_dtype[x.dtype].cross_entropy_grad
    how = dense(classes), dense(scale), dense(target)
    rows.run(len(x), 1.5 * x.size, x, *how, gx)
    return gx


def _softmax(x: Array, log: bool) -> Array:
    if not x.size or not use_jit(x):
        return log_softmax_reference(x) if log else softmax_reference(x)
    x, y, rows = dense(x), np.empty_like(x), by_dtype[x.dtype].softmax
    rows.run(len(x), 1.5 * x.size, x, log, y)
    return y


def _softmax_grad(g: Array, y: Array, log: bool) -> Array:
    if not g.size or not use_jit(g, y):
        return (log_softmax_grad_reference if log else softmax_grad_reference)(g, y)
    g, y, gx, rows = dense(g), dense(y), np.empty_like(g), by_dtype[g.dtype].softmax_grad
    rows.run(len(g), 0.7 * g.size, g, y, log, gx)
    return gx


def log_softmax_reference(x: Array) -> Array:
    """`log_softmax` in NumPy."""
    with np.errstate(invalid="ignore"):  # a row of only -inf, or with +inf, is NaN
        y = x - _row_max(x)
    y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
    return y


def softmax_reference(x: Array) -> Array:
    """`softmax` in NumPy."""
    with np.errstate(invalid="ignore"):
        y = x - _row_max(x)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def log_softmax_grad_reference(g: Array, y: Array) -> Array:
    """`log_softmax_grad` in NumPy."""
    return g - np.exp(y) * g.sum(axis=1, keepdims=True)


def softmax_grad_reference(g: Array, y: Array) -> Array:
    """`softmax_grad` in NumPy."""
    return y * (g - (g * y).sum(axis=1, keepdims=True))


def cross_entropy_reference(x: Array, classes: Classes, weights: Array) -> Array:
    """`cross_entropy` in NumPy."""
    if not x.size:
        return np.zeros(len(x), x.dtype)
    picked = log_softmax_reference(x)[np.arange(len(x)), classes]
    return np.where(weights == 0, weights, -picked * weights)


def cross_entropy_grad_reference(
    x: Array, classes: Classes, scale: Array, target: Array
) -> Array:
    """`cross_entropy_grad` in NumPy."""
    gx = softmax_reference(x) * scale[:, None]
    if x.size:
        gx[np.arange(len(x)), classes] -= target
    gx[(scale == 0) & (target == 0)] = 0
    return gx


def _row_max(x: Array) -> Array:
    """Largest element of each row, as a column."""
    return x.max(axis=1, keepdims=True, initial=-np.inf)
