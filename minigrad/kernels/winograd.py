"""3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications.

    y = Aᵀ [ sum_c (G w Gᵀ) · (Bᵀ d B) ] A,   d: 6x6 pixels, y: 4x4 outputs (`winograd_simd`)

Per block of L channels (L is the vector's length), pixels are transposed from NCHW into a padded
strip [rows][columns][L] in L1, and each tile's 36 points written to V [point][block][tile][L]. Per
point, M = V · U sums over channels in registers; the outputs of a block of filters go back through
a strip to NCHW. Two loop orders:

- A chunk is some rows of tiles. V and M stay in L2; U, made once, streams.
- Few tiles and many channels (*deep*): a chunk is some filters. V of all tiles is made once and
  stays in L3; U is made in L2, some channels at a time, just before it is used.

With dilation D, every D-th pixel of every D-th row is an image of its own: D·D tiles interleave,
and a strip holds the columns in that order, so that tiles read neighbours. Groups take turns.

The gradient in the input is the same with turned filters; that in the filters sums V · (A g Aᵀ)
over tiles and applies Gᵀ. What limits it: multiply-adds for many channels, transforms for few.
"""

from __future__ import annotations

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import floor_of
from minigrad.kernels.jit import dense, fill, kernel
from minigrad.kernels.panels import add_parts, panel_row, panel_sums
from minigrad.kernels.simd import lanes
from minigrad.kernels.team import mine, share
from minigrad.kernels.winograd_plan import (
    Plan,
    input_tiling,
    straight_table,
    turned_table,
    weight_tiling,
)
from minigrad.kernels.winograd_tiles import (
    cotangent_tiles,
    filter_block_points,
    filters_from_sums,
    input_tiles,
    output_tiles,
)

Pair = tuple[int, int]
Array = NDArray[np.float32]

__all__ = ["winograd", "winograd_input_grad", "winograd_weight_grad"]

F32 = np.dtype(np.float32)
NOTHING = np.empty(0, F32)


def winograd(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    relu: bool = False,
) -> Array:  # fmt: skip
    """`conv2d` of float32 images with 3x3 filters and stride 1.

    A group, if not alone, has channels and filters in multiples of the vector's length.
    """
    return _correlate(x, w, b, padding, dilation, groups, False, relu)


