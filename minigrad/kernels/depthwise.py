"""Convolution with one channel and one filter per group, and its adjoints: planes in L1.

Each plane (n, c), in strips if it is large, is copied once into scratch with zeros around it,
strides split into phases so that neighbouring outputs read neighbouring sources: every tap is a
shift. Taps one below the other share the rows they read (`depthwise_simd`). Zeros are written once,
for copies leave them alone. What limits it: copies, and loads that straddle two cache lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import out_hw, source_phases, taps_of_phases
from minigrad.kernels.depthwise_simd import (
    ROWS,
    STACK,
    dot_products,
    gather_rows,
    tap_sums,
    weave_rows,
)
from minigrad.kernels.jit import dense, fill, helper, kernel
from minigrad.kernels.simd import lanes
from minigrad.kernels.team import mine, share

Pair = tuple[int, int]
Array = NDArray[np.floating]
Ints = NDArray[np.int64]
Tap = tuple[int, int, int, int]  # of the window, source phase, row and column shift in it

__all__ = ["depthwise", "depthwise_input_grad", "depthwise_weight_grad"]

# Bytes of scratch, which should stay in L1 or near it. Planes of 112x112, stride 2: 12 KB take 1.2
# times as long, 24 KB 1.1, 128 KB as long; planes of 56x56 lose 10 % by 128 KB.
STRIP_BYTES = 48 * 1024
CHUNKS = 16  # that a filter gradient is cut into, where it can be


def depthwise(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d` on arrays of one dtype, with one channel and one filter per group."""
    (n, c, *hw), window = x.shape, w.shape[2:]
    out = out_hw(tuple(hw), window, stride, padding, dilation)
    plan = _forward_plan(n, c, tuple(hw), out, window, stride, padding, dilation, x.dtype)
    y = empty((n, c, plan.sizes.oh, plan.sizes.ow), x.dtype)
    return _run(plan, x, w, b, y)


