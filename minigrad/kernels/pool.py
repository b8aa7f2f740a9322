"""Pooling over windows of NCHW arrays, each with its adjoint; no Tensor and no user checks here.

Max-pooling is a gather: it returns which input element won, and the pair `gather_plane` and
`scatter_plane`, adjoint to each other, carries gradients of any order. Sliding windows note the
winner as the number of its tap, one byte, from which `places` makes the position in the plane.
Averages are linear. Their windows, and those that adapt, are given by tables (first, last+1, per
output row and column). All of it is bound by memory: one pass over the larger side.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import pairs, windows
from minigrad.kernels.jit import dense, use_jit

Pair = tuple[int, int]
Array = NDArray[np.floating]
Index = NDArray[np.int64]
Tap = NDArray[np.integer]

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_input_grad",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "avg_pool2d_input_grad",
    "gather_plane",
    "max_pool2d",
    "max_pool2d_input_grad",
    "places",
    "scatter_plane",
]


def max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_hw: Pair
) -> tuple[Array, Tap]:
    """Largest element of each window, and which tap of the window it is.

    Padding never wins. The first of equal elements wins; of NaNs the last, as in PyTorch.

    Parameters
    ----------
    x : (N, C, H, W)
    out_hw : (OH, OW), rounded down or up by the caller

    Returns
    -------
    y : (N, C, OH, OW)
    tap : (N, C, OH, OW) uint8 (int32 for windows of more than 255), u·KW + v of the winner, or
        KH·KW where the window lies in the padding altogether
    """
    if not use_jit(x):
        return max_pool2d_reference(x, kernel, stride, padding, dilation, out_hw)
    shape = (*x.shape[:2], *out_hw)
    y, tap = np.empty(shape, x.dtype), np.empty(shape, _tap_dtype(kernel))
    x3, y3, tap3 = _planes(x), _planes(y), _planes(tap)
    how = (kernel, stride, padding, dilation)
    if _in_pairs(how, x.shape[2:], out_hw):
        pairs.pair_best.run(len(x3), 0.8 * y.size, x3, y3, tap3)
        return y, tap
    work = y.size * kernel[0] * kernel[1] * (0.3 if stride[1] <= 2 else 2.0)
    windows.window_best.run(len(x3), work, x3, *how, y3, tap3)
    return y, tap


def max_pool2d_input_grad(
    g: Array, tap: Tap, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Adjoint of picking the taps: g (N, C, OH, OW) -> (N, C, H, W) with (H, W) = hw."""
    if not use_jit(g):
        return max_pool2d_input_grad_reference(g, tap, hw, kernel, stride, padding, dilation)
    gx = np.empty((*g.shape[:2], *hw), g.dtype)
    g3, tap3 = _planes(g), _planes(tap)
    how = (kernel, stride, padding, dilation)
    if _in_pairs(how, hw, g.shape[2:]):
        pairs.pair_best_grad.run(len(g3), 0.2 * gx.size, g3, tap3, _planes(gx))
        return gx
    work = 0.3 * gx.size + 3.0 * g.size
    windows.window_best_grad.run(len(g3), work, g3, tap3, *how, hw[1], _flat(gx))
    return gx


