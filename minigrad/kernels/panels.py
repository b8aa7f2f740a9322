"""Products of panels of pixels with vectors of filters, in registers; and the way in and out.

Here a vector holds neighbouring channels of one pixel, or neighbouring filters. The pixels of NCHW
images are transposed into that form, in squares, and results back. `tiles` has the other form, a
vector of neighbouring pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.kernels.flow import in_sizes, loop, switch
from minigrad.kernels.jit import fill, helper, intrinsic
from minigrad.kernels.simd import Lanes, at, intrinsic_of, vector_bytes

__all__ = [
    "add_parts",
    "panel_row",
    "panel_sums",
    "place_sums",
    "read_rows",
    "read_strip",
    "write_strip",
]


def _panel_sizes(vectors: int) -> list[int]:
    """How many pixels a panel may have, largest first; as many as keep their sums in registers.

    AVX2 has 16 registers, AVX-512 and ARM have 32. A few sizes are enough, for panels of 2 pixels
    by 2 vectors nearly hide the latency of a multiply-add; each costs 0.1 s of compiling.
    """
    limit = {1: 12, 2: 6}[vectors] if vector_bytes() == 32 else 14
    return sorted({1, 2, limit // 2, min(8, limit), limit}, reverse=True)


@intrinsic
def panel_row(
    typingctx, v, v_at, table, table_at, blocks, depth, u, u_at, u_block, m, m_at, m_block, bias,
    bias_at, first, pixels, vectors,
):  # fmt: skip
    """m[m_at + j·m_block + r·L + l] (+)= sum_{b<blocks, c<depth}
    v[v_at + table[table_at + b] + r·L + c] · u[u_at + j·u_block + (b·depth + c)·L + l].

    A row of r < pixels neighbouring pixels (or tiles) of L channels each, by j < vectors <= 2
    vectors of filters. With `first`, bias[bias_at + j·L + l] takes the place of what stood in m.
    """
    return intrinsic_of(
        _panel_row, v, v_at, table, table_at, blocks, depth, u, u_at, u_block, m, m_at, m_block,
        bias, bias_at, first, pixels, vectors,
    )  # fmt: skip


@intrinsic
def panel_sums(typingctx, v, v_at, v_row, m, m_at, m_row, rows, pixels, u, u_at, first):
    """u[u_at + c·L + l] (+)= sum_{i<rows, t<pixels}
    v[v_at + i·v_row + t·L + c] · m[m_at + i·m_row + t·L + l], for c and l < L.
    """
    return intrinsic_of(_panel_sums, v, v_at, v_row, m, m_at, m_row, rows, pixels, u, u_at, first)


@intrinsic
def place_sums(
    typingctx, v, v_at, v_row, places, places_at, m, m_at, m_row, rows, pixels, u, u_at, first
):
    """u[u_at + r·L + l] (+)= sum_{i<rows, t<pixels}
    v[v_at + places[places_at + r] + i·v_row + t·L] · m[m_at + i·m_row + t·L + l], for r and l < L.

    As `panel_sums` for fewer channels than L: each place is one channel at one tap of the window.
    """
    return intrinsic_of(
        _place_sums, v, v_at, v_row, places, places_at, m, m_at, m_row, rows, pixels, u, u_at,
        first,
    )  # fmt: skip


def _panel_row(
    b: Any, v: Any, v_at: Any, table: Any, table_at: Any, blocks: Any, depth: Any, u: Any,
    u_at: Any, u_block: Any, m: Any, m_at: Any, m_block: Any, bias: Any, bias_at: Any, first: Any,
    pixels: Any, vectors: Any,
) -> None:  # fmt: skip
    lanes = Lanes(b, v)
    width, index = lanes.width, pixels.type
    v, u, m, table = at(b, v, v_at), at(b, u, u_at), at(b, m, m_at), at(b, table, table_at)
    fresh = b.icmp_signed("!=", first, index(0))

    def panel(t: Any, count: int, many: int) -> None:
        here = b.mul(t, index(width))
        outs = [
            at(b, m, here, b.mul(m_block, index(j)), r * width)
            for r in range(count) for j in range(many)
        ]  # fmt: skip
        shifts = [lanes.load(at(b, bias, bias_at, j * width)) for j in range(many)]
        sums = [b.select(fresh, shifts[k % many], lanes.load(p)) for k, p in enumerate(outs)]

        def block(k: Any, sums: list[Any]) -> list[Any]:
            v_here = at(b, v, here, b.load(at(b, table, k)))
            u_here = at(b, u, b.mul(b.mul(k, depth), index(width)))

            def channel(c: Any, sums: list[Any]) -> list[Any]:
                us, new = at(b, u_here, b.mul(c, index(width))), []
                filters = [lanes.load(at(b, us, b.mul(u_block, index(j)))) for j in range(many)]
                for r in range(count):
                    pixel = lanes.spread(b.load(at(b, v_here, c, r * width)))
                    new += [
                        lanes.fma(pixel, filters[j], sums[r * many + j]) for j in range(many)
                    ]
                return new

            return loop(b, depth, 1, sums, channel)

        sums = loop(b, blocks, 1, sums, block)
        for pointer, value in zip(outs, sums, strict=True):
            lanes.store(value, pointer)

    def row(many: int) -> None:
        in_sizes(b, pixels, _panel_sizes(many), lambda t, count: panel(t, count, many))

    switch(b, vectors, 2, row)


def _panel_sums(
    b: Any, v: Any, v_at: Any, v_row: Any, m: Any, m_at: Any, m_row: Any, rows: Any, pixels: Any,
    u: Any, u_at: Any, first: Any,
) -> None:  # fmt: skip
    lanes = Lanes(b, v)
    start = at(b, v, v_at)
    channels = [at(b, start, r) for r in range(lanes.width)]
    _sums(lanes, channels, v_row, at(b, m, m_at), m_row, rows, pixels, at(b, u, u_at), first)


def _place_sums(
    b: Any, v: Any, v_at: Any, v_row: Any, places: Any, places_at: Any, m: Any, m_at: Any,
    m_row: Any, rows: Any, pixels: Any, u: Any, u_at: Any, first: Any,
) -> None:  # fmt: skip
    lanes = Lanes(b, v)
    start, places = at(b, v, v_at), at(b, places, places_at)
    channels = [at(b, start, b.load(at(b, places, r))) for r in range(lanes.width)]
    _sums(lanes, channels, v_row, at(b, m, m_at), m_row, rows, pixels, at(b, u, u_at), first)


def _sums(
    lanes: Lanes, channels: list[Any], v_row: Any, m: Any, m_row: Any, rows: Any, pixels: Any,
    u: Any, first: Any,
) -> None:  # fmt: skip
    b, width, index = lanes.builder, lanes.width, pixels.type
    fresh = b.icmp_signed("!=", first, index(0))
    outs = [at(b, u, r * width) for r in range(width)]
    sums = [b.select(fresh, lanes.zero, lanes.load(p)) for p in outs]

    def row(i: Any, sums: list[Any]) -> list[Any]:
        down, m_here = b.mul(i, v_row), at(b, m, b.mul(i, m_row))

        def pixel(t: Any, sums: list[Any]) -> list[Any]:
            here = b.mul(t, index(width))
            cotangent, there = lanes.load(at(b, m_here, here)), b.add(down, here)
            return [
                lanes.fma(lanes.spread(b.load(at(b, channel, there))), cotangent, s)
                for channel, s in zip(channels, sums, strict=True)
            ]

        return loop(b, pixels, 1, sums, pixel)

    for pointer, value in zip(outs, loop(b, rows, 1, sums, row), strict=True):
        lanes.store(value, pointer)


# Between pixels in a row (NCHW) and channels in a vector.


@intrinsic
def read_strip(typingctx, src, plane, stride, few, jump, count, run, table, strip, place):
    """strip[place + table[q] + l] = src[plane + l % few · stride + l // few · jump + q].

    For q < run and l < L; 0 for l >= count.
    """
    return intrinsic_of(
        _read_strip, src, plane, stride, few, jump, count, run, table, strip, place
    )


@intrinsic
def write_strip(typingctx, strip, place, table, run, dst, plane, stride, few, jump, count, floor):
    """dst[plane + l % few · stride + l // few · jump + q] = strip[place + table[q] + l].

    For q < run and l < count; `floor` where that is less.
    """
    return intrinsic_of(
        _write_strip, strip, place, table, run, dst, plane, stride, few, jump, count, floor
    )


class _Lines:
    """Where the line of each lane begins: l % few · stride + l // few · jump.

    Step by step, for a division is slow.
    """

    def __init__(self, b: Any, stride: Any, few: Any, jump: Any) -> None:
        self.builder, self.stride, self.few, self.jump = b, stride, few, jump

    def first(self) -> list[Any]:
        return [self.stride.type(0)] * 3  # the place; lines since the last jump; the place there

    def after(self, line: list[Any]) -> list[Any]:
        b, (place, count, start) = self.builder, line
        count = b.add(count, count.type(1))
        over = b.icmp_signed("==", count, self.few)
        start = b.select(over, b.add(start, self.jump), start)
        place = b.select(over, start, b.add(place, self.stride))
        return [place, b.select(over, count.type(0), count), start]

    def places(self, width: int) -> list[Any]:
        lines = [self.first()]
        while len(lines) < width:
            lines.append(self.after(lines[-1]))
        return [place for place, _, _ in lines]

    def each(self, many: Any, move: Callable[[Any, Any], None]) -> None:
        """move(lane, place) for lane < many."""

        def one(lane: Any, line: list[Any]) -> list[Any]:
            move(lane, line[0])
            return self.after(line)

        loop(self.builder, many, 1, self.first(), one)


def _by_squares(b: Any, run: Any, width: int, square: Any, one: Any) -> None:
    """square(q) for squares that cover the run, the last overlapping; one(q) if it is short."""
    index = run.type
    last = b.sub(run, index(width))

    def whole(q: Any, _: list[Any]) -> list[Any]:
        square(b.select(b.icmp_signed("<", q, last), q, last))
        return []

    def single(q: Any, _: list[Any]) -> list[Any]:
        one(q)
        return []

    enough = b.icmp_signed(">=", run, index(width))
    loop(b, b.select(enough, run, index(0)), width, [], whole)
    loop(b, b.select(enough, index(0), run), 1, [], single)


def _read_strip(
    b: Any, src: Any, plane: Any, stride: Any, few: Any, jump: Any, count: Any, run: Any,
    table: Any, strip: Any, place: Any,
) -> None:  # fmt: skip
    lanes, lines = Lanes(b, src), _Lines(b, stride, few, jump)
    src, strip = at(b, src, plane), at(b, strip, place)
    inside = [b.icmp_signed(">", count, count.type(i)) for i in range(lanes.width)]
    places = [
        b.select(there, line, line.type(0))
        for there, line in zip(inside, lines.places(lanes.width), strict=True)
    ]

    def square(q: Any) -> None:
        start, to = at(b, src, q), at(b, table, q)
        rows = [
            b.select(there, lanes.load(at(b, start, line)), lanes.zero)
            for there, line in zip(inside, places, strict=True)
        ]
        for j, column in enumerate(lanes.transpose(rows)):
            lanes.store(column, at(b, strip, b.load(at(b, to, j))))

    def one(q: Any) -> None:
        start, to = at(b, src, q), at(b, strip, b.load(at(b, table, q)))
        lanes.store(lanes.zero, to)
        lines.each(count, lambda lane, line: b.store(b.load(at(b, start, line)), at(b, to, lane)))

    _by_squares(b, run, lanes.width, square, one)


def _write_strip(
    b: Any, strip: Any, place: Any, table: Any, run: Any, dst: Any, plane: Any, stride: Any,
    few: Any, jump: Any, count: Any, floor: Any,
) -> None:  # fmt: skip
    from numba.core import cgutils

    lanes, lines = Lanes(b, strip), _Lines(b, stride, few, jump)
    strip, dst = at(b, strip, place), at(b, dst, plane)
    nowhere = b.bitcast(cgutils.alloca_once(b, lanes.type), dst.type)
    places = lines.places(lanes.width)

    def square(q: Any) -> None:
        from_, start = at(b, table, q), at(b, dst, q)
        columns = [lanes.load(at(b, strip, b.load(at(b, from_, j)))) for j in range(lanes.width)]
        for i, (row, line) in enumerate(zip(lanes.transpose(columns), places, strict=True)):
            inside = b.icmp_signed(">", count, count.type(i))
            to = b.select(inside, at(b, start, line), nowhere)
            lanes.store(lanes.at_least(row, floor), to)

    def one(q: Any) -> None:
        here, start = at(b, strip, b.load(at(b, table, q))), at(b, dst, q)
        lanes.store(lanes.at_least(lanes.load(here), floor), nowhere)
        row = b.bitcast(nowhere, dst.type)
        lines.each(count, lambda lane, line: b.store(b.load(at(b, row, lane)), at(b, start, line)))

    _by_squares(b, run, lanes.width, square, one)


@helper
def read_rows(src, plane, size, count, low, rows, h, w, table, strip, at, pitch):
    """Rows low..low+rows of `count` planes into a strip; zeros for those outside 0..h.

    The first plane begins at src[plane], the next ones `size` further each.
    """
    r0, r1 = min(max(low, 0), h), max(min(low + rows, h), 0)
    r1 = max(r0, r1)
    above = min(max(r0 - low, 0), rows)
    fill(strip[at : at + above * pitch], 0)
    fill(strip[at + (above + r1 - r0) * pitch : at + rows * pitch], 0)
    read_strip(src, plane + r0 * w, size, count, 0, count, (r1 - r0) * w, table, strip,
               at + above * pitch)  # fmt: skip


@helper
def add_parts(sums, at, size):
    """sums[0, at : at + size] += the same of all other rows."""
    total = sums[0, at : at + size]
    for part in range(1, len(sums)):
        more = sums[part, at : at + size]
        for i in range(size):
            total[i] += more[i]
