"""How a direct convolution over blocks of channels is cut up: tables and sizes, from shapes alone.

A grid of rows and columns is laid over the outputs; a cell of it has one output per output phase
(one, or in the gradient of a strided layer one per remainder of the position by the stride). For a
block of grid rows, the sources are transposed into a strip [channels / L][row][column phase]
[column][L] in which neighbouring cells read neighbouring vectors for every tap of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import taps_of_phases
from minigrad.kernels.jit import packed
from minigrad.kernels.simd import lanes

Pair = tuple[int, int]
Ints = NDArray[np.int64]

__all__ = ["Blocking", "Plan", "forward_blocking", "input_grad_blocking"]

STRIP_BYTES = 256 * 1024  # of the sources of a chunk, which should stay in L2 beside the filters
MIN_CHUNKS = 8  # that a layer is cut into, where it can be
PARTIAL_BYTES = 4 * 1024 * 1024  # of all partial sums of a filter gradient


class Blocking(NamedTuple):
    """The numbers that the kernels need. Pitches and planes are in elements."""

    width: int  # L, the vector's length
    groups: int
    c: int  # channels of a group
    k: int  # filters of a group
    h: int  # of the sources
    w: int
    oh: int  # of the outputs
    ow: int
    rows: int  # of the grid
    cols: int
    step: int  # rows of sources from one grid row to the next
    low: int  # source row of the first row of the first strip
    out_h: int  # rows of outputs in a cell
    block: int  # grid rows in a chunk
    strips: int  # of `block` grid rows in an image
    splits: int  # of filters, where there are few strips
    tall: int  # rows of a strip of `block` grid rows
    pitch: int  # of a row of a strip
    plane: int  # of a block of channels in it
    depth: int  # channels of a block that the products run over
    channel_blocks: int
    filter_blocks: int
    out_pitch: int  # of a row of outputs, before they are transposed back
    taps: int  # of the window
    u_block: int  # of a block of filters in U
    sums: int  # (tap, channel) pairs that a filter gradient sums, up to whole vectors
    parts: int  # partial sums of it
    fold: int  # rows of outputs whose filters stand side by side in a vector


@dataclass(frozen=True)
class Plan:
    """How one layer is cut up."""

    sizes: Blocking
    record: NDArray[np.void]  # the same, as kernels want it
    phases: Ints  # (phases, 2): row, column in the cell
    spans: Ints  # (rows, phases, 2): first tap and taps that meet a source row, for each grid row
    filter_table: Ints  # place in a block of U of each of a run of taps in w
    table: Ints  # place in a strip of every tap of every phase, times every block of channels
    places: Ints  # in a strip, of every (tap, channel) of the window, where channels fit a vector
    read_table: Ints  # place of each pixel of a run of source rows
    write_table: Ints  # place of each output of a run of output rows
    chunks: int
    work: float  # ns
    scratch: int


@lru_cache(maxsize=512)
def forward_blocking(
    n: int, c: int, hw: Pair, k: int, window: Pair, out: Pair, stride: Pair, padding: Pair,
    dilation: Pair, groups: int, fold: int = 1,
) -> Plan:  # fmt: skip
    """Sources are the (N, C, H, W) pixels, outputs the (N, F, OH, OW) results.

    With `fold`, `window` and k are those of `folded` filters.
    """
    taps = [
        (u * window[1] + v, u * dilation[0], v * dilation[1])
        for u in range(window[0]) for v in range(window[1])
    ]  # fmt: skip
    grid, steps = (-(-out[0] // fold), out[1]), (fold * stride[0], stride[1])
    return _plan(
        n, c // groups, hw, k // groups, out, grid, steps, padding, (1, 1),
        [((0, 0), taps)], groups, window, turned=False, fold=fold,
    )  # fmt: skip


@lru_cache(maxsize=512)
def rows_folded(k: int, rows: int, taps: int, stride: int, dilation: int) -> int:
    """Rows of outputs at once, so that k < L filters fill a vector.

    Filters of a row below are the same ones, moved down in a window that is taller by the stride:
    6 filters of 5x5 are 12 of 6x5, which take 1.2 times as long for 2 rows as 6 for one.
    """
    if dilation > 1 or taps <= stride:
        return 1
    return max(1, min(lanes(np.dtype(np.float32)) // k, rows))


def folded(w: NDArray[np.float32], fold: int, stride: int, groups: int) -> NDArray[np.float32]:
    """Filters of `fold` rows of outputs, (groups · fold · K, C, KH + (fold − 1) · stride, KW)."""
    filters, c, taps, cols = w.shape
    rows = w.reshape(groups, filters // groups, c, taps, cols)
    tall = np.zeros((groups, fold, *rows.shape[1:3], taps + (fold - 1) * stride, cols), w.dtype)
    for row in range(fold):
        tall[:, row, :, :, row * stride : row * stride + taps] = rows
    return tall.reshape(-1, *tall.shape[3:])


def unfolded(
    tall: NDArray[np.float32], fold: int, stride: int, groups: int
) -> NDArray[np.float32]:
    """The adjoint of `folded`: the gradient of the filters from that of all rows'."""
    filters, c, height, cols = tall.shape
    many, taps = filters // groups // fold, height - (fold - 1) * stride
    rows = tall.reshape(groups, fold, many, c, height, cols)
    total = rows[:, 0, :, :, :taps].copy()
    for row in range(1, fold):
        total += rows[:, row, :, :, row * stride : row * stride + taps]
    return total.reshape(groups * many, c, taps, cols)


