"""Convolution with one channel and one filter per group, and its adjoints, plane by plane.

    y[i,j] = sum over taps (e, d) of w[tap] · x[i·SH + e, j·SW + d]

The gradient in x is the same over the cotangents: the pixels of each remainder of the position by
the stride (an output phase) meet some of the taps, at a stride of 1. That in w is one dot product
per tap. A chunk is a plane. What limits it: loads, one for each tap and vector of outputs; for big
planes, bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import floor_of, out_hw, taps_of_phases
from minigrad.kernels.depthwise_simd import GROUP, TALL, plane_dots, plane_sums
from minigrad.kernels.jit import dense, fill, kernel, packed
from minigrad.kernels.simd import lanes
from minigrad.kernels.team import mine, share

Pair = tuple[int, int]
Array = NDArray[np.floating]
Ints = NDArray[np.int64]
Phases = list[tuple[Pair, list[list[tuple[int, int, int]]]]]

__all__ = ["depthwise", "depthwise_input_grad", "depthwise_weight_grad"]

CHUNKS = 16  # that a filter gradient is cut into, where it can be


def depthwise(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    relu: bool = False,
) -> Array:  # fmt: skip
    """`conv2d` on arrays of one dtype, with one channel and one filter per group."""
    hw, window = x.shape[2:], w.shape[2:]
    out = out_hw(hw, window, stride, padding, dilation)
    plan = _forward_plan(hw, out, window, stride, padding, dilation)
    return _run(plan, x, w, b, out, relu)


def depthwise_input_grad(
    g: Array, w: Array, input_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_input_grad` on arrays of one dtype, with one channel and one filter per group."""
    plan = _input_grad_plan(input_hw, g.shape[2:], w.shape[2:], stride, padding, dilation)
    return _run(plan, g, w, None, input_hw, False)


