"""1x1 convolution of stride 1: a product of matrices for each image, which lies there ready.

    y[n] = W · x[n],   gx[n] = Wᵀ · g[n]      x[n]: (channels, pixels)

A vector holds neighbouring pixels, so nothing is transposed: up to 8 filters by 2 vectors of pixels
are summed in registers over all channels (`tiles`). Some pixels of all channels are copied first,
for rows of an image often lie so that few of them fit the nearest cache together. A chunk is the
pixels of an image, or a part of them. What limits it: multiply-adds, from some 64 channels on;
below, bytes. The filters' gradient is left to `blocked`, which has no lanes to add up.
"""

from __future__ import annotations

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import floor_of
from minigrad.kernels.jit import dense, kernel
from minigrad.kernels.team import mine, share
from minigrad.kernels.tiles import half_tiles, pixels, places, product_tiles

Pair = tuple[int, int]
Array = NDArray[np.floating]

__all__ = ["is_pointwise", "pointwise", "pointwise_input_grad"]

CHUNKS = 16  # that a layer is cut into, where it can be
ROWS = 8  # filters whose results are written at once
SPAN_BYTES = 128 * 1024  # of the pixels that are copied, which should stay in L2


def is_pointwise(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: Pair, padding: Pair, groups: int,
    dtype: np.dtype,
) -> bool:  # fmt: skip
    """Whether a layer is one of these, and whole vectors of pixels are not much more than it has.

    Images of 7x7 take 1.2 times as long as by blocks of channels, those of 8x8 and 14x14 less.
    """
    hw, half = x_shape[2] * x_shape[3], pixels(dtype) // 2
    filled = hw >= 2 * half and -(-hw // half) * half <= 1.15 * hw
    return filled and (w_shape[2:], stride, padding, groups) == ((1, 1), (1, 1), (0, 0), 1)


def pointwise(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    relu: bool = False,
) -> Array:  # fmt: skip
    """`conv2d` with 1x1 filters, stride 1, no padding, one group."""
    return _products(x, w.reshape(w.shape[:2]), b, relu)


def pointwise_input_grad(
    g: Array, w: Array, input_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_input_grad` of the same layers; g as large as theirs."""
    return _products(g, np.ascontiguousarray(w.reshape(w.shape[:2]).T), None, False)


def _products(x: Array, w: Array, b: Array | None, relu: bool) -> Array:
    (n, c, h, wd), k = x.shape, len(w)
    y = empty((n, k, h, wd), x.dtype)
    bias = np.zeros(k, x.dtype) if b is None else dense(b)
    tile = pixels(x.dtype)
    tiles = h * wd // tile
    splits = min(-(-CHUNKS // max(n, 1)), tiles)
    span = max(1, min(SPAN_BYTES // max(c * tile * x.itemsize, 1), -(-tiles // splits)))
    pointwise_products.run(
        n * splits, 0.02 * x.size * k, dense(x).reshape(-1), dense(w).reshape(-1), bias,
        y.reshape(-1), floor_of(x.dtype, relu), places(c, (span + 1) * tile), c, k, h * wd, splits,
        span, tile, scratch=(c * (span + 1) * tile, x.dtype),
    )  # fmt: skip
    return y


@kernel
def pointwise_products(
    team, chunks, x, w, bias, y, floor, places, c, k, hw, splits, span, tile, work
):
    """A correlation; a chunk is one of `splits` parts of an image, taken `span` tiles at a time."""
    work = mine(team, work)
    tiles, half, pitch = hw // tile, tile // 2, (span + 1) * tile
    for chunk in share(team, chunks):
        image, part = chunk // splits, chunk % splits
        first, last = part * tiles // splits, (part + 1) * tiles // splits
        for t in range(first, last, span):
            p0 = t * tile
            end = hw if t + span >= tiles else min(t + span, last) * tile
            here = end - p0
            for ch in range(c):
                row, to = x[(image * c + ch) * hw + p0 :], work[ch * pitch :]
                for p in range(here):
                    to[p] = row[p]
            for i in range(0, k, ROWS):
                rows, to = min(ROWS, k - i), (image * k + i) * hw + p0
                rest = here % tile
                for q in range(here // tile + (rest > half)):
                    p = min(q * tile, here - tile)  # the last one may overlap
                    product_tiles(w, i * c, c, bias, i, work, p, places, 0, c, y, to + p, hw, rows,
                                  floor)  # fmt: skip
                if 0 < rest <= half:
                    p = here - half
                    half_tiles(w, i * c, c, bias, i, work, p, places, 0, c, y, to + p, hw, rows,
                               floor)  # fmt: skip
