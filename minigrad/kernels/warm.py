"""Small calls that reach every compiled kernel once, for `warmup`; nothing else lives here."""

from __future__ import annotations

import numpy as np

from minigrad.kernels import (
    activation,
    conv,
    elementwise,
    gemm,
    index,
    loss,
    norm,
    optim,
    pool,
    special,
)

__all__ = ["exercise"]


def exercise(dtype: np.dtype) -> None:
    """Call every kernel on arrays of this dtype, so that it is compiled."""
    x = np.ones((1, 2, 4, 4), dtype)
    _convolve(x)
    _pool(x)
    _normalise(x)
    _update(dtype)
    activation.passing(x, x, 0.0, 1.0)
    special.erf(np.ones(special.SMALL + 1, dtype))
    elementwise.add(*np.ones((2, elementwise.BIG), dtype))
    elementwise.copy(x, x.copy())
    _classify(x[0, 0])
    for terms in (100, 400):  # the latter by dot products
        gemm.matmul(np.ones((64, terms), dtype), np.ones((64, terms), dtype).T)
    index.scatter_add(np.zeros((2, 2), dtype), np.zeros(1, np.int64), np.ones((1, 2), dtype))


def _convolve(x: np.ndarray) -> None:
    _layer(x, 2, 1, "runs")
    _layer(x, 2, 2, "depthwise")
    row, w = np.ones((1, 2, 8, 8), x.dtype), np.ones((2, 2, 1, 1), x.dtype)
    conv.conv2d(row, w, None, (1, 1), (0, 0), (1, 1), 1, "pointwise")
    if x.dtype == np.float32:
        _layer(x, 2, 1, "blocked")
        for side in (4, 32):  # few pixels and many filters are another order of loops
            _layer(np.ones((1, 32, side, side), x.dtype), 32, 1, "winograd")


def _layer(x: np.ndarray, filters: int, groups: int, algorithm: str) -> None:
    w = np.ones((filters, x.shape[1] // groups, 3, 3), x.dtype)
    how = ((1, 1), (1, 1), (1, 1), groups, algorithm)
    y = conv.conv2d(x, w, None, *how)
    conv.conv2d_input_grad(y, w, x.shape[2:], *how)
    conv.conv2d_weight_grad(y, x, (3, 3), *how)


def _pool(x: np.ndarray) -> None:
    for size in (2, 3):
        how = ((size, size), (2, 2), (size - 2, size - 2), (1, 1))
        y, tap = pool.max_pool2d(x, *how, (2, 2))
        pool.max_pool2d_input_grad(y, tap, (4, 4), *how)
    idx = pool.adaptive_max_pool2d(x, (1, 1))[1]
    pool.scatter_plane(pool.gather_plane(x, idx), idx, (4, 4))
    for size in (1, 2, 3):
        y = pool.adaptive_avg_pool2d(x, (size, size))
        pool.adaptive_avg_pool2d_input_grad(y, (4, 4))


def _normalise(x: np.ndarray) -> None:
    rows = x.reshape(1, 2, 16)
    y, mean, _, rstd = norm.batch_norm(rows, 1e-5, None, None)
    norm.batch_norm_apply(rows, mean, rstd, None, None)
    norm.batch_norm_grad(y, rows, mean, rstd, None)
    norm.batch_norm_fold(rows[0], None, mean, rstd, 1e-5, None, None)
    y, mean, rstd = norm.row_norm(rows[0], 1e-5)
    norm.row_norm_grad(y, rows[0], mean, rstd)


def _classify(x: np.ndarray) -> None:
    classes, ones = np.zeros(4, np.int64), np.ones(4, x.dtype)
    loss.softmax_grad(x, loss.softmax(x))
    loss.cross_entropy(x, classes, ones)
    loss.cross_entropy_grad(x, classes, ones, ones)


def _update(dtype: np.dtype) -> None:
    p, g, a, b = (np.ones(4, dtype) for _ in range(4))
    optim.sgd(p, g, a, True, 0.1, 0.9, 0.0, 0.0, False, False)
    optim.adam(p, g, a, b, None, 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, False)
    optim.rmsprop(p, g, a, None, None, 0.1, 0.99, 1e-8, 0.0, 0.0, False)
    optim.adagrad(p, g, a, 1, 0.1, 0.0, 1e-10, 0.0, False)
    optim.adadelta(p, g, a, b, 1.0, 0.9, 1e-6, 0.0, False)
