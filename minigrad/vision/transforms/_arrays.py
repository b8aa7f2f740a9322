"""What transforms do to pixels: ndarrays (N, C, H, W) in and out, sizes already checked.

Where the images of a batch differ (random crops, flips, boxes), the parameters are one per image.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

__all__ = ["crop_each", "flip_each", "pad", "resample_matrix", "resize", "rotate", "scaled_to_unit"]


def scaled_to_unit(x: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """uint8 divided by 255 in a fresh C-contiguous array; other dtypes are copied as they are."""
    if x.dtype != np.uint8:
        return np.array(x, order="C")
    out = np.empty(x.shape, dtype)
    # One pass: NumPy converts in its small buffers. A table of 256 floats costs three times that.
    np.divide(x, dtype.type(255), out=out, casting="unsafe")
    return out


def crop_each(
    x: np.ndarray, tops: np.ndarray, lefts: np.ndarray, height: int, width: int
) -> np.ndarray:
    """Image k of the result is x[k, :, tops[k]:tops[k]+height, lefts[k]:lefts[k]+width]."""
    out = np.empty((*x.shape[:2], height, width), x.dtype)
    for k, (i, j) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        out[k] = x[k, :, i:i + height, j:j + width]
    return out


def flip_each(x: np.ndarray, chosen: np.ndarray, dim: int) -> np.ndarray:
    """A copy of `x` whose chosen images are reversed along `dim` (2 rows, 3 columns)."""
    out = np.array(x, order="C")
    out[chosen] = np.flip(x[chosen], dim)
    return out


def pad(
    x: np.ndarray, left: int, top: int, right: int, bottom: int, fill: Any, mode: str
) -> np.ndarray:
    """`x` with a border; negative sizes crop. `fill` is a number or one number per channel."""
    height, width = x.shape[2:]
    x = x[:, :, max(-top, 0):height - max(-bottom, 0), max(-left, 0):width - max(-right, 0)]
    left, top, right, bottom = (max(v, 0) for v in (left, top, right, bottom))
    height, width = x.shape[2:]
    if mode != "constant":
        border = ((0, 0), (0, 0), (top, bottom), (left, right))
        return np.pad(x, border, cast(Any, mode))  # NumPy's names are torchvision's
    out = np.empty((*x.shape[:2], top + height + bottom, left + width + right), x.dtype)
    out[:] = np.asarray(fill, x.dtype).reshape(-1, 1, 1)
    out[:, :, top:top + height, left:left + width] = x
    return out


def _triangle(t: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(t), 0)


def _cubic(t: np.ndarray, a: float) -> np.ndarray:
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = a * (((t - 5) * t + 8) * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def resample_matrix(size: int, out: int, mode: str, antialias: bool) -> np.ndarray:
    """Weights (out, size) of one axis: row i holds how much of each input pixel is in output i.

    Pixel centres lie at (i + 1/2) * size / out - 1/2. With `antialias` the filter is stretched by
    the reduction, so that every input pixel counts (Pillow, ImagingResample); without it, the two
    or four neighbours do, with the edge repeated (PyTorch, interpolate, align_corners=False).
    """
    scale = size / out
    centre = (np.arange(out) + 0.5) * scale
    if antialias:
        reach = (1.0 if mode == "bilinear" else 2.0) * max(scale, 1.0)
        pixels = np.arange(size)
        low = np.maximum(np.floor(centre - reach + 0.5), 0)[:, None]
        high = np.minimum(np.floor(centre + reach + 0.5), size)[:, None]
        t = (pixels - centre[:, None] + 0.5) / max(scale, 1.0)
        weights = _triangle(t) if mode == "bilinear" else _cubic(t, -0.5)
        weights = np.where((pixels >= low) & (pixels < high), weights, 0.0)
        return weights / weights.sum(1, keepdims=True)
    position = centre - 0.5
    if mode == "bilinear":
        position = np.maximum(position, 0)
    first = np.floor(position).astype(int)
    weights = np.zeros((out, size))
    for step in range(2) if mode == "bilinear" else range(-1, 3):
        t = position - (first + step)
        share = _triangle(t) if mode == "bilinear" else _cubic(t, -0.75)
        np.add.at(weights, (np.arange(out), np.clip(first + step, 0, size - 1)), share)
    return weights


def resize(x: np.ndarray, height: int, width: int, mode: str, antialias: bool) -> np.ndarray:
    """`x` on a grid of height by width pixels."""
    if x.shape[2:] == (height, width):
        return np.array(x, order="C")
    if mode in ("nearest", "nearest-exact"):
        rows, columns = (
            _nearest(size, out, mode == "nearest-exact")
            for size, out in zip(x.shape[2:], (height, width), strict=True)
        )
        return x[:, :, rows[:, None], columns]
    work = x.dtype if x.dtype in (np.float32, np.float64) else np.dtype(np.float32)
    down = resample_matrix(x.shape[2], height, mode, antialias).astype(work)
    across = resample_matrix(x.shape[3], width, mode, antialias).astype(work)
    # (height, H) . ((N, C, H, W) . (W, width)) -> (N, C, height, width)
    y = down @ (x.astype(work) @ across.T)
    if x.dtype.kind in "iu":
        info = np.iinfo(x.dtype)
        y = np.clip(np.rint(y), info.min, info.max)
    return y.astype(x.dtype, copy=False)


def _nearest(size: int, out: int, exact: bool) -> np.ndarray:
    scale = np.float32(size) / np.float32(out)  # float32, as PyTorch's: ties fall the same way
    position = (np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0)) * scale
    return np.minimum(np.floor(position).astype(int), size - 1)


def rotate(
    x: np.ndarray,
    angle: float,
    mode: str,
    expand: bool,
    centre: tuple[float, float],
    fill: np.ndarray | None,
) -> np.ndarray:
    """`x` turned counter-clockwise by `angle` degrees about `centre`, (x, y) from the middle.

    Output pixel p shows the input at R(p - centre) + centre; outside it `fill`, or zero.
    """
    height, width = x.shape[2:]
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    out_h, out_w = _turned_size(height, width, cos, sin, centre) if expand else (height, width)
    v, u = np.meshgrid(
        np.arange(out_h) - (out_h - 1) / 2 - centre[1],
        np.arange(out_w) - (out_w - 1) / 2 - centre[0],
        indexing="ij",
    )
    column = cos * u - sin * v + centre[0] + (width - 1) / 2
    row = sin * u + cos * v + centre[1] + (height - 1) / 2
    fills = np.zeros(1) if fill is None else fill.astype(np.float64)[:, None, None]
    if mode == "nearest":
        r, c = np.rint(row).astype(int), np.rint(column).astype(int)
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        y = x[:, :, np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)]
        return np.where(inside, y, fills.astype(x.dtype))
    r0, c0 = np.floor(row).astype(int), np.floor(column).astype(int)
    total = np.zeros((*x.shape[:2], out_h, out_w))
    covered = np.zeros((out_h, out_w))
    for r in (r0, r0 + 1):
        for c in (c0, c0 + 1):
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            share = _triangle(row - r) * _triangle(column - c) * inside
            total += share * x[:, :, np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)]
            covered += share
    if fill is not None:  # as torchvision blends: pixels beyond the edge count as black, then fill
        total = total * covered + (1 - covered) * fills
    return (np.rint(total) if x.dtype.kind in "iu" else total).astype(x.dtype)


def _turned_size(
    height: int, width: int, cos: float, sin: float, centre: tuple[float, float]
) -> tuple[int, int]:
    corners = np.array([(a * width / 2, b * height / 2) for a in (-1, 1) for b in (-1, 1)])
    u, v = (corners - centre).T
    x = (cos * u - sin * v + centre[0] + width / 2).astype(np.float32)
    y = (sin * u + cos * v + centre[1] + height / 2).astype(np.float32)
    step = np.float32(1e-4)

    def extent(values: np.ndarray) -> int:  # in float32 and cut at 1e-4, lest 1e-15 cost a pixel
        high, low = (np.trunc(v / step) * step for v in (values.max(), values.min()))
        return int(np.ceil(high) - np.floor(low))

    return extent(y), extent(x)
