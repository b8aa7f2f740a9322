"""The compiled algorithm of convolution and its adjoints: products over runs of pixels in L2.

A strip of the source image is copied once into scratch, with its padding, split into stride phases
so that neighbouring outputs read neighbouring sources. Outputs are numbered along the rows of that
copy, padding included, so every tap of the window is the whole run shifted by a constant: a table
of shifts replaces im2col, and the few outputs that fall in the padding are dropped.

The input gradient is the same loop: each phase of its output is a stride-1 correlation of g with
those taps that meet it. The weight gradient takes dot products of the same runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.conv_plan import (
    Plan,
    floor_of,
    forward_plan,
    input_grad_plan,
    weight_grad_plan,
)
from minigrad.kernels.jit import dense, fill, helper, kernel
from minigrad.kernels.team import mine, share
from minigrad.kernels.tiles import dot_tiles, product_tiles

Pair = tuple[int, int]
Array = NDArray[np.floating]

__all__ = ["correlate", "correlate_input_grad", "correlate_weight_grad"]


def correlate(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    relu: bool = False,
) -> Array:  # fmt: skip
    """`conv2d` on arrays of one dtype."""
    (n, c, *hw), (f, _, *k) = x.shape, w.shape
    plan = forward_plan(n, c, tuple(hw), f, tuple(k), stride, padding, dilation, groups, x.dtype)
    y = np.empty((n, f, *plan.out_hw), x.dtype)
    return _run(plan, x, dense(w).reshape(-1), b, y, relu)


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
    plan = input_grad_plan(
        n, c * groups, input_hw, f, tuple(k), tuple(out), stride, padding, dilation, groups, g.dtype
    )
    phases = min(stride[0], input_hw[0]) * min(stride[1], input_hw[1])
    make = np.empty if len(plan.taps_of_phase) == phases else np.zeros  # no tap meets the others
    gx = make((n, c * groups, *input_hw), g.dtype)
    wt = w.reshape(groups, f // groups, c, k[0] * k[1]).swapaxes(1, 2)
    if stride == (1, 1):
        a = np.ascontiguousarray(wt).reshape(-1)  # one phase, of all taps in order
    elif plan.taps_of_phase:
        a = np.concatenate([wt[..., taps].reshape(-1) for taps in plan.taps_of_phase])
    else:
        return gx
    return _run(plan, g, a, None, gx, False)


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
    plan = weight_grad_plan(
        n, c, tuple(hw), f, kernel_hw, tuple(out), stride, padding, dilation, groups, g.dtype
    )
    parts = np.zeros((plan.parts, f, plan.k_padded), g.dtype)
    x3, g3 = dense(x).reshape(n * c, *hw), dense(g).reshape(n * f, *out)
    conv_weight_grad.run(
        plan.chunks, plan.work, x3, g3, parts.reshape(-1), plan.taps, plan.source, plan.geometry,
        scratch=(plan.scratch, g.dtype),
    )  # fmt: skip
    total = parts[0] if plan.parts == 1 else parts.sum(axis=0)
    return np.ascontiguousarray(total[:, : plan.k]).reshape(f, c // groups, *kernel_hw)


def _run(
    plan: Plan, src: Array, a: Array, b: Array | None, out: Array, relu: bool
) -> Array:
    src3, out3 = _images(src), _images(out)
    bias = np.zeros(out.shape[1], out.dtype) if b is None else dense(b)
    conv_products.run(
        plan.chunks, plan.work, src3, a, bias, out3, floor_of(out.dtype, relu), plan.taps,
        plan.source, plan.target, plan.geometry, scratch=(plan.scratch, out.dtype),
    )  # fmt: skip
    return out


def _images(x: Array) -> Array:
    n, c, h, w = x.shape
    return dense(x).reshape(n * c, h, w)


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
                    fill(line, 0)
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
            fill(dst[height * pitch :], 0)
    return at


@kernel
def conv_products(team, chunks, src, a, bias, out, floor, taps, source, target, geometry, work):
    """A correlation; a chunk is one strip of one image, all channels."""
    (groups, channels, m, ssh, ssw, osh, osw, strip, rows, cols, strips,
     pitch, height, plane, run, tile, planes) = (
        geometry[0], geometry[1], geometry[2], geometry[3], geometry[4], geometry[5], geometry[6],
        geometry[7], geometry[8], geometry[9], geometry[10], geometry[11], geometry[12],
        geometry[13], geometry[14], geometry[15], geometry[16],
    )  # fmt: skip
    oh, ow = out.shape[1], out.shape[2]
    work = mine(team, work)
    for chunk in share(team, chunks):
        n, row0 = chunk // strips, chunk % strips * strip
        here = min(strip, rows - row0)
        for group in range(groups):
            _pack(src, (n * groups + group) * channels, channels, source, ssh, ssw, row0,
                  here + height - strip, pitch, plane, work, 0)  # fmt: skip
            for phase in range(target.shape[0]):
                k, weights = target[phase, 3], target[phase, 4] + group * m * target[phase, 3]
                # Pixels outside, so that the sources of a tile stay in L1 for all filters.
                for p in range(0, here * pitch, tile):
                    product_tiles(a, weights, k, bias, group * m, work, p, taps, target[phase, 2],
                                  k, work, planes + p, run, m, floor)  # fmt: skip
                for i in range(m):
                    image = out[(n * groups + group) * m + i]
                    for r in range(here):
                        row = (row0 + r) * osh + target[phase, 0]
                        if row >= oh:
                            break
                        at = planes + i * run + r * pitch
                        line = work[at : at + cols]
                        if osw == 1:
                            dst = image[row]
                            for q in range(ow):
                                dst[q] = line[q]
                        else:
                            dst = image[row, target[phase, 1] :]
                            for q in range((len(dst) + osw - 1) // osw):
                                dst[q * osw] = line[q]


@kernel
def conv_weight_grad(team, chunks, x, g, out, taps, source, geometry, work):
    """A weight gradient; a chunk is one partial sum of some filters."""
    (groups, channels, m, ssh, ssw, strip, rows, cols, strips, pitch, height, plane, run, items,
     block, parts, splits, padded, planes) = (
        geometry[0], geometry[1], geometry[2], geometry[3], geometry[4], geometry[5], geometry[6],
        geometry[7], geometry[8], geometry[9], geometry[10], geometry[11], geometry[12],
        geometry[13], geometry[14], geometry[15], geometry[16], geometry[17], geometry[18],
    )  # fmt: skip
    work = mine(team, work)
    for chunk in share(team, chunks):
        part, split = chunk // splits, chunk % splits
        f0, f1 = split * m // splits, (split + 1) * m // splits
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
                        fill(line[here * pitch :], 0)
                dot_tiles(work, gs + f0 * run, run, m * run, work, planes, taps, padded, run, count,
                          out, to + f0 * padded, padded, f1 - f0)  # fmt: skip