def _in_pairs(how: tuple[Pair, ...], hw: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Whether windows are 2x2, side by side, and all in the plane (with ceil_mode some may not)."""
    inside = 2 * out[0] <= hw[0] and 2 * out[1] <= hw[1]
    return inside and how == ((2, 2), (2, 2), (0, 0), (1, 1))


def places(
    tap: Tap, width: int, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Index:
    """Flat positions h·W + w in their planes of winners; 0 for a window without elements."""
    t, (oh, ow) = np.arange(kernel[0] * kernel[1]), tap.shape[2:]
    offset = np.append(t // kernel[1] * dilation[0] * width + t % kernel[1] * dilation[1], 0)
    row = np.arange(oh)[:, None] * stride[0] - padding[0]
    corner = row * width + np.arange(ow) * stride[1] - padding[1]
    return np.where(tap < t.size, offset[tap] + corner, 0)


def adaptive_max_pool2d(x: Array, out_hw: Pair) -> tuple[Array, Index]:
    """Largest element of windows that tile the plane into out_hw parts, and where it stands."""
    h, w = x.shape[2:]
    rows, cols = _adaptive_windows(h, out_hw[0]), _adaptive_windows(w, out_hw[1])
    if not use_jit(x):
        return window_max_reference(x, rows, cols)
    shape = (*x.shape[:2], *out_hw)
    y, idx = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    x3, y3, idx3 = _planes(x), _planes(y), _planes(idx)
    work = 2.0 * len(x3) * _elements(rows) * _elements(cols)
    windows.window_max.run(len(x3), work, x3, rows, cols, y3, idx3)
    return y, idx


def gather_plane(x: Array, idx: Index) -> Array:
    """y[n,c,i,j] = x[n,c].ravel()[idx[n,c,i,j]]; x (N, C, H, W), idx (N, C, OH, OW)."""
    if not use_jit(x):
        return gather_plane_reference(x, idx)
    y = np.empty(idx.shape, x.dtype)
    x2, idx2, y2 = _flat(x), _flat(idx), _flat(y)
    windows.gather.run(len(y2), y.size, x2, idx2, y2)
    return y


def scatter_plane(g: Array, idx: Index, hw: Pair) -> Array:
    """Adjoint of `gather_plane`: gx[n,c].ravel()[idx[n,c,i,j]] += g[n,c,i,j]; (N, C, H, W)."""
    if not use_jit(g):
        return scatter_plane_reference(g, idx, hw)
    gx = np.empty((*g.shape[:2], *hw), g.dtype)
    g2, idx2, gx2 = _flat(g), _flat(idx), _flat(gx)
    windows.scatter.run(len(g2), gx.size + g.size, g2, idx2, gx2)
    return gx


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
    return _window_mean(x, tables)


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
    return _window_spread(g, hw, tables)


def adaptive_avg_pool2d(x: Array, out_hw: Pair) -> Array:
    """Mean of windows that tile the plane into out_hw parts: (N, C, H, W) -> (N, C, OH, OW)."""
    return _window_mean(x, _adaptive_tables(x.shape[2:], out_hw))


def adaptive_avg_pool2d_input_grad(g: Array, hw: Pair) -> Array:
    """Adjoint of `adaptive_avg_pool2d`: g (N, C, OH, OW) -> (N, C, H, W) with (H, W) = hw."""
    return _window_spread(g, hw, _adaptive_tables(hw, g.shape[2:]))


def _window_mean(x: Array, t: Tables) -> Array:
    if not use_jit(x):
        return window_mean_reference(x, t)
    y = np.empty((*x.shape[:2], *t.divisor.shape), x.dtype)
    if t.whole and x.size:
        planes = _flat(x)
        windows.plane_sum.run(
            y.size, 0.1 * x.size, planes, float(planes.shape[1]), y.reshape(-1)
        )
        return y
    x3, y3, over = _planes(x), _planes(y), t.over(x.dtype)
    if t.in_pairs:
        pairs.pair_mean.run(len(x3), 0.4 * y.size, x3, over, y3)
        return y
    work = 0.5 * len(x3) * _elements(t.rows) * x.shape[3] + 6.0 * y.size
    windows.window_mean.run(len(x3), work, x3, t.rows, t.cols, t.sliding, over, y3)
    return y


def _window_spread(g: Array, hw: Pair, t: Tables) -> Array:
    if not use_jit(g):
        return window_spread_reference(g, hw, t)
    gx = np.empty((*g.shape[:2], *hw), g.dtype)
    if t.whole and gx.size:
        windows.plane_spread.run(g.size, 0.1 * gx.size, dense(g).reshape(-1), _flat(gx))
        return gx
    g3, gx3, over = _planes(g), _planes(gx), t.over(g.dtype)
    if t.in_pairs:
        pairs.pair_spread.run(len(g3), 0.6 * g.size, g3, over, gx3)
        return gx
    work = 0.3 * gx.size + 2.0 * len(g3) * g.shape[2] * _elements(t.cols)
    windows.window_spread.run(len(g3), work, g3, t.rows, t.cols, over, gx3)
    return gx


def _planes(x: NDArray[Any]) -> NDArray[Any]:
    """(N, C, H, W) as (N·C, H, W)."""
    n, c, h, w = x.shape
    return dense(x).reshape(n * c, h, w)


def _flat(x: NDArray[Any]) -> NDArray[Any]:
    """(N, C, H, W) as (N·C, H·W)."""
    n, c, h, w = x.shape
    return dense(x).reshape(n * c, h * w)


def _tap_dtype(kernel: Pair) -> np.dtype[Any]:
    return np.dtype(np.uint8 if kernel[0] * kernel[1] < 256 else np.int32)


def _elements(windows_: Index) -> int:
    """Elements that all windows of one axis meet together."""
    return int((windows_[:, 1] - windows_[:, 0]).sum())


# Tables of windows: (out, 2) int64, first and last+1 element of each window inside the image.


class Tables(NamedTuple):
    """Windows that are averaged."""

    rows: Index
    cols: Index
    sliding: tuple[int, int, int]  # width, stride, padding along columns; stride 0: they adapt
    divisor: NDArray[np.float64]  # (OH, OW)
    in_pairs: bool  # 2x2, side by side, one divisor for all, of which the reciprocal is exact
    whole: bool  # one window, which is the plane, over its number of elements
    made: dict[str, Array]

    def over(self, dtype: np.dtype[Any]) -> Array:
        """The divisor in the dtype of the data; of pairs its reciprocal, alone."""
        if dtype.char not in self.made:
            divisor = 1 / self.divisor[0, :1] if self.in_pairs else self.divisor
            self.made[dtype.char] = divisor.astype(dtype)
        return self.made[dtype.char]


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
) -> Tables:
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
    # Where windows are as wide as many of them are, a loop along each beats one across them.
    step = stride[1] if kernel[1] <= 8 else 0
    sliding = (kernel[1], step, padding[1])
    return Tables(*windows, sliding, divisor, _tile_by_two(*windows, divisor), False, {})


@lru_cache(maxsize=256)
def _adaptive_tables(hw: Pair, out_hw: Pair) -> Tables:
    rows, cols = _adaptive_windows(hw[0], out_hw[0]), _adaptive_windows(hw[1], out_hw[1])
    divisor = np.outer(rows[:, 1] - rows[:, 0], cols[:, 1] - cols[:, 0]).astype(np.float64)
    width = hw[1] // max(out_hw[1], 1)
    exact = width * out_hw[1] == hw[1] and 0 < width <= 8  # then they slide by their width
    sliding = (width, width if exact else 0, 0)
    in_pairs = _tile_by_two(rows, cols, divisor)
    return Tables(rows, cols, sliding, divisor, in_pairs, out_hw == (1, 1), {})


def _tile_by_two(rows: Index, cols: Index, divisor: NDArray[np.float64]) -> bool:
    for table in (rows, cols):
        first = 2 * np.arange(len(table))
        if (table[:, 0] != first).any() or (table[:, 1] != first + 2).any():
            return False
    exact = divisor.size and math.frexp(divisor[0, 0])[0] == 0.5
    return bool(exact and (divisor == divisor[0, 0]).all())


# The definitions in NumPy: one window at a time, over all planes at once.


def max_pool2d_reference(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_hw: Pair
) -> tuple[Array, Tap]:
    """`max_pool2d`, tap by tap."""
    h, w = x.shape[2:]
    y = np.full((*x.shape[:2], *out_hw), -np.inf, x.dtype)
    tap = np.full(y.shape, kernel[0] * kernel[1], _tap_dtype(kernel))
    for i, j, t in np.ndindex(*out_hw, kernel[0] * kernel[1]):
        r = i * stride[0] - padding[0] + t // kernel[1] * dilation[0]
        c = j * stride[1] - padding[1] + t % kernel[1] * dilation[1]
        if 0 <= r < h and 0 <= c < w:
            best, where, value = y[:, :, i, j], tap[:, :, i, j], x[:, :, r, c]
            wins = (value > best) | np.isnan(value) | (where == kernel[0] * kernel[1])
            best[wins], where[wins] = value[wins], t
    return y, tap


def max_pool2d_input_grad_reference(
    g: Array, tap: Tap, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """`max_pool2d_input_grad` as a scatter to the `places`."""
    idx = places(tap, hw[1], kernel, stride, padding, dilation)
    return scatter_plane_reference(np.where(tap < kernel[0] * kernel[1], g, 0), idx, hw)


def window_max_reference(x: Array, rows: Index, cols: Index) -> tuple[Array, Index]:
    """Winner of every window rows[i] x cols[j]."""
    w = x.shape[3]
    y = np.full((*x.shape[:2], len(rows), len(cols)), -np.inf, x.dtype)
    idx = np.zeros(y.shape, np.int64)
    for i, (r0, r1) in enumerate(rows.tolist()):
        for j, (c0, c1) in enumerate(cols.tolist()):
            best, where = y[:, :, i, j], idx[:, :, i, j]
            if r0 < r1 and c0 < c1:
                where[...] = r0 * w + c0
            for r in range(r0, r1):
                for c in range(c0, c1):
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


def window_mean_reference(x: Array, t: Tables) -> Array:
    """Sum of every window rows[i] x cols[j], over divisor[i, j]."""
    y = np.empty((*x.shape[:2], *t.divisor.shape), x.dtype)
    for i, (r0, r1) in enumerate(t.rows.tolist()):
        for j, (c0, c1) in enumerate(t.cols.tolist()):
            total = x[:, :, r0:r1, c0:c1].sum(axis=(2, 3))
            y[:, :, i, j] = total / t.divisor[i, j].astype(x.dtype)
    return y


def window_spread_reference(g: Array, hw: Pair, t: Tables) -> Array:
    """Adjoint of `window_mean_reference`: every window receives g / divisor."""
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    share = g / t.divisor.astype(g.dtype)
    for i, (r0, r1) in enumerate(t.rows.tolist()):
        for j, (c0, c1) in enumerate(t.cols.tolist()):
            gx[:, :, r0:r1, c0:c1] += share[:, :, i, j, None, None]
    return gx