def winograd_input_grad(
    g: Array, w: Array, input_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_input_grad` of the same layers, padding at most 2·dilation; g as large as theirs."""
    (ph, pw), (dh, dw) = padding, dilation
    return _correlate(g, w, None, (2 * dh - ph, 2 * dw - pw), dilation, groups, True, False)


def winograd_weight_grad(
    g: Array, x: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_weight_grad` of the same layers; g as large as theirs."""
    k, c = g.shape[1], x.shape[1] // groups
    plan = weight_tiling(x.shape, k, padding, dilation, groups)
    if not plan.chunks:
        return np.zeros((k, c, 3, 3), x.dtype)
    gw = empty((k, c, 3, 3), x.dtype)
    flat_x, flat_g, flat_gw = dense(x).reshape(-1), dense(g).reshape(-1), gw.reshape(-1)
    if plan.sizes.deep:
        v, m = _points(plan, flat_x, False), _points(plan, flat_g, True)
        winograd_deep_sums.run(
            plan.chunks, plan.work, v, m, flat_gw, plan.record, scratch=(plan.scratch, F32)
        )
        return gw
    sums = empty((plan.sizes.parts, 36 * plan.sizes.u_point), x.dtype)
    winograd_sums.run(
        plan.chunks, plan.work, flat_x, flat_g, sums, plan.read_table, plan.write_table,
        plan.record, scratch=(plan.scratch, F32),
    )  # fmt: skip
    filter_grads.run(
        groups * plan.sizes.filter_blocks, 2.0 * k * c * plan.sizes.parts, sums, flat_gw,
        plan.record, scratch=(9 * lanes(F32), F32),
    )  # fmt: skip
    return gw


def _correlate(
    x: Array, w: Array, b: Array | None, padding: Pair, dilation: Pair, groups: int, turned: bool,
    relu: bool,
) -> Array:  # fmt: skip
    k = w.shape[1] * groups if turned else w.shape[0]
    plan = input_tiling(x.shape, k, padding, dilation, groups)
    p = plan.sizes
    y = empty((x.shape[0], k, p.oh, p.ow), F32)
    filter_blocks = groups * p.filter_blocks
    up = filter_blocks * p.width
    if b is not None and k == up:
        bias = dense(b)
    else:
        bias = np.zeros(up, F32)
        if b is not None:
            bias[:k] = b
    flat_w, flat_x, flat_y = dense(w).reshape(-1), dense(x).reshape(-1), y.reshape(-1)
    filter_table = turned_table() if turned else straight_table()
    v = u = NOTHING
    if p.deep:
        v = _points(plan, flat_x, False)
    else:
        u = empty(36 * p.u_point, F32)
        filter_points.run(
            filter_blocks, 6.0 * w.size / 9, flat_w, turned, filter_table, u, plan.record,
            scratch=(p.strip, F32),
        )  # fmt: skip
    winograd_products.run(
        plan.chunks, plan.work, flat_x, v, flat_w, turned, filter_table, u, bias, flat_y,
        floor_of(F32, relu), plan.blocks, plan.read_table, plan.write_table, plan.record,
        scratch=(plan.scratch, F32),
    )  # fmt: skip
    return y


def _points(plan: Plan, x: Array, cotangent: bool) -> Array:
    """V of all tiles, or of all cotangents."""
    p = plan.sizes
    v = empty(36 * (p.m_point if cotangent else p.v_point), F32)
    table = plan.write_table if cotangent else plan.read_table
    blocks = p.groups * (p.filter_blocks if cotangent else p.channel_blocks)
    all_points.run(
        blocks, 0.1 * len(v), x, cotangent, table, v, plan.record, scratch=(p.strip, F32)
    )
    return v


@kernel
def filter_points(team, chunks, w, turned, filter_table, u, sizes, strip):
    """U [point][block of filters][channel][L]; a chunk is a block."""
    p = sizes[0]
    strip = mine(team, strip)
    for block in share(team, chunks):
        filter_block_points(w, p, turned, filter_table, block, 0, p.channel_blocks * p.width, u,
                            block * p.u_block, strip)  # fmt: skip


@kernel
def all_points(team, chunks, x, cotangent, table, v, sizes, strip):
    """V of all tiles; a chunk is a block of channels, or of filters."""
    p = sizes[0]
    strip = mine(team, strip)
    fill(strip, 0)
    for block in share(team, chunks):
        at = block * p.tile_rows * p.row_tiles * p.width
        if cotangent:
            cotangent_tiles(x, block, 0, p.tile_rows, p, table, v, at, strip)
        else:
            input_tiles(x, block, 0, p.tile_rows, p, table, v, at, strip)


@kernel
def winograd_products(
    team, chunks, x, deep_v, w, turned, filter_table, made_u, bias, y, floor, blocks,
    read_table, write_table, sizes, work,
):  # fmt: skip
    """A correlation; a chunk is some rows of tiles, or with p.deep some filters of a group."""
    p = sizes[0]
    work = mine(team, work)
    width, cap = p.width, p.block * p.row_tiles
    m = work[: 36 * p.m_point]
    strip = work[36 * p.m_point : 36 * p.m_point + p.strip]
    rest = work[36 * p.m_point + p.strip :]
    v, u = (deep_v, rest) if p.deep else (rest, made_u)
    zeros = np.zeros(2 * width, x.dtype)
    for chunk in share(team, chunks):
        if p.deep:
            first, last = 0, p.tile_rows
            first_group = chunk // p.filter_groups
            end_group = first_group + 1
            begin = chunk % p.filter_groups * p.filter_group
            end = min(begin + p.filter_group, p.filter_blocks)
        else:
            first, last = chunk * p.block, min((chunk + 1) * p.block, p.tile_rows)
            first_group, end_group = 0, p.groups
            begin, end = 0, p.filter_blocks
        tiles = (last - first) * p.row_tiles
        for group in range(first_group, end_group):
            if p.deep:
                blocks_at = group * p.channel_blocks
            else:
                blocks_at = 0
                fill(strip, 0)
                for c in range(p.channel_blocks):
                    input_tiles(x, group * p.channel_blocks + c, first, last, p, read_table, v,
                                c * cap * width, strip)  # fmt: skip
            for k0 in range(begin, end, p.filter_group):
                block0, here = group * p.filter_blocks + k0, min(p.filter_group, end - k0)
                for c0 in range(0, p.channel_blocks, p.channel_step):
                    channels = min(p.channel_step, p.channel_blocks - c0)
                    u_at = block0 * p.u_block
                    if p.deep:
                        u_at = 0
                        for k in range(here):
                            filter_block_points(w, p, turned, filter_table, block0 + k, c0 * width,
                                                (c0 + channels) * width, u, k * p.u_block,
                                                strip)  # fmt: skip
                    for point in range(36):
                        for k in range(0, here, 2):
                            panel_row(
                                v, point * p.v_point, blocks, blocks_at + c0, channels, width,
                                u, point * p.u_point + u_at + k * p.u_block, p.u_block,
                                m, point * p.m_point + k * cap * width, cap * width,
                                zeros, 0, c0 == 0, tiles, min(2, here - k),
                            )  # fmt: skip
                for k in range(here):
                    output_tiles(m, k * cap * width, bias, block0 + k, first, last, p, write_table,
                                 strip, y, floor)  # fmt: skip


@kernel
def winograd_sums(team, chunks, x, g, sums, read_table, write_table, sizes, work):
    """Partial sums of a filter gradient, each over some rows of tiles: a chunk."""
    p = sizes[0]
    work = mine(team, work)
    width, cap = p.width, p.block * p.row_tiles
    v = work[: 36 * p.v_point]
    m = work[36 * p.v_point : 36 * (p.v_point + p.m_point)]
    strip = work[36 * (p.v_point + p.m_point) :]
    steps = (p.tile_rows + p.block - 1) // p.block
    for part in share(team, chunks):
        u = sums[part]
        begin, end = part * steps // p.parts, (part + 1) * steps // p.parts
        for step in range(begin, end):
            first, last = step * p.block, min((step + 1) * p.block, p.tile_rows)
            tiles = (last - first) * p.row_tiles
            for group in range(p.groups):
                fill(strip, 0)
                for c in range(p.channel_blocks):
                    input_tiles(x, group * p.channel_blocks + c, first, last, p, read_table, v,
                                c * cap * width, strip)  # fmt: skip
                fill(strip, 0)
                k0 = group * p.filter_blocks
                for k in range(p.filter_blocks):
                    cotangent_tiles(g, k0 + k, first, last, p, write_table, m, k * cap * width,
                                    strip)  # fmt: skip
                for point in range(36):
                    for k in range(p.filter_blocks):
                        for c in range(p.channel_blocks):
                            panel_sums(
                                v, point * p.v_point + c * cap * width, 0,
                                m, point * p.m_point + k * cap * width, 0, 1, tiles,
                                u, point * p.u_point + (k0 + k) * p.u_block + c * width * width,
                                step == begin,
                            )  # fmt: skip


@kernel
def filter_grads(team, chunks, sums, gw, sizes, taps):
    """gw = Gᵀ (the sum of `sums`) G, which overwrites sums[0]; a chunk is a block of filters."""
    p = sizes[0]
    taps = mine(team, taps)
    for block in share(team, chunks):
        for point in range(36):
            add_parts(sums, point * p.u_point + block * p.u_block, p.u_block)
        filters_from_sums(sums[0], block * p.u_block, p.u_point, block, 0, p.c, p.groups * p.k,
                          p.c, gw, taps, p.width)  # fmt: skip


@kernel
def winograd_deep_sums(team, chunks, v, m, gw, sizes, work):
    """The gradient from V and M of all tiles; a chunk is some filters of a group."""
    p = sizes[0]
    work = mine(team, work)
    width, tiles = p.width, p.tile_rows * p.row_tiles
    taps, u = work[: 9 * width], work[9 * width :]
    for chunk in share(team, chunks):
        group, first = chunk // p.filter_groups, chunk % p.filter_groups * p.filter_group
        k0, here = group * p.filter_blocks + first, min(p.filter_group, p.filter_blocks - first)
        for c in range(p.channel_blocks):
            v_at = (group * p.channel_blocks + c) * tiles * width
            for point in range(36):
                for k in range(here):
                    panel_sums(
                        v, point * p.v_point + v_at, 0,
                        m, point * p.m_point + (k0 + k) * tiles * width, 0, 1, tiles,
                        u, point * p.u_point + k * p.u_block, True,
                    )  # fmt: skip
            for k in range(here):
                filters_from_sums(u, k * p.u_block, p.u_point, k0 + k, c * width, (c + 1) * width,
                                  p.groups * p.k, p.c, gw, taps, width)  # fmt: skip