@lru_cache(maxsize=512)
def input_grad_blocking(
    n: int, c: int, hw: Pair, k: int, window: Pair, out: Pair, stride: Pair, padding: Pair,
    dilation: Pair, groups: int,
) -> Plan:  # fmt: skip
    """Sources are the (N, F, OH, OW) cotangents, outputs the (N, C, H, W) pixels."""
    grid = (-(-hw[0] // stride[0]), -(-hw[1] // stride[1]))
    row_taps, col_taps = (
        taps_of_phases(*axis) for axis in zip(hw, window, stride, padding, dilation, strict=True)
    )
    # Tap (u, v) carries g[q + e] to input row q·SH + r where r + PH − u·DH = e·SH.
    low = [
        min((e for taps in axis.values() for _, e in taps), default=0)
        for axis in (row_taps, col_taps)
    ]
    phases = [
        ((r, s), [
            (u * window[1] + v, e - low[0], d - low[1])
            for u, e in row_taps.get(r, []) for v, d in col_taps.get(s, [])
        ])
        for r in range(stride[0]) for s in range(stride[1])
    ]  # fmt: skip
    return _plan(
        n, k // groups, out, c // groups, hw, grid, (1, 1), (-low[0], -low[1]), stride, phases,
        groups, window, turned=True,
    )  # fmt: skip


def _plan(
    n: int, c: int, hw: Pair, k: int, out: Pair, grid: Pair, stride: Pair, padding: Pair,
    cell: Pair, phases: list[tuple[Pair, list[tuple[int, int, int]]]], groups: int, window: Pair,
    turned: bool, fold: int = 1,
) -> Plan:  # fmt: skip
    """Taps are (tap of the window, row, column): shifts in the padded source."""
    width = lanes(np.dtype(np.float32))
    (h, w), (rows, cols), (sh, sw), (ph, pw) = hw, grid, stride, padding
    every = [tap for _, taps in phases for tap in taps]
    extra = max((u for _, u, _ in every), default=0) + 1
    reach = max((v for _, _, v in every), default=0)
    cb, kb = -(-c // width), -(-k // width)
    depth = width if cb > 1 else c
    last = max((cols - 1) * sw + reach, w - 1 + pw)
    columns = max(last, 0) // sw + 1
    phase_pitch = (columns + 1) * width  # the last column takes the pixels that no tap meets
    pitch = sw * phase_pitch
    row_bytes = 4 * cb * pitch * sh
    block = max(1, min(rows, STRIP_BYTES // max(row_bytes, 1)))
    chunks = max(1, -(-MIN_CHUNKS // max(n * groups, 1)))
    block = max(1, min(block, -(-rows // chunks)))
    strips = -(-rows // block)
    block = max(1, -(-rows // max(strips, 1)))
    strips = -(-rows // block)
    splits = max(1, min(-(-kb // 2), -(-MIN_CHUNKS // max(n * groups * strips, 1))))
    tall = (block - 1) * sh + extra
    plane = tall * pitch + width
    tables, tap_index, first = [], [], 0
    spans = np.zeros((rows, len(phases), 2), np.int64)
    for phase, (_, taps) in enumerate(phases):
        row = np.arange(rows)[:, None] * sh - ph + np.array([u for _, u, _ in taps], np.int64)
        meets = (row >= 0) & (row < h)  # neighbours, for the taps go down or up row by row
        spans[:, phase, 0] = first + meets.argmax(axis=1) if taps else 0
        spans[:, phase, 1] = meets.sum(axis=1)
        for tap, u, v in taps:
            place = u * pitch + v % sw * phase_pitch + v // sw * width
            tables.append(np.arange(cb) * plane + place)
            tap_index.append(tap)
        first += len(taps)
    q = np.arange(w) + pw
    place = np.where(q >= 0, q % sw * phase_pitch + q // sw * width, columns * width)
    out_pitch = cell[1] * cols * width
    x = np.arange(out[1])
    back = x % cell[1] * (cols * width) + x // cell[1] * width
    sums = -(-len(every) * depth * cb // width) * width
    u_part = groups * kb * sums * width
    places = np.zeros(sums, np.int64)
    if depth < width and tables:
        pairs = (np.concatenate(tables)[:, None] + np.arange(depth)).reshape(-1)
        places[: len(pairs)] = pairs
    parts = max(2, min(MIN_CHUNKS, PARTIAL_BYTES // max(4 * u_part, 1), n * strips))
    sizes = Blocking(
        width, groups, c, k, h, w, *out, rows, cols, sh, -ph, cell[0], block, strips, splits, tall,
        pitch, plane, depth, cb, kb, out_pitch, window[0] * window[1],
        (len(every) + 1) * cb * depth * width, sums, min(parts, n * strips), fold,
    )  # fmt: skip
    return Plan(
        sizes=sizes,
        record=packed(sizes),
        phases=np.array([place for place, _ in phases], np.int64).reshape(-1, 2),
        spans=spans,
        filter_table=_filter_table(np.array(tap_index, np.int64), c, cb * depth, window, turned),
        table=np.concatenate(tables) if tables else np.zeros(0, np.int64),
        places=places,
        read_table=(np.arange(tall)[:, None] * pitch + place).reshape(-1),
        write_table=(np.arange(block * cell[0])[:, None] * out_pitch + back).reshape(-1),
        chunks=n * groups * strips * splits if out[0] and out[1] else 0,
        work=0.02 * n * rows * cols * groups * c * k * max(len(every), 1),
        scratch=cb * plane + max(2, kb) * block * cell[0] * out_pitch,
    )


def _filter_table(met: Ints, c: int, inner: int, window: Pair, turned: bool) -> Ints:
    """Place in a block of U of the taps of one channel (turned), or of all, as they lie in w.

    `met` has the tap of the window for every tap in U. Others go behind the last of these.
    """
    width, taps = lanes(np.dtype(np.float32)), window[0] * window[1]
    places = np.full(max(taps, width) if turned else taps, len(met))
    places[met] = np.arange(len(met))
    places *= inner * width
    return places if turned else (np.arange(c)[:, None] * width + places).reshape(-1)
