"""Sums over the window and dot products of single planes, straight from memory. No policy here.

Lanes are neighbouring columns. What lies left and right of a plane is not read but 0, by masks;
what lies above and below is read from a row of zeros. So nothing is copied.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from minigrad.kernels.flow import by_step, in_sizes, loop, switch
from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, at, intrinsic_of

__all__ = ["GROUP", "plane_dots", "plane_sums"]

ROWS = [8, 4, 1]  # of outputs that are summed at once, which look up their taps together
GROUP = 9  # taps whose dot products are taken at once
TALL = 3  # rows of a window that is tall: each row of sources is read once for all its taps


@intrinsic
def plane_sums(
    typingctx, x, x_at, h, w, row_step, col_step, taps, first, evens, odds, weights, weights_at,
    bias, bias_at, y, y_at, pitch, rows, cols, out_step, width, zeros, floor, tall,
):  # fmt: skip
    """y[y_at + i·pitch + j·out_step] = bias[bias_at] + sum over taps t of
    weights[weights_at + k_t] · x[x_at + (i·row_step + e_t)·w + j·col_step + d_t].

    For i < rows and j < cols; `floor` where that is less. taps[t] = (e, d, k); what lies outside
    the plane (h, w) of x is 0. The taps are `evens` from `first` on; with an out_step of 2, the
    `odds` that follow make y[... + 1], and the rows of y are `width` long. `zeros` are w of them.
    With `tall`, taps come in columns of TALL, one row below the other, steps are 1 or 2 and alike.
    """
    return intrinsic_of(
        _plane_sums, x, x_at, h, w, row_step, col_step, taps, first, evens, odds, weights,
        weights_at, bias, bias_at, y, y_at, pitch, rows, cols, out_step, width, zeros,
        floor, tall,
    )  # fmt: skip


@intrinsic
def plane_dots(
    typingctx, g, g_at, rows, cols, x, x_at, h, w, row_step, col_step, taps, count, y, y_at,
    length, zeros, tall,
):  # fmt: skip
    """y[y_at + t·length + l] += sum_{i<rows, j<cols, j%L=l}
    g[g_at + i·cols + j] · x[x_at + (i·row_step + e_t)·w + j·col_step + d_t].

    For the taps t < count, a multiple of GROUP, with L <= length lanes; see `plane_sums`. With
    `tall`, they are TALL columns of as many.
    """
    return intrinsic_of(
        _plane_dots, g, g_at, rows, cols, x, x_at, h, w, row_step, col_step, taps, count, y,
        y_at, length, zeros, tall,
    )  # fmt: skip


class _Sources:
    """Rows of a plane, of which each lane reads the element that a tap of its output meets."""

    def __init__(
        self, b: Any, x: Any, h: Any, w: Any, row_step: Any, col_step: Any, taps: Any, zeros: Any
    ) -> None:
        self.b, self.x, self.h, self.w, self.zeros = b, x, h, w, zeros
        self.row_step, self.col_step, self.taps = row_step, col_step, taps

    def tap(self, t: Any) -> list[Any]:
        """e, d, k of a tap."""
        here = at(self.b, self.taps, self.b.mul(t, t.type(3)))
        return [self.b.load(at(self.b, here, k)) for k in range(3)]

    def columns(self, v: Lanes, step: int | None, j: Any, d: Any, only: Any = None) -> Any:
        """A function from a row to a vector: its elements that tap columns j, j+1, ... meet."""
        b = self.b
        left = b.add(b.mul(j, self.col_step), d)
        side_by_side = step != 2
        there = v.below(left, self.w)
        there = there if only is None else b.and_(there, only)

        def read(row: Any) -> Any:
            inside = b.icmp_unsigned("<", row, self.h)
            line = b.select(inside, at(b, self.x, b.mul(row, self.w)), self.zeros)
            if side_by_side:
                return v.load_where(there, at(b, line, left))
            found = v.load_every(line, left, self.w, 2)
            return found if only is None else b.select(only, found, v.zero)

        return read


def _plane_sums(
    b: Any, x: Any, x_at: Any, h: Any, w: Any, row_step: Any, col_step: Any, taps: Any, first: Any,
    evens: Any, odds: Any, weights: Any, weights_at: Any, bias: Any, bias_at: Any, y: Any,
    y_at: Any, pitch: Any, rows: Any, cols: Any, out_step: Any, width: Any, zeros: Any,
    floor: Any, tall: Any,
) -> None:  # fmt: skip
    index = rows.type
    source = _Sources(b, at(b, x, x_at), h, w, row_step, col_step, taps, zeros)
    weights, y = at(b, weights, weights_at), at(b, y, y_at)
    shift = b.load(at(b, bias, bias_at))

    def plane(pairs: bool, columns_of: int, v: Lanes, step: int | None) -> None:
        def sums(start: Any, count: Any, i: Any, many: int, j: Any) -> list[Any]:
            def add_column(t: Any, sums: list[Any]) -> list[Any]:
                taps = [source.tap(b.add(start, b.add(t, index(q)))) for q in range(TALL)]
                (e, d, _), sums = taps[0], list(sums)
                column = [v.spread(b.load(at(b, weights, k))) for _, _, k in taps]
                read, top = source.columns(v, step, j, d), b.add(b.mul(i, row_step), e)
                for s in range(step * (many - 1) + TALL):
                    row = read(b.add(top, index(s)))
                    for r in range(many):
                        if 0 <= s - step * r < TALL:
                            sums[r] = v.fma(column[s - step * r], row, sums[r])
                return sums

            def add(t: Any, sums: list[Any]) -> list[Any]:
                e, d, k = source.tap(b.add(start, t))
                weight, read = v.spread(b.load(at(b, weights, k))), source.columns(v, step, j, d)
                return [
                    v.fma(weight, read(b.add(b.mul(b.add(i, index(r)), row_step), e)), s)
                    for r, s in enumerate(sums)
                ]

            one = add if columns_of == 1 else add_column
            return loop(b, count, columns_of, [v.spread(shift)] * many, one)

        def columns(i: Any, many: int, j: Any, _: list[Any]) -> list[Any]:
            found = [sums(first, evens, i, many, j)]
            if pairs:
                found.append(sums(b.add(first, evens), odds, i, many, j))
            found = [[v.at_least(s, floor) for s in half] for half in found]
            for r in range(many):
                line = at(b, y, b.mul(b.add(i, index(r)), pitch), b.mul(j, out_step))
                if pairs:
                    for k, half in enumerate(v.in_turn(found[0][r], found[1][r])):
                        place = b.add(b.add(j, j), index(k * v.width))
                        v.store_where(v.below(place, width), half, at(b, line, k * v.width))
                else:
                    v.store_where(v.below(j, cols), found[0][r], line)
            return []

        def band(i: Any, many: int) -> None:
            loop(b, cols, v.width, [], partial(columns, i, many))

        if columns_of == 1 or step is not None:
            in_sizes(b, rows, ROWS, band)

    # Outputs in pairs need sources side by side, as the gradient of a stride of 2 has them.
    two = b.and_(b.icmp_signed("==", out_step, index(2)), b.icmp_signed("==", col_step, index(1)))
    with b.if_else(two) as (then, other):
        with then:
            half = max(1, Lanes(b, x).width // 2)
            short = b.icmp_signed("<=", cols, index(half))
            case = b.add(index(1), b.zext(short, index))
            switch(b, case, 2, lambda k: plane(True, 1, Lanes(b, x, half if k == 2 else None), 1))
        with other, b.if_else(b.icmp_signed("!=", tall, index(0))) as (yes, no):
            with yes:
                by_step(b, x, cols, col_step, partial(plane, False, TALL))
            with no:
                apart = b.icmp_signed("!=", out_step, index(1))
                step = b.select(apart, index(3), col_step)
                by_step(b, x, cols, step, partial(plane, False, 1))


def _plane_dots(
    b: Any, g: Any, g_at: Any, rows: Any, cols: Any, x: Any, x_at: Any, h: Any, w: Any,
    row_step: Any, col_step: Any, taps: Any, count: Any, y: Any, y_at: Any, length: Any,
    zeros: Any, tall: Any,
) -> None:  # fmt: skip
    g, y = at(b, g, g_at), at(b, y, y_at)
    source = _Sources(b, at(b, x, x_at), h, w, row_step, col_step, taps, zeros)

    def tall_plane(v: Lanes, step: int | None) -> None:
        if step is None:
            return
        taps = [source.tap(count.type(k)) for k in range(TALL * TALL)]
        places = [at(b, y, b.mul(length, count.type(k))) for k in range(TALL * TALL)]
        first, below = taps[0][0], range(TALL - step)  # rows of sources that the next output meets

        def columns(j: Any, sums: list[Any]) -> list[Any]:
            only = v.below(j, cols)
            reads = [source.columns(v, step, j, d, only) for _, d, _ in taps[::TALL]]
            kept = [read(b.add(first, first.type(q))) for read in reads for q in below]

            def row(i: Any, state: list[Any]) -> list[Any]:
                cotangents = v.load_where(only, at(b, g, b.mul(i, cols), j))
                top = b.add(b.mul(i, row_step), first)
                sums, kept = state[: len(taps)], []
                for c, read in enumerate(reads):
                    met = state[len(taps) + c * len(below) :][: len(below)]
                    for q in range(len(below), TALL):
                        met.append(read(b.add(top, first.type(q))))
                    for q, source_row in enumerate(met):
                        t = c * TALL + q
                        sums[t] = v.fma(cotangents, source_row, sums[t])
                    kept += met[step:]
                return sums + kept

            return loop(b, rows, 1, [*sums, *kept], row)[: len(taps)]

        sums = loop(b, cols, v.width, [v.load(p) for p in places], columns)
        for place, value in zip(places, sums, strict=True):
            v.store(value, place)

    def plane(v: Lanes, step: int | None) -> None:
        def group(t: Any, _: list[Any]) -> list[Any]:
            found = [source.tap(b.add(t, t.type(k))) for k in range(GROUP)]
            places = [at(b, y, b.mul(b.add(t, t.type(k)), length)) for k in range(GROUP)]

            def columns(j: Any, sums: list[Any]) -> list[Any]:
                only = v.below(j, cols)
                reads = [source.columns(v, step, j, d, only) for _, d, _ in found]

                def row(i: Any, sums: list[Any]) -> list[Any]:
                    cotangents = v.load_where(only, at(b, g, b.mul(i, cols), j))
                    top = b.mul(i, row_step)
                    return [
                        v.fma(cotangents, read(b.add(top, e)), s)
                        for read, (e, _, _), s in zip(reads, found, sums, strict=True)
                    ]

                return loop(b, rows, 1, sums, row)

            sums = loop(b, cols, v.width, [v.load(p) for p in places], columns)
            for place, value in zip(places, sums, strict=True):
                v.store(value, place)
            return []

        loop(b, count, GROUP, [], group)

    with b.if_else(b.icmp_signed("!=", tall, tall.type(0))) as (yes, no):
        with yes:
            by_step(b, x, cols, col_step, tall_plane)
        with no:
            by_step(b, x, cols, col_step, plane)
