"""The compiled algorithm of convolution and its adjoints: products over runs of pixels in L2.

A strip of the source image is copied once into scratch, with its padding, split into stride phases
so that neighbouring outputs read neighbouring sources. Outputs are numbered along the rows of that
copy, padding included, so every tap of the window is the whole run shifted by a constant: a table
of shifts replaces im2col, and the few outputs that fall in the padding are dropped.

The input gradient is the same loop: each phase of its output is a stride-1 correlation of g with
those taps that meet it. The weight gradient takes dot products of the same runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.jit import dense, helper, kernel, parallel, scratch
from minigrad.kernels.simd import DOT_TAPS, dot_tiles, lanes, max_rows, pixels, product_tiles

Pair = tuple[int, int]
Array = NDArray[np.floating]
Ints = NDArray[np.int64]

__all__ = ["correlate", "correlate_input_grad", "correlate_weight_grad"]

# Bytes of scratch per chunk: half of a 1 MB L2. 256 KB costs 3 % on 64-channel layers.
SCRATCH_BYTES = 512 * 1024
# Chunks that a layer is cut into at least, where it can be.
MIN_CHUNKS = 8
# Partial sums of a weight gradient together are at most this large.
PARTIAL_BYTES = 16 * 1024 * 1024


def correlate(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d` on arrays of one dtype."""
    (n, c, *hw), (f, _, *k) = x.shape, w.shape
    plan = _forward_plan(n, c, tuple(hw), f, tuple(k), stride, padding, dilation, groups, x.dtype)
    y = np.empty((n, f, *plan.out_hw), x.dtype)
    return _run(plan, x, dense(w).reshape(-1), b, y)


