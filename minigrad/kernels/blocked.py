"""Direct convolution over blocks of channels, for any window, stride, padding, dilation, groups.

    y[pixel, L filters] = sum over taps, channels of x[pixel at tap, channel] · w[L filters]

A chunk is some rows of outputs of one image. Its sources are transposed into a strip in L2, so that
a pixel's L channels are one vector; then up to 14 neighbouring pixels by 2 vectors of filters are
summed in registers over all taps and channels (`panels`), and transposed back. A table of places
turns every tap of the window, every stride and every phase of an input gradient into an offset: no
im2col. Where filters are at most half of L, those of some rows of outputs share a vector
(`rows_folded`). What limits it: multiply-adds, and below some 16 filters the unused lanes.
"""

from __future__ import annotations

import numpy as np
from numpy import empty, zeros
from numpy.typing import NDArray

from minigrad.kernels.blocked_plan import (
    Plan,
    folded,
    forward_blocking,
    input_grad_blocking,
    rows_folded,
    unfolded,
)
from minigrad.kernels.conv_plan import floor_of, out_hw
from minigrad.kernels.jit import dense, fill, helper, kernel
from minigrad.kernels.panels import (
    add_parts,
    panel_row,
    panel_sums,
    place_sums,
    read_rows,
    read_strip,
    write_strip,
)
from minigrad.kernels.team import mine, share

Pair = tuple[int, int]
Array = NDArray[np.float32]

__all__ = ["blocked", "blocked_input_grad", "blocked_weight_grad"]

F32 = np.dtype(np.float32)


