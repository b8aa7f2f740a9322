"""Unfolding windows into columns, and resizing planes, each with its adjoint; no Tensor here.

Resizing is separable: one table of source rows and weights per output row, one per column.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.conv import _padded, _padded_hw, _taps
from minigrad.kernels.index import scatter_add

Pair = tuple[int, int]
Array = NDArray[np.floating]
# Source elements (lo, hi) and the weight of hi, per output element of one axis.
Axis = tuple[NDArray[np.int64], NDArray[np.int64], Array]
Scales = tuple[float | None, float | None]

__all__ = [
    "bilinear",
    "bilinear_grad",
    "fold",
    "nearest",
    "nearest_grad",
    "unfold",
]


def unfold(x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Lay every window of x out as a column.

        y[n, (c·KH + u)·KW + v, i·OW + j] = x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW]

    x (N, C, H, W) -> (N, C·KH·KW, OH·OW).
    """
    n, c, *hw = x.shape
    out = _out_hw(hw, kernel, stride, padding, dilation)
    xp = _padded(x, padding)
    y = np.empty((n, c, *kernel, *out), x.dtype)
    for u, v, rows, cols in _taps(kernel, out, stride, dilation):
        y[:, :, u, v] = xp[:, :, rows, cols]
    return y.reshape(n, c * kernel[0] * kernel[1], out[0] * out[1])


def fold(
    cols: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Adjoint of `unfold`: every column is added back to the window it came from.

    cols (N, C·KH·KW, L) -> (N, C, H, W) with (H, W) = out_hw.
    """
    n, ck, _ = cols.shape
    c = ck // (kernel[0] * kernel[1])
    blocks = _out_hw(out_hw, kernel, stride, padding, dilation)
    taps = cols.reshape(n, c, *kernel, *blocks)
    xp = np.zeros((n, c, *_padded_hw(out_hw, padding)), cols.dtype)
    for u, v, rows, columns in _taps(kernel, blocks, stride, dilation):
        xp[:, :, rows, columns] += taps[:, :, u, v]
    (ph, pw), (h, w) = padding, out_hw
    return np.ascontiguousarray(xp[:, :, ph : ph + h, pw : pw + w])


def nearest(x: Array, out_hw: Pair, scales: Scales = (None, None)) -> Array:
    """y[..., i, j] = x[..., floor(i·H/OH), floor(j·W/OW)]; x (N, C, H, W) -> (N, C, OH, OW).

    A scale, where given, replaces OH/H (OW/W) in that formula, as PyTorch's `scale_factor`.
    """
    rows, cols = (
        _nearest_axis(a, o, s) for a, o, s in zip(x.shape[2:], out_hw, scales, strict=True)
    )
    return np.ascontiguousarray(x[:, :, rows[:, None], cols])


def nearest_grad(g: Array, hw: Pair, scales: Scales = (None, None)) -> Array:
    """Adjoint of `nearest`: g (N, C, OH, OW) -> (N, C, H, W) with (H, W) = hw."""
    rows, cols = (
        _nearest_axis(a, o, s) for a, o, s in zip(hw, g.shape[2:], scales, strict=True)
    )
    part = _add_along(g, cols, hw[1], axis=3)
    return _add_along(part, rows, hw[0], axis=2)


def bilinear(
    x: Array, out_hw: Pair, align_corners: bool, scales: Scales = (None, None)
) -> Array:
    """Resize by linear interpolation along rows, then columns: (N, C, H, W) -> (N, C, OH, OW).

    With `align_corners` the corner pixels' centres map to each other; else the corners' corners.
    """
    (h0, h1, ht), (w0, w1, wt) = _linear_axes(x.shape[2:], out_hw, align_corners, scales, x.dtype)
    top, bottom = x[:, :, h0], x[:, :, h1]
    rows = top * (1 - ht)[:, None] + bottom * ht[:, None]
    return rows[..., w0] * (1 - wt) + rows[..., w1] * wt


def bilinear_grad(
    g: Array, hw: Pair, align_corners: bool, scales: Scales = (None, None)
) -> Array:
    """Adjoint of `bilinear`: g (N, C, OH, OW) -> (N, C, H, W) with (H, W) = hw."""
    (h0, h1, ht), (w0, w1, wt) = _linear_axes(hw, g.shape[2:], align_corners, scales, g.dtype)
    part = _add_along(g * (1 - wt), w0, hw[1], axis=3)
    part += _add_along(g * wt, w1, hw[1], axis=3)
    gx = _add_along(part * (1 - ht)[:, None], h0, hw[0], axis=2)
    gx += _add_along(part * ht[:, None], h1, hw[0], axis=2)
    return gx


def _out_hw(
    hw: Pair | list[int], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Pair:
    oh, ow = (
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, k, t, p, d in zip(hw, kernel, stride, padding, dilation, strict=True)
    )
    return oh, ow


def _add_along(g: Array, idx: NDArray[np.int64], size: int, axis: int) -> Array:
    """Sum the slices of g along `axis` into `size` slices, slice k into slice idx[k]."""
    src = np.ascontiguousarray(np.moveaxis(g, axis, 0))
    out = scatter_add(np.zeros((size, *src.shape[1:]), g.dtype), idx, src)
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


@lru_cache(maxsize=256)
def _nearest_axis(size: int, out: int, scale: float | None) -> NDArray[np.int64]:
    # PyTorch computes in float32 here whatever the dtype of the image.
    ratio = np.float32(1.0 / scale) if scale else np.float32(size) / np.float32(max(out, 1))
    source = np.floor(np.arange(out, dtype=np.float32) * ratio).astype(np.int64)
    return np.arange(out) if out == size else np.minimum(source, size - 1)


def _linear_axes(
    hw: Pair, out_hw: Pair, align_corners: bool, scales: Scales, dtype: np.dtype
) -> tuple[Axis, Axis]:
    (h, w), (oh, ow) = hw, out_hw
    return (
        _linear_axis(h, oh, align_corners, scales[0], dtype),
        _linear_axis(w, ow, align_corners, scales[1], dtype),
    )


@lru_cache(maxsize=256)
def _linear_axis(
    size: int, out: int, align_corners: bool, scale: float | None, dtype: np.dtype
) -> Axis:
    real = dtype.type
    i = np.arange(out, dtype=dtype)
    if out == size:
        source = i
    elif align_corners:
        source = i * (real(size - 1) / real(out - 1) if out > 1 else real(0))
    else:
        ratio = real(1.0 / scale) if scale else real(size) / real(max(out, 1))
        source = np.maximum((i + real(0.5)) * ratio - real(0.5), real(0))
    lo = np.minimum(source.astype(np.int64), size - 1)
    weight = np.clip(source - lo.astype(dtype), 0, 1).astype(dtype)
    return lo, np.minimum(lo + 1, size - 1), weight