def correlate_input_grad(
    g: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """`conv2d_input_grad` on arrays of one dtype."""
    (n, f, *out), (_, c, *k) = g.shape, w.shape
    plan = _input_grad_plan(
        n, c * groups, input_hw, f, tuple(k), tuple(out), stride, padding, dilation, groups, g.dtype
    )
    wt = w.reshape(groups, f // groups, c, -1).swapaxes(1, 2)
    parts = [np.ascontiguousarray(wt[..., taps]).reshape(-1) for taps in plan.taps_of_phase]
    a = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return _run(plan, g, a, None, np.empty((n, c * groups, *input_hw), g.dtype))


def correlate_weight_grad(
    g: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """`conv2d_weight_grad` on arrays of one dtype."""
    (n, f, *out), (_, c, *hw) = g.shape, x.shape
    plan = _weight_grad_plan(
        n, c, tuple(hw), f, kernel_hw, tuple(out), stride, padding, dilation, groups, g.dtype
    )
    parts = np.zeros((plan.parts, f, plan.k_padded), g.dtype)
    x3, g3 = dense(x).reshape(-1, *hw), dense(g).reshape(-1, *out)

    def body(start: int, stop: int) -> None:
        work = scratch(plan.scratch, g.dtype)
        _weight_grad(start, stop, x3, g3, parts, plan.taps, plan.source, plan.geometry, work)

    parallel(body, plan.chunks, plan.work)
    total = parts[0] if plan.parts == 1 else parts.sum(axis=0)
    return np.ascontiguousarray(total[:, : plan.k]).reshape(f, c // groups, *kernel_hw)


@dataclass(frozen=True)
class Plan:
    """How one layer is cut up: a pure function of its shapes, strides and dtype."""

    out_hw: Pair
    chunks: int
    work: float
    scratch: int  # elements
    taps: Ints  # shift of every (channel, tap), phase after phase
    source: Ints  # (phases, 2) first row and column of each source phase
    geometry: Ints  # what the kernel unpacks
    target: Ints | None = None  # (phases, 5) row, column, first tap, taps, first weight
    taps_of_phase: tuple[Ints, ...] = ()
    parts: int = 1
    k: int = 0
    k_padded: int = 0


def _run(plan: Plan, src: Array, a: Array, b: Array | None, out: Array) -> Array:
    src3 = dense(src).reshape(-1, *src.shape[2:])
    out3 = out.reshape(-1, *out.shape[2:])
    bias = np.empty(0, out.dtype) if b is None else dense(b)

    def body(start: int, stop: int) -> None:
        work = scratch(plan.scratch, out.dtype)
        _products(
            start, stop, src3, a, bias, out3, plan.taps, plan.source, plan.target, plan.geometry,
            work,
        )  # fmt: skip

    parallel(body, plan.chunks, plan.work)
    return out


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def _source_phases(
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


def _strip_rows(n: int, rows: int, bytes_per_row: int) -> int:
    """Rows of a strip: as many as fit the scratch, few enough that there are enough chunks."""
    fit = max(1, SCRATCH_BYTES // max(bytes_per_row, 1))
    strips = max(-(-rows // fit), min(rows, -(-MIN_CHUNKS // max(n, 1))), 1)
    return max(1, -(-rows // strips))


@lru_cache(maxsize=512)
def _forward_plan(
    n: int, c: int, hw: Pair, f: int, k: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int, dtype: np.dtype,
) -> Plan:  # fmt: skip
    oh, ow = (
        (s + 2 * p - d * (u - 1) - 1) // t + 1
        for s, u, t, p, d in zip(hw, k, stride, padding, dilation, strict=True)
    )
    source, shifts = _source_phases(k, stride, padding, dilation)
    everything = np.arange(len(shifts))
    return _product_plan(
        n, groups, c // groups, f // groups, (oh, ow), (oh, ow), stride, (1, 1), source, shifts,
        [((0, 0), everything, shifts)], dtype,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _input_grad_plan(
    n: int, c: int, hw: Pair, f: int, k: Pair, out: Pair, stride: Pair, padding: Pair,
    dilation: Pair, groups: int, dtype: np.dtype,
) -> Plan:  # fmt: skip
    # Tap (u, v) carries g[q + e] to input row q·SH + r where r + PH − u·DH = e·SH.
    met: dict[Pair, list[tuple[int, int, int]]] = {}
    for r in range(min(stride[0], hw[0])):
        for s in range(min(stride[1], hw[1])):
            met[r, s] = []
            for tap in range(k[0] * k[1]):
                u, v = divmod(tap, k[1])
                e, row_left = divmod(r + padding[0] - u * dilation[0], stride[0])
                d, col_left = divmod(s + padding[1] - v * dilation[1], stride[1])
                if row_left == col_left == 0:
                    met[r, s].append((tap, e, d))
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
    strip = _strip_rows(n, rows, row_bytes)
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
        *(pitch, strip + row_shift, plane, run, tile, max_rows()[0], planes),
    ]
    return Plan(
        out_hw=out_hw,
        chunks=n * strips if out_hw[1] else 0,
        work=2.0 * n * rows * cols * groups * m * (first_tap + 1),
        scratch=planes + m * run,
        taps=np.concatenate(tables).astype(np.int64) if tables else np.zeros(0, np.int64),
        source=np.ascontiguousarray(source, np.int64),
        geometry=np.array(geometry, np.int64),
        target=np.array(target, np.int64).reshape(-1, 5),
        taps_of_phase=tuple(taps for _, taps, _ in phases),
    )


@lru_cache(maxsize=512)
def _weight_grad_plan(
    n: int, c: int, hw: Pair, f: int, k: Pair, out: Pair, stride: Pair, padding: Pair,
    dilation: Pair, groups: int, dtype: np.dtype,
) -> Plan:  # fmt: skip
    source, shifts = _source_phases(k, stride, padding, dilation)
    (rows, cols), channels, m = out, c // groups, f // groups
    row_shift, col_shift = shifts[:, 1:].max(axis=0).tolist() if len(shifts) else (0, 0)
    pitch = cols + col_shift
    row_bytes = pitch * dtype.itemsize * (channels * len(source) + m)
    strip = _strip_rows(n, rows, row_bytes)
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
    block = max(1, min(items, SCRATCH_BYTES // max(per_item * dtype.itemsize, 1)))
    affordable = max(2, PARTIAL_BYTES // max(f * padded * dtype.itemsize, 1))
    parts = max(1, min(-(-items // block), 2 * MIN_CHUNKS, affordable))
    block = max(1, min(block, -(-items // parts)))
    splits = min(-(-m // max_rows()[1]), -(-MIN_CHUNKS // parts)) if parts < MIN_CHUNKS else 1
    geometry = [
        *(groups, channels, m, *stride, strip, rows, cols, strips, pitch),
        *(strip + row_shift, plane, run, items, block, parts, max(splits, 1)),
        *(padded, max_rows()[1], planes),
    ]
    return Plan(
        out_hw=out,
        chunks=parts * max(splits, 1),
        work=2.0 * n * f * rows * cols * len(taps),
        scratch=block * per_item,
        taps=taps,
        source=source,
        geometry=np.array(geometry, np.int64),
        parts=parts,
        k=channels * k[0] * k[1],
        k_padded=padded,
    )


@helper
def _pack(
    src, first, channels, source, row_stride, col_stride, row0, height, pitch, plane, work, at
):
    """Copy `height` rows of each phase of each channel into work[at:], zeros where outside."""
    h, w = src.shape[1], src.shape[2]
    for c in range(channels):
        image = src[first + c]
        for s in range(source.shape[0]):
            dst = work[at : at + plane]
            at += plane
            col = source[s, 1]
            lo = min(max(0, -(col // col_stride)), pitch)
            hi = max(min(pitch, (w - 1 - col) // col_stride + 1), lo)
            for r in range(height):
                line = dst[r * pitch : (r + 1) * pitch]
                row = row0 * row_stride + source[s, 0] + r * row_stride
                if row < 0 or row >= h:
                    line[:] = 0
                    continue
                for q in range(lo):
                    line[q] = 0
                if hi > lo:
                    if col_stride == 1:
                        run = image[row, lo + col : hi + col]
                        for q in range(hi - lo):
                            line[lo + q] = run[q]
                    else:
                        pixels = image[row]
                        for q in range(lo, hi):
                            line[q] = pixels[q * col_stride + col]
                for q in range(hi, pitch):
                    line[q] = 0
            dst[height * pitch :] = 0
    return at


@kernel
def _products(start, stop, src, a, bias, out, taps, source, target, geometry, work):
    """Chunks start..stop of a correlation; a chunk is one strip of one image, all channels."""
    (groups, channels, m, ssh, ssw, osh, osw, strip, rows, cols, strips,
     pitch, height, plane, run, tile, limit, planes) = (
        geometry[0], geometry[1], geometry[2], geometry[3], geometry[4], geometry[5], geometry[6],
        geometry[7], geometry[8], geometry[9], geometry[10], geometry[11], geometry[12],
        geometry[13], geometry[14], geometry[15], geometry[16], geometry[17],
    )  # fmt: skip
    oh, ow = out.shape[1], out.shape[2]
    panels = (m + limit - 1) // limit
    for chunk in range(start, stop):
        n, row0 = chunk // strips, chunk % strips * strip
        here = min(strip, rows - row0)
        for group in range(groups):
            _pack(src, (n * groups + group) * channels, channels, source, ssh, ssw, row0,
                  here + height - strip, pitch, plane, work, 0)  # fmt: skip
            for phase in range(target.shape[0]):
                k, weights = target[phase, 3], target[phase, 4] + group * m * target[phase, 3]
                # Pixels outside, so that the sources of a tile stay in L1 for all filters.
                for p in range(0, here * pitch, tile):
                    i = 0
                    for panel in range(panels):
                        count = m // panels + (panel < m % panels)
                        product_tiles(a, weights + i * k, k, work, p, taps, target[phase, 2], k,
                                      work, planes + i * run + p, run, count)  # fmt: skip
                        i += count
                for i in range(m):
                    image = out[(n * groups + group) * m + i]
                    shift = bias[group * m + i] if bias.size else bias.dtype.type(0)
                    for r in range(here):
                        row = (row0 + r) * osh + target[phase, 0]
                        if row >= oh:
                            break
                        at = planes + i * run + r * pitch
                        line = work[at : at + cols]
                        if osw == 1:
                            dst = image[row]
                            for q in range(ow):
                                dst[q] = line[q] + shift
                        else:
                            dst = image[row, target[phase, 1] :]
                            for q in range((len(dst) + osw - 1) // osw):
                                dst[q * osw] = line[q] + shift


@kernel
def _weight_grad(start, stop, x, g, out, taps, source, geometry, work):
    """Chunks start..stop of a weight gradient; a chunk is one partial sum of some filters."""
    (groups, channels, m, ssh, ssw, strip, rows, cols, strips, pitch, height, plane, run, items,
     block, parts, splits, padded, limit, planes) = (
        geometry[0], geometry[1], geometry[2], geometry[3], geometry[4], geometry[5], geometry[6],
        geometry[7], geometry[8], geometry[9], geometry[10], geometry[11], geometry[12],
        geometry[13], geometry[14], geometry[15], geometry[16], geometry[17], geometry[18],
        geometry[19],
    )  # fmt: skip
    flat = out.reshape(-1)
    for chunk in range(start, stop):
        part, split = chunk // splits, chunk % splits
        f0, f1 = split * m // splits, (split + 1) * m // splits
        panels = (f1 - f0 + limit - 1) // limit
        for group in range(groups):
            to = ((part * groups + group) * m) * padded
            for item0 in range(part * items // parts, (part + 1) * items // parts, block):
                count = min(block, (part + 1) * items // parts - item0)
                gs = count * planes
                for b in range(count):
                    n, row0 = (item0 + b) // strips, (item0 + b) % strips * strip
                    here = min(strip, rows - row0)
                    _pack(x, (n * groups + group) * channels, channels, source, ssh, ssw, row0,
                          here + height - strip, pitch, plane, work, b * planes)  # fmt: skip
                    for i in range(f0, f1):
                        image = g[(n * groups + group) * m + i]
                        at = gs + (b * m + i) * run
                        line = work[at : at + run]
                        for r in range(here):
                            pixels = image[row0 + r]
                            dst = line[r * pitch : (r + 1) * pitch]
                            for q in range(cols):
                                dst[q] = pixels[q]
                            for q in range(cols, pitch):
                                dst[q] = 0
                        line[here * pitch :] = 0
                f = f0
                for panel in range(panels):
                    many = (f1 - f0) // panels + (panel < (f1 - f0) % panels)
                    for t in range(0, padded, 4):
                        dot_tiles(work, gs + f * run, run, m * run, work, 0, planes, taps, t, run,
                                  count, flat, to + f * padded + t, padded, many)  # fmt: skip
                    f += many


