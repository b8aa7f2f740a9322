"""Pooling over windows of NCHW arrays, each with its adjoint; no Tensor and no user checks here.

Max-pooling is a gather: it returns which input element won, and the pair `gather_plane` and
`scatter_plane`, adjoint to each other, carries gradients of any order. Averages are linear.
Every pooling is given by tables of windows (first, last+1, per output row and column), so that
sliding, ceil-mode and adaptive windows run through the same loops.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import windows
from minigrad.kernels.jit import dense, parallel, use_jit

Pair = tuple[int, int]
Array = NDArray[np.floating]
Index = NDArray[np.int64]

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_input_grad",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "avg_pool2d_input_grad",
    "gather_plane",
    "max_pool2d",
    "scatter_plane",
]


def max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_hw: Pair
) -> tuple[Array, Index]:
    """Largest element of each window, and where it stands.

    Padding never wins. The first of equal elements wins; of NaNs the last, as in PyTorch.

    Parameters
    ----------
    x : (N, C, H, W)
    out_hw : (OH, OW), rounded down or up by the caller

    Returns
    -------
    y : (N, C, OH, OW)
    idx : (N, C, OH, OW) int64, the flat position h·W + w within the plane
    """
    h, w = x.shape[2:]
    rows = _dilated_windows(h, kernel[0], stride[0], padding[0], dilation[0], out_hw[0])
    cols = _dilated_windows(w, kernel[1], stride[1], padding[1], dilation[1], out_hw[1])
    return _window_max(x, rows, cols, dilation)


def adaptive_max_pool2d(x: Array, out_hw: Pair) -> tuple[Array, Index]:
    """Largest element of windows that tile the plane into out_hw parts, and where it stands."""
    h, w = x.shape[2:]
    return _window_max(x, _adaptive_windows(h, out_hw[0]), _adaptive_windows(w, out_hw[1]), (1, 1))


def gather_plane(x: Array, idx: Index) -> Array:
    """y[n,c,i,j] = x[n,c].ravel()[idx[n,c,i,j]]; x (N, C, H, W), idx (N, C, OH, OW)."""
    if not use_jit(x):
        return gather_plane_reference(x, idx)
    n, c, *out = idx.shape
    y = np.empty((n * c, out[0] * out[1]), x.dtype)
    x2, idx2 = _planes(x), _planes(idx)
    parallel(lambda a, z: windows.gather(a, z, x2, idx2, y), n * c, y.size)
    return y.reshape(n, c, *out)


def scatter_plane(g: Array, idx: Index, hw: Pair) -> Array:
    """Adjoint of `gather_plane`: gx[n,c].ravel()[idx[n,c,i,j]] += g[n,c,i,j]; (N, C, H, W)."""
    if not use_jit(g):
        return scatter_plane_reference(g, idx, hw)
    n, c = g.shape[:2]
    gx = np.empty((n * c, hw[0] * hw[1]), g.dtype)
    g2, idx2 = _planes(g), _planes(idx)
    parallel(lambda a, z: windows.scatter(a, z, g2, idx2, gx), n * c, gx.size + g.size)
    return gx.reshape(n, c, *hw)


def avg_pool2d(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    out_hw: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Mean of each window of x (N, C, H, W) -> (N, C, OH, OW).

    The divisor is `divisor_override`; else the elements of the window that lie within the padded
    image, or with `count_include_pad` false within the image, as PyTorch counts them.
    """
    tables = _mean_tables(
        x.shape[2:], kernel, stride, padding, out_hw, count_include_pad, divisor_override
    )
    return _window_mean(x, *tables)


