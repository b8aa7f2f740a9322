"""How a Winograd convolution is cut up: sizes and tables, from shapes alone. No arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import out_hw
from minigrad.kernels.jit import packed
from minigrad.kernels.simd import lanes

Pair = tuple[int, int]
Ints = NDArray[np.int64]

__all__ = ["Plan", "Tiling", "input_tiling", "straight_table", "turned_table", "weight_tiling"]

CHUNK_BYTES = 512 * 1024  # of V and M together, or of a part of U, which should stay in L2
MIN_TILES, MAX_TILES = 24, 96  # of a chunk: U is read once for each, and V must fit
MIN_CHUNKS = 8  # that a layer is cut into, where it can be
FILTER_GROUP = 64  # filters whose products are kept at once
PARTIAL_BYTES = 4 * 1024 * 1024  # of all partial sums of a filter gradient


class Tiling(NamedTuple):
    """The numbers that the kernels need. Sizes and strides are in elements."""

    width: int  # L, the vector's length
    groups: int
    c: int  # channels and filters of a group
    k: int
    h: int
    w: int
    oh: int
    ow: int
    pad_h: int
    pad_w: int
    dil_h: int  # so many tiles interleave, each of every dil_h-th row
    dil_w: int
    deep: int  # the loop order
    th: int  # rows of tiles of an image, of interleaved ones together
    tw: int  # tiles side by side in a row
    row_tiles: int  # tiles in a row: dil_h · dil_w · tw
    tile_rows: int  # of all images
    block: int  # rows of tiles in a chunk
    channel_blocks: int  # of a group
    channel_step: int  # blocks of channels whose U is made at once
    filter_blocks: int  # of a group
    filter_group: int  # blocks of filters whose products are kept at once
    filter_groups: int  # of those, in a group of the layer
    pitch: int  # of a strip of input pixels
    strip_rows: int
    strip: int
    v_point: int  # strides between the 36 points
    m_point: int
    u_point: int
    u_block: int  # stride between blocks of filters in U
    parts: int  # partial sums of a filter gradient


@dataclass(frozen=True)
class Plan:
    """How one layer is cut up."""

    sizes: Tiling
    record: NDArray[np.void]  # the same, as kernels want it
    chunks: int
    work: float  # ns
    scratch: int  # elements
    blocks: Ints  # place in V of each block of channels; if deep, of all groups
    read_table: Ints  # place in the strip of each pixel of a run of input rows
    write_table: Ints  # the same for outputs


@lru_cache(maxsize=512)
def input_tiling(
    x: tuple[int, ...], channels: int, padding: Pair, dilation: Pair, groups: int
) -> Plan:
    """Of `winograd`, and of the input's gradient: from shape x to so many channels."""
    return _plan(x, channels, padding, dilation, groups, sums=False)


@lru_cache(maxsize=512)
def weight_tiling(
    x: tuple[int, ...], channels: int, padding: Pair, dilation: Pair, groups: int
) -> Plan:
    """Of the filters' gradient."""
    return _plan(x, channels, padding, dilation, groups, sums=True)


@lru_cache(maxsize=1)
def straight_table() -> Ints:
    """Place of each tap of L channels, one after the other."""
    width = lanes(np.dtype(np.float32))
    return np.arange(9 * width) * width


@lru_cache(maxsize=1)
def turned_table() -> Ints:
    """Place of each of L numbers, of which the first 9 are taps in reverse order."""
    width = lanes(np.dtype(np.float32))
    p = np.arange(max(width, 9))
    return np.where(p < 9, 8 - p, 9) * width


def _plan(
    x: tuple[int, ...], channels: int, padding: Pair, dilation: Pair, groups: int, sums: bool
) -> Plan:
    width = lanes(np.dtype(np.float32))
    (n, c, h, w), (dh, dw) = x, dilation
    c, k = c // groups, channels // groups
    oh, ow = out_hw((h, w), (3, 3), (1, 1), padding, dilation)
    th, tw = -(-oh // (4 * dh)), -(-ow // (4 * dw))
    tile_rows, row_tiles = n * th, dh * dw * tw
    cb, kb = -(-c // width), -(-k // width)  # blocks of channels, of filters
    block_bytes = 36 * 4 * width  # of one tile, or one channel, and one block
    u_bytes = block_bytes * cb * width * kb
    deep = kb > 1 and block_bytes * tile_rows * row_tiles * cb < u_bytes
    group = max(1, min(kb, FILTER_GROUP // width))
    step = max(cb, 1)
    if deep:
        group = max(1, min(group, groups * kb // MIN_CHUNKS))
        if not sums:
            step = min(cb, max(1, CHUNK_BYTES // (block_bytes * width * group)))
    kept = kb if sums else group
    tiles = min(max(CHUNK_BYTES // (block_bytes * (cb + kept)), MIN_TILES), MAX_TILES)
    tiles = min(tiles, -(-tile_rows * row_tiles // MIN_CHUNKS))
    block = tile_rows if deep else max(1, min(round(tiles / max(row_tiles, 1)), tile_rows))
    steps = -(-tile_rows // max(block, 1))
    u_block = (1 if deep and sums else step) * width * width
    u_point = (group if deep else groups * kb) * u_block + width
    parts = max(2, min(MIN_CHUNKS, PARTIAL_BYTES // (36 * 4 * u_point)))
    parts = min(parts, steps)
    high, pitch = min(block, th), dw * (4 * tw + 2) * width  # tile rows of one image in a strip
    strip_rows = dh * (4 * high + 2)
    strip = max(strip_rows * pitch, 9 * width * width)
    at_once = block * row_tiles
    shared = groups if deep else 1  # V, and M of cotangents, of so many groups are kept at once
    v_point = (shared * cb * at_once + 1) * width
    m_point = ((shared if sums else 1) * kept * at_once + 1) * width
    if deep:
        chunks = groups * -(-kb // group)
        scratch = 36 * u_point + (9 * width if sums else 36 * m_point + strip)
    else:
        chunks = parts if sums else steps
        scratch = 36 * (v_point + m_point) + strip
    sizes = Tiling(
        width, groups, c, k, h, w, oh, ow, *padding, dh, dw, int(deep), th, tw, row_tiles,
        tile_rows, block, cb, step, kb, group, -(-kb // group), pitch, strip_rows, strip, v_point,
        m_point, u_point, u_block, parts,
    )  # fmt: skip
    return Plan(
        sizes=sizes, record=packed(sizes), chunks=chunks if oh and ow else 0,
        work=0.02 * n * oh * ow * groups * c * k * 9 / 3, scratch=scratch,
        blocks=np.arange(shared * cb) * (at_once * width),
        read_table=_places(strip_rows, padding[1], w, dw, 4 * tw + 2, width),
        write_table=_places(4 * dh * high, 0, ow, dw, 4 * tw, width),
    )  # fmt: skip


def _places(rows: int, first: int, columns: int, step: int, run: int, width: int) -> Ints:
    """Where each pixel of some rows stands in a strip, from column `first` on.

    Of a row of a strip, first come the columns 0, step, 2·step, ..., in a run that is as long as
    the tiles need, then the columns 1, step + 1, ....
    """
    column = first + np.arange(columns)
    place = column % step * run + column // step
    return ((np.arange(rows)[:, None] * (step * run) + place) * width).reshape(-1)
