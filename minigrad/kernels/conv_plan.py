"""How a convolution is cut up for `correlate`: tables and sizes, from shapes alone. No arithmetic.

A strip is some rows of outputs of one image. Its sources are copied into planes of `pitch` columns,
one plane per channel and stride phase; a tap of the window is a shift within those planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.simd import lanes
from minigrad.kernels.tiles import DOT_TAPS, pixels, tile_rows

Pair = tuple[int, int]
Ints = NDArray[np.int64]

__all__ = [
    "Plan", "floor_of", "forward_plan", "input_grad_plan", "out_hw", "source_phases",
    "taps_of_phases", "weight_grad_plan",
]

# Bytes of scratch per chunk, which should stay in L2. Measured with a 2 MB L2, float32: of products
# 128 KB costs 15 to 45 % and 256 to 2048 KB are alike; a weight gradient of 512 channels takes
# 46 ms with 512 KB and 29 with 1024 KB, while one of 64 channels loses up to 10 % by it.
SCRATCH_BYTES = 512 * 1024
WEIGHT_GRAD_BYTES = 1024 * 1024
# Chunks that a layer is cut into at least, where it can be and each has this many operations.
MIN_CHUNKS = 8
CHUNK_WORK = 500_000  # of the definition
# Partial sums of a weight gradient together are at most this large.
PARTIAL_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """How one layer is cut up: a pure function of its shapes, strides and dtype."""

    out_hw: Pair
    chunks: int
    work: float  # ns
    scratch: int  # elements
    taps: Ints  # shift of every (channel, tap), phase after phase
    source: Ints  # (phases, 2) first row and column of each source phase
    geometry: Ints  # what the kernel unpacks
    target: Ints | None = None  # (phases, 5) row, column, first tap, taps, first weight
    taps_of_phase: tuple[Ints, ...] = ()
    parts: int = 1
    k: int = 0
    k_padded: int = 0


def out_hw(hw: Pair, k: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How many windows fit."""
    oh, ow = (
        (s + 2 * p - d * (u - 1) - 1) // t + 1
        for s, u, t, p, d in zip(hw, k, stride, padding, dilation, strict=True)
    )
    return oh, ow