def depthwise_input_grad(
    g: Array, w: Array, input_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_input_grad` on arrays of one dtype, with one channel and one filter per group."""
    (n, c, *out), window = g.shape, w.shape[2:]
    plan = _input_grad_plan(
        n, c, input_hw, tuple(out), window, stride, padding, dilation, g.dtype
    )
    gx = empty((n, c, *input_hw), g.dtype)
    return _run(plan, g, w, None, gx)


def depthwise_weight_grad(
    g: Array, x: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_weight_grad` on arrays of one dtype, with one channel and one filter per group."""
    (n, c, *hw), k = x.shape, kernel_hw[0] * kernel_hw[1]
    out = g.shape[2:]  # with output_padding of a transposed convolution, fewer than would fit
    plan = _forward_plan(n, c, tuple(hw), out, kernel_hw, stride, padding, dilation, x.dtype)
    p = plan.sizes
    if not plan.items:
        return np.zeros((c, 1, *kernel_hw), x.dtype)
    parts = max(1, min(n * p.strips, CHUNKS // c))
    sums = empty((parts, c, k), x.dtype)
    flat_x, flat_g, flat_sums = dense(x).reshape(-1), dense(g).reshape(-1), sums.reshape(-1)
    depthwise_sums.run(
        c * parts, plan.work, flat_x, flat_g, flat_sums, plan.stacks, plan.reads, plan.target, p,
        n, c, parts, lanes(x.dtype), scratch=(plan.scratch + k * lanes(x.dtype), x.dtype),
    )  # fmt: skip
    total = sums[0] if parts == 1 else sums.sum(axis=0)
    gw = np.empty_like(total)
    gw[:, plan.order] = total
    return gw.reshape(c, 1, *kernel_hw)


def _run(plan: Plan, x: Array, w: Array, b: Array | None, y: Array) -> Array:
    weights = w.reshape(len(w), w.shape[2] * w.shape[3])[:, plan.order].reshape(-1)
    bias = np.zeros(x.shape[1], x.dtype) if b is None else dense(b)
    flat_x, flat_y = dense(x).reshape(-1), y.reshape(-1)
    depthwise_products.run(
        plan.items, plan.work, flat_x, weights, bias, flat_y, plan.stacks, plan.reads, plan.target,
        plan.sizes, scratch=(plan.scratch, x.dtype),
    )  # fmt: skip
    return y


class Sizes(NamedTuple):
    """The numbers that the kernels need. Pitches and planes are in elements."""

    h: int  # of the sources
    w: int
    oh: int  # of the outputs
    ow: int
    step: int  # sources from one grid row, column to the next
    col_step: int
    out_step: int  # outputs from one grid row to the next
    strip: int  # grid rows in a strip
    strips: int  # in a plane
    rows: int  # of the grid
    cols: int
    pitch: int  # of a row of sources in scratch
    run_pitch: int  # the same of outputs
    tall: int  # rows of sources of a strip
    run: int  # of an output phase in scratch
    k: int  # taps of all phases
    outs: int  # where outputs begin in scratch


@dataclass(frozen=True)
class Plan:
    """How one layer is cut up: a pure function of its shapes, strides and dtype."""

    sizes: Sizes
    reads: Ints  # (strips, source phases, 7): see `_reads`
    target: Ints  # (row, column of phases, 5): first stack, stacks of 3, 2, 1 taps, first weight
    stacks: Ints  # shift of the first tap of every stack, output phase after output phase
    order: Ints  # the taps of the window, stack after stack
    items: int  # strips of planes, the chunks
    work: float
    scratch: int


@lru_cache(maxsize=512)
def _forward_plan(
    n: int, c: int, hw: Pair, out: Pair, k: Pair, stride: Pair, padding: Pair, dilation: Pair,
    dtype: np.dtype,
) -> Plan:  # fmt: skip
    source, shifts = source_phases(k, stride, padding, dilation)
    met = {(0, 0): [(t, *shift) for t, shift in enumerate(shifts.tolist())]}
    return _plan(n * c, hw, out, stride, (1, 1), source, met, dtype)


@lru_cache(maxsize=512)
def _input_grad_plan(
    n: int, c: int, hw: Pair, out: Pair, k: Pair, stride: Pair, padding: Pair, dilation: Pair,
    dtype: np.dtype,
) -> Plan:  # fmt: skip
    row_taps, col_taps = (
        taps_of_phases(*axis) for axis in zip(hw, k, stride, padding, dilation, strict=True)
    )
    steps = min(stride[0], max(hw[0], 1)), min(stride[1], max(hw[1], 1))
    met = {
        (r, s): [
            (u * k[1] + v, 0, e, d)
            for u, e in row_taps.get(r, [])
            for v, d in col_taps.get(s, [])
        ]
        for r, s in np.ndindex(*steps)
    }
    low = [min((tap[axis] for taps in met.values() for tap in taps), default=0) for axis in (2, 3)]
    met = {
        phase: [(t, 0, e - low[0], d - low[1]) for t, _, e, d in taps]
        for phase, taps in met.items()
    }
    return _plan(n * c, out, hw, (1, 1), steps, np.array([low]), met, dtype)


def _plan(
    planes: int, hw: Pair, out: Pair, stride: Pair, out_stride: Pair, source: Ints,
    met: dict[Pair, list[Tap]], dtype: np.dtype,
) -> Plan:  # fmt: skip
    rows, cols = -(-out[0] // out_stride[0]), -(-out[1] // out_stride[1])
    every = [tap for taps in met.values() for tap in taps]
    row_shift, col_shift = (max((tap[axis] for tap in every), default=0) for axis in (2, 3))
    up = lambda size, step: -(-size // step) * step  # noqa: E731
    width = lanes(dtype)
    pitch, run_pitch = up(cols + col_shift, width), up(cols, width)
    row_bytes = (pitch * len(source) + run_pitch * len(met)) * dtype.itemsize
    strip = max(1, min(rows, STRIP_BYTES // max(row_bytes, 1) - row_shift))
    strips = -(-rows // strip)
    strip = max(1, -(-rows // max(strips, 1)))
    tall = up(strip, ROWS) + row_shift
    plane, run = (tall + 1) * pitch + width, up(strip, ROWS) * run_pitch
    items = planes * strips if min(rows, cols) > 0 else 0
    # The first pixel of a row begins a vector: half the cost of writing the row.
    leads = [p * plane + min(0, col // stride[1]) % width for p, (_, col) in enumerate(source)]
    shift = lambda tap: leads[tap[1]] + tap[2] * pitch + tap[3]  # noqa: E731
    target, stacks, order = np.zeros((*out_stride, 5), np.int64), [], []
    for phase, taps in met.items():
        piles = _stacks(taps)
        heights = [sum(len(pile) == height for pile in piles) for height in range(STACK, 0, -1)]
        target[phase] = len(stacks), *heights, len(order)
        stacks += [shift(pile[0]) for pile in piles]
        order += [tap[0] for pile in piles for tap in pile]
    return Plan(
        sizes=Sizes(
            *(*hw, *out, *stride, out_stride[0], strip, strips, rows, cols, pitch, run_pitch),
            *(tall, run, len(every), len(source) * plane),
        ),
        reads=_reads(hw, stride, source, leads, strip, strips, tall, pitch),
        target=target,
        stacks=np.array(stacks, np.int64),
        order=np.array(order, np.int64),
        items=items,
        work=planes * rows * cols * (2 + len(every) / 4),  # copies; taps by the vector
        scratch=len(source) * plane + len(met) * run,
    )


def _stacks(taps: list[Tap]) -> list[list[Tap]]:
    """The taps in stacks of at most STACK that lie one row below the other, high ones first."""
    piles: list[list[Tap]] = []
    for tap in sorted(taps, key=lambda tap: (tap[1], tap[3], tap[2])):
        _, phase, row, col = tap
        if piles and len(piles[-1]) < STACK and piles[-1][-1][1:] == (phase, row - 1, col):
            piles[-1].append(tap)
        else:
            piles.append([tap])
    return sorted(piles, key=len, reverse=True)


def _reads(
    hw: Pair, stride: Pair, source: Ints, leads: list[int], strip: int, strips: int, tall: int,
    pitch: int,
) -> Ints:  # fmt: skip
    """What to copy for each strip and source phase.

    First pixel in the plane, its place in scratch, rows, columns; where the zeros above begin, the
    zeros below begin, and end.
    """
    table = np.zeros((strips, len(source), 7), np.int64)
    for i, s in np.ndindex(strips, len(source)):
        low, col, at = i * strip * stride[0] + source[s, 0], source[s, 1], leads[s]
        r0, r1 = _inside(low, stride[0], hw[0], tall)
        q0, q1 = _inside(col, stride[1], hw[1], pitch)
        first = (low + r0 * stride[0]) * hw[1] + col + q0 * stride[1]
        table[i, s] = (
            *(first, at + r0 * pitch + q0, r1 - r0, q1 - q0),
            *(at, at + r1 * pitch, at + tall * pitch),
        )
    return table


def _inside(low: int, step: int, size: int, count: int) -> Pair:
    """The range of i < count for which low + i·step is inside size."""
    start = min(max(0, -(low // step)), count)
    return start, max(min(count, (size - 1 - low) // step + 1), start)


@helper
def _read_strip(x, plane, reads, p: Sizes, work):
    """Each phase of a strip of a plane, whose borders left and right are zero already."""
    for s in range(len(reads)):
        first, to, rows, cols, above, below, end = reads[s]
        fill(work[above:to], 0)
        fill(work[below:end], 0)
        gather_rows(x, plane + first, p.step * p.w, p.col_step, work, to, p.pitch, rows, cols)


@helper
def _write_strip(work, row, row0, here, y, first, steps, p: Sizes):
    """Rows of outputs from the column phases of one row phase."""
    at = p.outs + row * steps * p.run
    short = row >= p.oh - (p.rows - 1) * p.out_step  # the last grid row has no such output
    rows = min(here, p.rows - short - row0)
    to, y_row = first + (row0 * p.out_step + row) * p.ow, p.out_step * p.ow
    if steps == 1:
        gather_rows(work, at, p.run_pitch, 1, y, to, y_row, rows, p.ow)
        return
    done = 0
    if steps == 2:
        done = p.ow // 2
        weave_rows(work, at, p.run_pitch, p.run, y, to, y_row, rows, done)
    for r in range(rows):
        for i in range(done * steps, p.ow):
            y[to + r * y_row + i] = work[at + i % steps * p.run + r * p.run_pitch + i // steps]


@kernel
def depthwise_products(team, chunks, x, w, bias, y, stacks, reads, target, p: Sizes, work):
    """Results; a chunk is a strip of a plane."""
    work = mine(team, work)
    fill(work, 0)
    steps = target.shape[1]
    for item in share(team, chunks):
        image, row0 = item // p.strips, item % p.strips * p.strip
        here = min(p.strip, p.rows - row0)
        c = image % len(bias)
        _read_strip(x, image * p.h * p.w, reads[item % p.strips], p, work)
        for row in range(len(target)):
            for col in range(steps):
                first, threes, twos, ones, weight = target[row, col]
                tap_sums(work, 0, p.pitch, stacks, first, threes, twos, ones, w,
                         c * p.k + weight, bias, c, work, p.outs + (row * steps + col) * p.run,
                         p.run_pitch, here, p.cols)  # fmt: skip
            _write_strip(work, row, row0, here, y, image * p.oh * p.ow, steps, p)


@kernel
def depthwise_sums(
    team, chunks, x, g, sums, stacks, reads, target, p: Sizes, n, channels, parts, width, work
):
    """sums[part, c, tap] over some strips; a chunk is a part's sums of a channel."""
    work = mine(team, work)
    fill(work, 0)
    threes, twos = target[0, 0, 1], target[0, 0, 2]
    dots = work[p.outs + p.run :]
    for to in share(team, chunks):
        part, c = to // channels, to % channels
        fill(dots, 0)
        for item in range(part * n * p.strips // parts, (part + 1) * n * p.strips // parts):
            image, row0 = item // p.strips * channels + c, item % p.strips * p.strip
            here = min(p.strip, p.rows - row0)
            _read_strip(x, image * p.h * p.w, reads[item % p.strips], p, work)
            gather_rows(g, (image * p.oh + row0) * p.ow, p.ow, 1, work, p.outs, p.run_pitch, here,
                        p.ow)  # fmt: skip
            if here < p.strip:
                fill(work[p.outs + here * p.run_pitch : p.outs + p.run], 0)
            tap = 0
            for i in range(len(stacks)):
                height = 3 if i < threes else 2 if i < threes + twos else 1
                dot_products(work, p.outs, p.run_pitch, work, stacks[i], p.pitch, height, here,
                             p.cols, dots, tap * width)  # fmt: skip
                tap += height
        for t in range(p.k):
            total = sums.dtype.type(0)
            for lane in range(width):
                total += dots[t * width + lane]
            sums[to * p.k + t] = total