def blocked(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    relu: bool = False,
) -> Array:  # fmt: skip
    """`conv2d` on float32."""
    out = out_hw(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return _correlate(x, w, b, out, stride, padding, dilation, groups, relu)


def blocked_input_grad(
    g: Array, w: Array, input_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_input_grad` on float32."""
    (n, k, *out), (_, c, *window) = g.shape, w.shape
    if stride == (1, 1) and rows_folded(c, input_hw[0], window[0], 1, dilation[0]) > 1:
        back = np.flip(w, (2, 3)).reshape(groups, k // groups, c, *window).swapaxes(1, 2)
        border = tuple(d * (u - 1) - p for d, u, p in zip(dilation, window, padding, strict=True))
        back = back.reshape(groups * c, k // groups, *window)
        return _correlate(g, back, None, input_hw, stride, border, dilation, groups, False)
    plan = input_grad_blocking(
        n, c * groups, input_hw, k, tuple(window), tuple(out), stride, padding, dilation, groups
    )
    return _run(plan, g, w, None, True, False)


def blocked_weight_grad(
    g: Array, x: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d_weight_grad` on float32."""
    fold = rows_folded(g.shape[1] // groups, g.shape[2], kernel_hw[0], stride[0], dilation[0])
    how = stride, padding, dilation, groups
    gw = _weight_grad(g, x, kernel_hw, *how, fold)
    return _weight_grad(g, x, kernel_hw, *how, 1) if fold > 1 and _spoilt(gw) else gw


def _weight_grad(
    g: Array, x: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    fold: int,
) -> Array:  # fmt: skip
    (n, k), (_, c, *hw) = g.shape[:2], x.shape
    out = g.shape[2:]  # with output_padding of a transposed convolution, fewer than would fit
    tall = (kernel_hw[0] + (fold - 1) * stride[0], kernel_hw[1])
    plan = forward_blocking(
        n, c, tuple(hw), k * fold, tall, out, stride, padding, dilation, groups, fold
    )
    p = plan.sizes
    if not plan.chunks:
        return np.zeros((k, c // groups, *kernel_hw), x.dtype)
    sums = empty((p.parts, groups * p.filter_blocks * p.sums * p.width), x.dtype)
    gw = empty((k * fold, c // groups, *tall), x.dtype)
    flat_x, flat_g, flat_gw = dense(x).reshape(-1), dense(g).reshape(-1), gw.reshape(-1)
    tables = plan.table, plan.places, plan.read_table, plan.write_table
    blocked_sums.run(
        p.parts, plan.work, flat_x, flat_g, sums, *tables, plan.record, scratch=(plan.scratch, F32)
    )
    blocked_filter_grads.run(groups * p.filter_blocks, 0.5 * sums.size, sums, flat_gw, plan.record)
    return unfolded(gw, fold, stride[0], groups) if fold > 1 else gw


def _correlate(
    x: Array, w: Array, b: Array | None, out: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int, relu: bool,
) -> Array:  # fmt: skip
    (n, c, *hw), k = x.shape, len(w) // groups
    how = out, stride, padding, dilation, groups
    fold = rows_folded(k, out[0], w.shape[2], stride[0], dilation[0])
    if fold > 1:
        tall = folded(w, fold, stride[0], groups)
        many = None if b is None else np.repeat(b.reshape(groups, 1, k), fold, 1).reshape(-1)
        plan = forward_blocking(n, c, tuple(hw), len(tall), tall.shape[2:], *how, fold)
        y = _run(plan, x, tall, many, False, relu)
        if not _spoilt(y):
            return y
    plan = forward_blocking(n, c, tuple(hw), len(w), w.shape[2:], *how)
    return _run(plan, x, w, b, False, relu)


def _spoilt(folded: Array) -> bool:
    """Whether there is a NaN: zeros of tall filters make one of an infinity out of reach."""
    return bool(folded.size and np.isnan(folded.min()))


def _run(
    plan: Plan, x: Array, w: Array, b: Array | None, turned: bool, relu: bool
) -> Array:
    p = plan.sizes
    y = empty((x.shape[0], p.groups * p.k // p.fold, p.oh, p.ow), x.dtype)
    padded = p.channel_blocks * p.depth > p.c  # channels that there are not stay 0
    u = (zeros if padded else empty)((p.groups * p.filter_blocks * p.u_block,), x.dtype)
    bias = np.zeros((p.groups, (p.filter_blocks + 1) * p.width), x.dtype)
    if b is not None:
        bias[:, : p.k] = b.reshape(p.groups, p.k)
    flat_x, flat_w, flat_y = dense(x).reshape(-1), dense(w).reshape(-1), y.reshape(-1)
    blocked_filters.run(
        p.groups * p.filter_blocks, 0.1 * u.size, flat_w, turned, plan.filter_table, u,
        plan.record,
    )
    blocked_products.run(
        plan.chunks, plan.work, flat_x, u, bias, flat_y, floor_of(x.dtype, relu), plan.phases,
        plan.spans, plan.table, plan.read_table, plan.write_table, plan.record,
        scratch=(plan.scratch, F32),
    )  # fmt: skip
    return y


@kernel
def blocked_filters(team, chunks, w, turned, table, u, sizes):
    """U [group][block of filters][phase][tap][channel][L]; a chunk is a block of a group.

    The filter of output k and input c begins at w[k·C·taps + c·taps]; turned, at w[c·K·taps +
    k·taps]. `table` has the places of a run of its taps, behind which is room for what none meets.
    """
    p = sizes[0]
    width = p.width
    for at in share(team, chunks):
        group, block = at // p.filter_blocks, at % p.filter_blocks
        many, to = min(width, p.k - block * width), at * p.u_block
        start = group * p.k * p.c * p.taps
        if turned:
            start += block * width * p.taps
            for ch in range(p.c):
                first = start + ch * p.k * p.taps
                whole = first + (many - 1) * p.taps + width <= len(w)
                run = max(width, p.taps) if whole else p.taps
                read_strip(w, first, p.taps, many, 0, many, run, table, u, to + ch * width)
        else:
            size = p.c * p.taps
            start += block * width * size
            read_strip(w, start, size, many, 0, many, size, table, u, to)


@helper
def _read_sources(x, image, row0, here, p, table, strip):
    """What `here` grid rows from row0 on need of a group's channels."""
    width = p.width
    rows = p.tall - (p.block - here) * p.step
    for block in range(p.channel_blocks):
        plane = (image * p.c + block * width) * p.h * p.w
        read_rows(x, plane, p.h * p.w, min(width, p.c - block * width), row0 * p.step + p.low, rows,
                  p.h, p.w, table, strip, block * p.plane, p.pitch)  # fmt: skip


@kernel
def blocked_products(
    team, chunks, x, u, bias, y, floor, phases, spans, table, read_table, write_table, sizes, work
):
    """A correlation; a chunk is p.block grid rows of a group of an image, and some filters."""
    p = sizes[0]
    width, inner, few = p.width, p.channel_blocks * p.depth, p.k // p.fold
    work = mine(team, work)
    strip = work[: p.channel_blocks * p.plane]
    m = work[p.channel_blocks * p.plane :]
    m_block = p.block * p.out_h * p.out_pitch
    fill(strip, 0)
    for chunk in share(team, chunks):
        item, part = chunk // p.splits, chunk % p.splits
        image, row0 = item // p.strips, item % p.strips * p.block
        group, here = image % p.groups, min(p.block, p.rows - row0)
        _read_sources(x, image, row0, here, p, read_table, strip)
        pairs = (p.filter_blocks + 1) // 2
        for k in range(2 * (part * pairs // p.splits), 2 * ((part + 1) * pairs // p.splits), 2):
            vectors = min(2, p.filter_blocks - k)
            for i in range(here):
                for phase in range(len(phases)):
                    first, taps = spans[row0 + i, phase, 0], spans[row0 + i, phase, 1]
                    u_at = (group * p.filter_blocks + k) * p.u_block + first * inner * width
                    to = ((i * p.out_h + phases[phase, 0]) * p.out_pitch
                          + phases[phase, 1] * p.cols * width)  # fmt: skip
                    panel_row(
                        strip, i * p.step * p.pitch, table, first * p.channel_blocks,
                        taps * p.channel_blocks, p.depth, u, u_at, p.u_block, m, to, m_block,
                        bias[group], k * width, 1, p.cols, vectors,
                    )  # fmt: skip
            lines = here if p.fold > 1 else 1
            for i in range(lines):
                row = (row0 + i) * p.out_h * p.fold
                run = p.ow if p.fold > 1 else (min(row + here * p.out_h, p.oh) - row) * p.ow
                for j in range(vectors):
                    block = (k + j) * width
                    write_strip(
                        m, j * m_block + i * p.out_pitch, write_table, run, y,
                        ((image * few + block) * p.oh + row) * p.ow, p.oh * p.ow, few, p.ow,
                        min(width, p.k - block, (p.oh - row) * few), floor,
                    )  # fmt: skip


@kernel
def blocked_sums(
    team, chunks, x, g, sums, table, places, read_table, write_table, sizes, work
):
    """Partial sums of a filter gradient, each over some rows of outputs: a chunk."""
    p = sizes[0]
    width, few = p.width, p.k // p.fold
    work = mine(team, work)
    strip = work[: p.channel_blocks * p.plane]
    m = work[p.channel_blocks * p.plane :]
    m_block = p.block * p.out_pitch
    items = len(x) // (p.groups * p.c * p.h * p.w) * p.strips
    fill(strip, 0)
    for part in share(team, chunks):
        begin, end = part * items // p.parts, (part + 1) * items // p.parts
        for group in range(p.groups):
            for item in range(begin, end):
                image = item // p.strips * p.groups + group
                row0 = item % p.strips * p.block
                here = min(p.block, p.rows - row0)
                _read_sources(x, image, row0, here, p, read_table, strip)
                lines = here if p.fold > 1 else 1
                for k in range(p.filter_blocks):
                    for i in range(lines):
                        row = (row0 + i) * p.fold
                        run = p.ow if p.fold > 1 else here * p.ow
                        read_strip(
                            g, ((image * few + k * width) * p.oh + row) * p.ow, p.oh * p.ow, few,
                            p.ow, min(width, p.k - k * width, (p.oh - row) * few), run,
                            write_table, m, k * m_block + i * p.out_pitch,
                        )  # fmt: skip
                for k in range(p.filter_blocks):
                    u = (group * p.filter_blocks + k) * p.sums * width
                    if p.depth < width:
                        for t in range(0, p.sums, width):
                            place_sums(
                                strip, 0, p.step * p.pitch, places, t, m, k * m_block, p.out_pitch,
                                here, p.cols, sums[part], u + t * width, item == begin,
                            )  # fmt: skip
                        continue
                    for t in range(p.taps * p.channel_blocks):
                        panel_sums(
                            strip, table[t], p.step * p.pitch, m, k * m_block, p.out_pitch, here,
                            p.cols, sums[part], u + t * width * width, item == begin,
                        )  # fmt: skip


@kernel
def blocked_filter_grads(team, chunks, sums, gw, sizes):
    """gw from the partial sums, which overwrites sums[0]; a chunk is a block of filters."""
    p = sizes[0]
    width = p.width
    size = p.sums * width
    for at in share(team, chunks):
        group, block = at // p.filter_blocks, at % p.filter_blocks
        add_parts(sums, at * size, size)
        total = sums[0, at * size : (at + 1) * size]
        for lane in range(min(width, p.k - block * width)):
            to = (group * p.k + block * width + lane) * p.c * p.taps
            for ch in range(p.c):
                for t in range(p.taps):
                    from_ = (t * p.channel_blocks + ch // width) * p.depth + ch % width
                    gw[to + ch * p.taps + t] = total[from_ * width + lane]
