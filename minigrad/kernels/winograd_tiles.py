"""Pieces of a Winograd convolution: strips of pixels, tiles of them at the 36 points, filters.

Numba code that the kernels of `winograd` are put together from; `p` is their `Tiling`.
"""

from __future__ import annotations

from minigrad.kernels.jit import fill, helper
from minigrad.kernels.panels import read_rows, read_strip, write_strip
from minigrad.kernels.winograd_simd import (
    tile_cotangent,
    tile_filter,
    tile_filter_grad,
    tile_input,
    tile_output,
)

__all__ = [
    "cotangent_tiles",
    "filter_block_points",
    "filters_from_sums",
    "input_tiles",
    "output_tiles",
]


@helper
def filter_block_points(w, p, turned, table, block, c0, c1, u, u_at, strip):
    """U [point][channel c0..c1][L] of one block of filters; channels past p.c are zero.

    The filter of output k and input c begins at w[k·9·C + 9·c]; turned, at w[c·9·K + 9·k] of what
    its group has, and is read backwards.
    """
    width = p.width
    group = block // p.filter_blocks
    many = min(width, p.groups * p.k - block * width)
    for first in range(c0, min(c1, p.c), width if not turned else 1):
        count = min(width, min(c1, p.c) - first) if not turned else 1
        if turned:
            start = ((group * (p.c - 1) + first) * p.k + block * width) * 9
        else:
            start = (block * width * p.c + first) * 9
        stride, run = (9, 9) if turned else (p.c * 9, count * 9)
        if turned and start + (width - 1) * 9 + width <= len(w):
            run = max(width, 9)  # the table sends what a vector reads past 9 taps out of the way
        read_strip(w, start, stride, many, 0, many, run, table, strip, 0)
        for ch in range(count):
            tile_filter(strip, ch * 9 * width, u, u_at + (first + ch - c0) * width, p.u_point)
    fill(strip[: 9 * width], 0)
    for ch in range(max(c0, p.c), c1):
        tile_filter(strip, 0, u, u_at + (ch - c0) * width, p.u_point)


@helper
def filters_from_sums(u, u_at, u_point, block, c0, c1, k, c, gw, taps, width):
    """gw of channels c0..c1 of a block of filters, from the sums U [point][channel][L]."""
    for ch in range(c0, min(c1, c)):
        tile_filter_grad(u, u_at + (ch - c0) * width, u_point, taps, 0)
        for lane in range(min(width, k - block * width)):
            to = ((block * width + lane) * c + ch) * 9
            for tap in range(9):
                gw[to + tap] = taps[tap * width + lane]


@helper
def _first_row(line, dilation):
    """The row of a strip with which a line of tiles begins; `dilation` lines interleave."""
    return 4 * dilation * (line // dilation) + line % dilation


@helper
def input_tiles(x, block, first, last, p, table, v, v_at, strip):
    """The points of the input tiles of tile rows first..last, one block of channels.

    What pixels never reach in the strip is zero before and after.
    """
    width = p.width
    row, t = first, 0
    while row < last:
        n, i0 = row // p.th, row % p.th
        i1 = min(p.th, i0 + last - row)
        many = min(width, p.groups * p.c - block * width)
        plane = (n * p.groups * p.c + block * width) * p.h * p.w
        read_rows(x, plane, p.h * p.w, many, 4 * p.dil_h * i0 - p.pad_h,
                  p.dil_h * (4 * (i1 - i0) + 2), p.h, p.w, table, strip, 0, p.pitch)  # fmt: skip
        for i in range(p.dil_h * (i1 - i0)):
            line = _first_row(i, p.dil_h) * p.pitch
            for a in range(p.dil_w):
                for j in range(p.tw):
                    at = line + (a * (4 * p.tw + 2) + 4 * j) * width
                    tile_input(strip, at, p.dil_h * p.pitch, v, v_at + t * width, p.v_point)
                    t += 1
        row += i1 - i0


@helper
def output_tiles(m, m_at, bias, block, first, last, p, table, strip, y, floor):
    """The outputs of tile rows first..last, one block of filters, from their products."""
    width = p.width
    row, t = first, 0
    pitch, row_step = 4 * p.dil_w * p.tw * width, 4 * p.dil_h
    while row < last:
        n, i0 = row // p.th, row % p.th
        i1 = min(p.th, i0 + last - row)
        for i in range(p.dil_h * (i1 - i0)):
            line = _first_row(i, p.dil_h) * pitch
            for j in range(p.dil_w * p.tw):
                at = line + 4 * j * width
                tile_output(m, m_at + t * width, p.m_point, bias, block * width, strip, at,
                            p.dil_h * pitch)  # fmt: skip
                t += 1
        plane = ((n * p.groups * p.k + block * width) * p.oh + row_step * i0) * p.ow
        run = (min(row_step * i1, p.oh) - row_step * i0) * p.ow
        many = min(width, p.groups * p.k - block * width)
        write_strip(strip, 0, table, run, y, plane, p.oh * p.ow, many, 0, many, floor)
        row += i1 - i0


@helper
def cotangent_tiles(g, block, first, last, p, table, v, v_at, strip):
    """The points of the cotangents of tile rows first..last, one block of filters."""
    width = p.width
    row, t = first, 0
    pitch, row_step = 4 * p.dil_w * p.tw * width, 4 * p.dil_h
    while row < last:
        n, i0 = row // p.th, row % p.th
        i1 = min(p.th, i0 + last - row)
        many = min(width, p.groups * p.k - block * width)
        plane = (n * p.groups * p.k + block * width) * p.oh * p.ow
        read_rows(g, plane, p.oh * p.ow, many, row_step * i0, row_step * (i1 - i0), p.oh, p.ow,
                  table, strip, 0, pitch)  # fmt: skip
        for i in range(p.dil_h * (i1 - i0)):
            line = _first_row(i, p.dil_h) * pitch
            for j in range(p.dil_w * p.tw):
                at = line + 4 * j * width
                tile_cotangent(strip, at, p.dil_h * pitch, v, v_at + t * width, p.m_point)
                t += 1
        row += i1 - i0