def avg_pool2d_input_grad(
    g: Array,
    hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Adjoint of `avg_pool2d`: g (N, C, OH, OW) -> (N, C, H, W) with (H, W) = hw."""
    tables = _mean_tables(
        hw, kernel, stride, padding, g.shape[2:], count_include_pad, divisor_override
    )
    return _window_spread(g, hw, *tables)


def adaptive_avg_pool2d(x: Array, out_hw: Pair) -> Array:
    """Mean of windows that tile the plane into out_hw parts: (N, C, H, W) -> (N, C, OH, OW)."""
    return _window_mean(x, *_adaptive_tables(x.shape[2:], out_hw))


def adaptive_avg_pool2d_input_grad(g: Array, hw: Pair) -> Array:
    """Adjoint of `adaptive_avg_pool2d`: g (N, C, OH, OW) -> (N, C, H, W) with (H, W) = hw."""
    return _window_spread(g, hw, *_adaptive_tables(hw, g.shape[2:]))


def _window_max(x: Array, rows: Index, cols: Index, dilation: Pair) -> tuple[Array, Index]:
    if not use_jit(x):
        return window_max_reference(x, rows, cols, dilation)
    n, c, h, w = x.shape
    x3, (dil_h, dil_w) = dense(x).reshape(n * c, h, w), dilation
    y = np.empty((n * c, len(rows), len(cols)), x.dtype)
    idx = np.empty(y.shape, np.int64)
    if dilation == (1, 1) and _tiles_by_two(rows) and _tiles_by_two(cols):
        work = 4 * y.size
        parallel(lambda a, z: windows.window_max_2x2(a, z, x3, y, idx), n * c, work)
    else:
        work = n * c * _elements(rows, dil_h) * _elements(cols, dil_w) * 2
        parallel(
            lambda a, z: windows.window_max(a, z, x3, rows, cols, dil_h, dil_w, y, idx),
            n * c,
            work,
        )
    return y.reshape(n, c, *y.shape[1:]), idx.reshape(n, c, *y.shape[1:])


def _window_mean(x: Array, rows: Index, cols: Index, divisor: NDArray[np.float64]) -> Array:
    if not use_jit(x):
        return window_mean_reference(x, rows, cols, divisor)
    n, c, h, w = x.shape
    x3, over = dense(x).reshape(n * c, h, w), divisor.astype(x.dtype)
    y = np.empty((n * c, len(rows), len(cols)), x.dtype)
    work = n * c * _elements(rows) * _elements(cols)
    parallel(lambda a, z: windows.window_mean(a, z, x3, rows, cols, over, y), n * c, work)
    return y.reshape(n, c, *y.shape[1:])


def _window_spread(
    g: Array, hw: Pair, rows: Index, cols: Index, divisor: NDArray[np.float64]
) -> Array:
    if not use_jit(g):
        return window_spread_reference(g, hw, rows, cols, divisor)
    n, c, oh, ow = g.shape
    g3, over = dense(g).reshape(n * c, oh, ow), divisor.astype(g.dtype)
    gx = np.empty((n * c, *hw), g.dtype)
    work = gx.size + n * c * _elements(rows) * _elements(cols)
    parallel(lambda a, z: windows.window_spread(a, z, g3, rows, cols, over, gx), n * c, work)
    return gx.reshape(n, c, *hw)


def _planes(x: NDArray[np.generic]) -> NDArray[np.generic]:
    n, c, h, w = x.shape
    return dense(x).reshape(n * c, h * w)


def _elements(windows_: Index, dilation: int = 1) -> int:
    """Elements that all windows of one axis meet together."""
    return int((-(windows_[:, 0] - windows_[:, 1]) // dilation).sum())


def _tiles_by_two(windows_: Index) -> bool:
    first = np.arange(len(windows_)) * 2
    return bool((windows_[:, 0] == first).all() and (windows_[:, 1] == first + 2).all())


# Tables of windows: (out, 2) int64, first and last+1 element of each window inside the image.


@lru_cache(maxsize=256)
def _dilated_windows(size: int, k: int, stride: int, pad: int, dil: int, out: int) -> Index:
    lo = np.arange(out, dtype=np.int64) * stride - pad
    hi = np.minimum(lo + (k - 1) * dil + 1, size)
    lo += np.maximum(-(lo // dil), 0) * dil  # the first tap that is not in the padding
    return np.stack([lo, np.maximum(hi, lo)], axis=1)


@lru_cache(maxsize=256)
def _adaptive_windows(size: int, out: int) -> Index:
    i = np.arange(out, dtype=np.int64)
    return np.stack([i * size // max(out, 1), -(-(i + 1) * size // max(out, 1))], axis=1)


@lru_cache(maxsize=256)
def _mean_tables(
    hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    out_hw: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> tuple[Index, Index, NDArray[np.float64]]:
    windows, counts = [], []
    for size, k, s, p, out in zip(hw, kernel, stride, padding, out_hw, strict=True):
        lo = np.arange(out, dtype=np.int64) * s - p
        hi = np.minimum(lo + k, size + p)
        inside = np.stack([np.maximum(lo, 0), np.minimum(hi, size)], axis=1)
        inside[:, 1] = np.maximum(inside[:, 1], inside[:, 0])
        windows.append(inside)
        counts.append(hi - lo if count_include_pad else inside[:, 1] - inside[:, 0])
    divisor = np.outer(counts[0], counts[1]).astype(np.float64)
    if divisor_override is not None:
        divisor[...] = divisor_override
    divisor[divisor == 0] = 1.0  # a window that meets no element: its mean is 0
    return windows[0], windows[1], divisor


@lru_cache(maxsize=256)
def _adaptive_tables(hw: Pair, out_hw: Pair) -> tuple[Index, Index, NDArray[np.float64]]:
    rows, cols = _adaptive_windows(hw[0], out_hw[0]), _adaptive_windows(hw[1], out_hw[1])
    return rows, cols, np.outer(rows[:, 1] - rows[:, 0], cols[:, 1] - cols[:, 0]).astype(np.float64)


# The definitions in NumPy: one window at a time, over all planes at once.


def window_max_reference(
    x: Array, rows: Index, cols: Index, dilation: Pair
) -> tuple[Array, Index]:
    """Winner of every window rows[i] x cols[j], taps `dilation` apart."""
    w = x.shape[3]
    y = np.full((*x.shape[:2], len(rows), len(cols)), -np.inf, x.dtype)
    idx = np.zeros(y.shape, np.int64)
    for i, (r0, r1) in enumerate(rows.tolist()):
        for j, (c0, c1) in enumerate(cols.tolist()):
            best, where = y[:, :, i, j], idx[:, :, i, j]
            if r0 < r1 and c0 < c1:
                where[...] = r0 * w + c0
            for r in range(r0, r1, dilation[0]):
                for c in range(c0, c1, dilation[1]):
                    wins = (x[:, :, r, c] > best) | np.isnan(x[:, :, r, c])
                    best[wins], where[wins] = x[:, :, r, c][wins], r * w + c
    return y, idx


def gather_plane_reference(x: Array, idx: Index) -> Array:
    """`gather_plane` by take_along_axis."""
    (n, c, h, w), (oh, ow) = x.shape, idx.shape[2:]
    places = idx.reshape(n, c, oh * ow)
    return np.take_along_axis(x.reshape(n, c, h * w), places, axis=2).reshape(idx.shape)


def scatter_plane_reference(g: Array, idx: Index, hw: Pair) -> Array:
    """`scatter_plane` by np.add.at."""
    n, c, oh, ow = g.shape
    gx = np.zeros((n * c, hw[0] * hw[1]), g.dtype)
    plane, places = np.arange(n * c)[:, None], idx.reshape(n * c, oh * ow)
    np.add.at(gx, (plane, places), g.reshape(n * c, oh * ow))
    return gx.reshape(n, c, *hw)


def window_mean_reference(x: Array, rows: Index, cols: Index, divisor: Array) -> Array:
    """Sum of every window rows[i] x cols[j], over divisor[i, j]."""
    y = np.empty((*x.shape[:2], len(rows), len(cols)), x.dtype)
    for i, (r0, r1) in enumerate(rows.tolist()):
        for j, (c0, c1) in enumerate(cols.tolist()):
            y[:, :, i, j] = x[:, :, r0:r1, c0:c1].sum(axis=(2, 3)) / divisor[i, j].astype(x.dtype)
    return y


def window_spread_reference(
    g: Array, hw: Pair, rows: Index, cols: Index, divisor: Array
) -> Array:
    """Adjoint of `window_mean_reference`: every window receives g / divisor."""
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    share = g / divisor.astype(g.dtype)
    for i, (r0, r1) in enumerate(rows.tolist()):
        for j, (c0, c1) in enumerate(cols.tolist()):
            gx[:, :, r0:r1, c0:c1] += share[:, :, i, j, None, None]
    return gx