def depthwise_weight_grad(
    g: Array, x: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_weight_grad` on arrays of one dtype, with one channel and one filter per group."""
    (n, c, *hw), out = x.shape, g.shape[2:]  # of a transposed layer, out may be less than would fit
    plan = _forward_plan(tuple(hw), out, kernel_hw, stride, padding, dilation)
    p, count = plan.sizes, -(-plan.sizes.k // GROUP) * GROUP
    taps = np.concatenate([plan.taps, plan.taps[:1].repeat(count - p.k, axis=0)])
    parts = max(1, min(n, CHUNKS))
    splits = max(1, min(c, CHUNKS // parts))
    sums = empty((parts, c, p.k), x.dtype)
    depthwise_sums.run(
        parts * splits, 0.7 * g.size * p.k / lanes(x.dtype), dense(x).reshape(-1),
        dense(g).reshape(-1), sums.reshape(-1), taps, plan.record, n, c, parts, splits,
        lanes(x.dtype), np.zeros(p.w, x.dtype),
        scratch=(-(-c // splits) * count * lanes(x.dtype), x.dtype),
    )  # fmt: skip
    total = sums[0] if parts == 1 else sums.sum(axis=0)
    return total.reshape(c, 1, *kernel_hw)


def _run(
    plan: Plan, x: Array, w: Array, b: Array | None, out: Pair, relu: bool
) -> Array:
    (n, c), p = x.shape[:2], plan.sizes
    y = empty((n, c, *out), x.dtype)
    bias = np.zeros(c, x.dtype) if b is None else dense(b)
    depthwise_products.run(
        n * c, y.size * (0.1 + 0.6 * p.k / lanes(x.dtype)), dense(x).reshape(-1),
        dense(w).reshape(-1), bias, y.reshape(-1), plan.phases, plan.taps, plan.record,
        np.zeros(p.w, x.dtype), floor_of(x.dtype, relu),
    )  # fmt: skip
    return y


class Sizes(NamedTuple):
    """The numbers that the kernels need."""

    h: int  # of the sources
    w: int
    oh: int  # of the outputs
    ow: int
    row_step: int  # sources from one row, column of a phase's outputs to the next
    col_step: int
    out_row: int  # outputs from one row, column of a phase to the next
    out_col: int
    k: int  # taps of the window
    tall: int  # whether sources are read once for TALL taps


@dataclass(frozen=True)
class Plan:
    """What each output meets: a pure function of shapes and strides."""

    sizes: Sizes
    record: NDArray[np.void]  # the same, as kernels want it
    phases: Ints  # (phases, 5): row, column of the first output; first tap; taps, of the next too
    taps: Ints  # (taps, 3): row, column of the source that output (0, 0) meets; tap of the window


@lru_cache(maxsize=512)
def _forward_plan(
    hw: Pair, out: Pair, k: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Plan:
    taps = [
        (u * dilation[0] - padding[0], v * dilation[1] - padding[1], u * k[1] + v)
        for u, v in np.ndindex(*k)
    ]
    return _plan(hw, out, stride, (1, 1), k, [((0, 0), [taps, []])])


@lru_cache(maxsize=512)
def _input_grad_plan(
    hw: Pair, out: Pair, k: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Plan:
    row_taps, col_taps = (
        taps_of_phases(*axis) for axis in zip(hw, k, stride, padding, dilation, strict=True)
    )

    def met(r: int, s: int) -> list[tuple[int, int, int]]:
        return [
            (e, d, u * k[1] + v) for u, e in row_taps.get(r, []) for v, d in col_taps.get(s, [])
        ]

    phases: Phases = []
    for r in range(min(stride[0], hw[0])):
        if stride[1] == 2:  # both phases of columns are written at once
            phases.append(((r, 0), [met(r, 0), met(r, 1)]))
        else:
            phases += [((r, s), [met(r, s), []]) for s in range(min(stride[1], hw[1]))]
    return _plan(out, hw, (1, 1), stride, k, phases)


def _plan(hw: Pair, out: Pair, step: Pair, out_step: Pair, k: Pair, phases: Phases) -> Plan:
    table, taps = [], []
    for first, (evens, odds) in phases:
        table.append((*first, len(taps), len(evens), len(odds)))
        for some in (evens, odds):
            taps += sorted(some, key=lambda tap: (tap[1], tap[0]))
    below = [(e, d) for e, d, _ in taps] == [
        (taps[0][0] + q, taps[t][1]) for t in range(0, len(taps), TALL) for q in range(TALL)
    ]
    tall = below and len(phases) == 1 and out_step == (1, 1) and step in ((1, 1), (2, 2))
    sizes = Sizes(*hw, *out, *step, *out_step, k[0] * k[1], int(tall))
    return Plan(
        sizes=sizes,
        record=packed(sizes),
        phases=np.array(table, np.int64).reshape(-1, 5),
        taps=np.array(taps, np.int64).reshape(-1, 3),
    )


@kernel
def depthwise_products(team, chunks, x, w, bias, y, phases, taps, sizes, zeros, floor):
    """Results; a chunk is a plane."""
    p = sizes[0]
    for plane in share(team, chunks):
        c = plane % len(bias)
        for k in range(len(phases)):
            row, col = phases[k, 0], phases[k, 1]
            rows = (p.oh - row + p.out_row - 1) // p.out_row
            cols = (p.ow - col + p.out_col - 1) // p.out_col
            plane_sums(x, plane * p.h * p.w, p.h, p.w, p.row_step, p.col_step, taps, phases[k, 2],
                       phases[k, 3], phases[k, 4], w, c * p.k, bias, c, y,
                       (plane * p.oh + row) * p.ow + col, p.out_row * p.ow, rows, cols, p.out_col,
                       p.ow, zeros, floor, p.tall)  # fmt: skip


@kernel
def depthwise_sums(
    team, chunks, x, g, sums, taps, sizes, n, channels, parts, splits, width, zeros, work
):
    """sums[part, c, tap] over some images; a chunk is a part's sums of some channels.

    Planes are met in the order in which they lie in memory, so that it comes ahead.
    """
    p = sizes[0]
    work, size = mine(team, work), len(taps) * width
    tall = p.tall * (len(taps) == TALL * TALL)
    for chunk in share(team, chunks):
        part, split = chunk // splits, chunk % splits
        first, last = split * channels // splits, (split + 1) * channels // splits
        fill(work, 0)
        for image in range(part * n // parts, (part + 1) * n // parts):
            for c in range(first, last):
                plane = image * channels + c
                plane_dots(g, plane * p.oh * p.ow, p.oh, p.ow, x, plane * p.h * p.w, p.h, p.w,
                           p.row_step, p.col_step, taps, len(taps), work, (c - first) * size,
                           width, zeros, tall)  # fmt: skip
        for c in range(first, last):
            for t in range(p.k):
                total, at = sums.dtype.type(0), (c - first) * size + t * width
                for lane in range(width):
                    total += work[at + lane]
                sums[(part * channels + c) * p.k + taps[t, 2]] = total