@lru_cache(maxsize=8)
def floor_of(dtype: np.dtype, relu: bool) -> Any:
    """The least that a result may be: 0 where a relu follows. NaN stays."""
    return dtype.type(0 if relu else -math.inf)


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def source_phases(
    k: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[Ints, NDArray[np.int64]]:
    """First row and column of each phase that a tap meets; and each tap's (phase, row, column)."""
    phases: dict[Pair, int] = {}
    shifts = []
    for u in range(k[0]):
        for v in range(k[1]):
            qu, pu = divmod(u * dilation[0], stride[0])
            qv, pv = divmod(v * dilation[1], stride[1])
            shifts.append((phases.setdefault((pu, pv), len(phases)), qu, qv))
    origins = [(pu - padding[0], pv - padding[1]) for pu, pv in phases]
    return np.array(origins, np.int64).reshape(-1, 2), np.array(shifts, np.int64).reshape(-1, 3)


def _strip_rows(n: int, rows: int, bytes_per_row: int, work: float) -> int:
    """Rows of a strip: as many as fit the scratch, few enough that there are enough chunks."""
    fit = max(1, SCRATCH_BYTES // max(bytes_per_row, 1))
    chunks = max(1, min(MIN_CHUNKS, int(work / CHUNK_WORK)))
    strips = max(-(-rows // fit), min(rows, -(-chunks // max(n, 1))), 1)
    return max(1, -(-rows // strips))


@lru_cache(maxsize=512)
def forward_plan(
    n: int, c: int, hw: Pair, f: int, k: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int, dtype: np.dtype,
) -> Plan:  # fmt: skip
    """Of `correlate`."""
    out = out_hw(hw, k, stride, padding, dilation)
    source, shifts = source_phases(k, stride, padding, dilation)
    everything = np.arange(len(shifts))
    return _product_plan(
        n, groups, c // groups, f // groups, out, out, stride, (1, 1), source, shifts,
        [((0, 0), everything, shifts)], dtype,
    )  # fmt: skip


@lru_cache(maxsize=512)
def input_grad_plan(
    n: int, c: int, hw: Pair, f: int, k: Pair, out: Pair, stride: Pair, padding: Pair,
    dilation: Pair, groups: int, dtype: np.dtype,
) -> Plan:  # fmt: skip
    """Of `correlate_input_grad`."""
    # Tap (u, v) carries g[q + e] to input row q·SH + r where r + PH − u·DH = e·SH.
    met: dict[Pair, list[tuple[int, int, int]]] = {}
    row_taps = taps_of_phases(hw[0], k[0], stride[0], padding[0], dilation[0])
    col_taps = taps_of_phases(hw[1], k[1], stride[1], padding[1], dilation[1])
    for r, rows_met in row_taps.items():
        for s, cols_met in col_taps.items():
            met[r, s] = [(u * k[1] + v, e, d) for u, e in rows_met for v, d in cols_met]
    shifts = np.array([t for taps in met.values() for t in taps], np.int64).reshape(-1, 3)
    low = shifts[:, 1:].min(axis=0) if len(shifts) else np.zeros(2, np.int64)
    phases = []
    for place, taps in met.items():
        table = np.array(taps, np.int64).reshape(-1, 3)
        moved = np.column_stack([np.zeros(len(table), np.int64), table[:, 1:] - low])
        phases.append((place, table[:, 0], moved))
    every = np.concatenate([moved for _, _, moved in phases]) if phases else shifts
    rows, cols = -(-hw[0] // stride[0]), -(-hw[1] // stride[1])
    return _product_plan(
        n, groups, f // groups, c // groups, hw, (rows, cols), (1, 1), stride,
        low.reshape(1, 2), every, phases, dtype,
    )  # fmt: skip


def taps_of_phases(
    size: int, k: int, stride: int, padding: int, dilation: int
) -> dict[int, list[Pair]]:
    """For each phase r of one axis that a tap u meets, these taps with (r + P − u·D) / S."""
    phases: dict[int, list[Pair]] = {}
    for u in range(k):
        r = (u * dilation - padding) % stride
        if r < size:
            phases.setdefault(r, []).append((u, (r + padding - u * dilation) // stride))
    return dict(sorted(phases.items()))


def _product_plan(
    n: int, groups: int, channels: int, m: int, out_hw: Pair, grid: Pair, source_stride: Pair,
    out_stride: Pair, source: Ints, shifts: Ints, phases: list[tuple[Pair, Ints, Ints]],
    dtype: np.dtype,
) -> Plan:  # fmt: skip
    """The plan of a product over a grid of rows x columns outputs per output phase."""
    rows, cols = grid
    row_shift, col_shift = shifts[:, 1:].max(axis=0).tolist() if len(shifts) else (0, 0)
    pitch, tile = cols + col_shift, pixels(dtype)
    row_bytes = pitch * dtype.itemsize * (channels * len(source) + m)
    work = 2.0 * n * rows * cols * groups * m * channels * max(len(shifts), 1)
    strip = _strip_rows(n, rows, row_bytes, work)
    run = _up(strip * pitch, tile)
    plane = row_shift * pitch + col_shift + max(run, strip * pitch)
    tables, target, first_tap, first_weight = [], [], 0, 0
    for (r, s), _, moved in phases:
        offsets = moved[:, 0] * plane + moved[:, 1] * pitch + moved[:, 2]
        channel = np.arange(channels)[:, None] * (len(source) * plane)
        tables.append((channel + offsets).reshape(-1))
        target.append((r, s, first_tap, channels * len(moved), first_weight))
        first_tap += channels * len(moved)
        first_weight += groups * m * channels * len(moved)
    strips = -(-rows // strip) if rows else 0
    planes = channels * len(source) * plane
    geometry = [
        *(groups, channels, m, *source_stride, *out_stride, strip, rows, cols, strips),
        *(pitch, strip + row_shift, plane, run, tile, planes),
    ]
    return Plan(
        out_hw=out_hw,
        chunks=n * strips if out_hw[1] else 0,
        work=0.02 * work * (dtype.itemsize // 4),
        scratch=planes + m * run,
        taps=np.concatenate(tables).astype(np.int64) if tables else np.zeros(0, np.int64),
        source=np.ascontiguousarray(source, np.int64),
        geometry=np.array(geometry, np.int64),
        target=np.array(target, np.int64).reshape(-1, 5),
        taps_of_phase=tuple(taps for _, taps, _ in phases),
    )


@lru_cache(maxsize=512)
def weight_grad_plan(
    n: int, c: int, hw: Pair, f: int, k: Pair, out: Pair, stride: Pair, padding: Pair,
    dilation: Pair, groups: int, dtype: np.dtype,
) -> Plan:  # fmt: skip
    """Of `correlate_weight_grad`; `out` may be less than what would fit."""
    source, shifts = source_phases(k, stride, padding, dilation)
    (rows, cols), channels, m = out, c // groups, f // groups
    row_shift, col_shift = shifts[:, 1:].max(axis=0).tolist() if len(shifts) else (0, 0)
    pitch = cols + col_shift
    row_bytes = pitch * dtype.itemsize * (channels * len(source) + m)
    work = 2.0 * n * f * rows * cols * channels * len(shifts)
    strip = _strip_rows(n, rows, row_bytes, work)
    strips = -(-rows // strip) if rows else 0
    run = _up(strip * pitch, lanes(dtype))
    plane = row_shift * pitch + col_shift + run
    offsets = shifts[:, 0] * plane + shifts[:, 1] * pitch + shifts[:, 2]
    taps = (np.arange(channels)[:, None] * (len(source) * plane) + offsets).reshape(-1)
    padded = _up(len(taps), DOT_TAPS)
    taps = np.concatenate([taps, np.zeros(padded - len(taps), np.int64)]).astype(np.int64)
    planes = channels * len(source) * plane
    per_item = planes + m * run
    items = n * strips
    block = max(1, min(items, WEIGHT_GRAD_BYTES // max(per_item * dtype.itemsize, 1)))
    affordable = max(2, PARTIAL_BYTES // max(f * padded * dtype.itemsize, 1))
    parts = max(1, min(-(-items // block), 2 * MIN_CHUNKS, affordable))
    block = max(1, min(block, -(-items // parts)))
    splits = min(-(-m // tile_rows()[1][0]), -(-MIN_CHUNKS // parts)) if parts < MIN_CHUNKS else 1
    geometry = [
        *(groups, channels, m, *stride, strip, rows, cols, strips, pitch),
        *(strip + row_shift, plane, run, items, block, parts, max(splits, 1)),
        *(padded, planes),
    ]
    return Plan(
        out_hw=out,
        chunks=parts * max(splits, 1),
        work=0.02 * work * (dtype.itemsize // 4),
        scratch=block * per_item,
        taps=taps,
        source=source,
        geometry=np.array(geometry, np.int64),
        parts=parts,
        k=channels * k[0] * k[1],
        k_padded=padded,
    )
