"""Rows and runs of single planes as LLVM vectors: copies, sums over taps, dot products. No policy.

Rows are short, so that a loop with a scalar rest would cost more than it saves: a row is copied in
the widest vectors that fit it, the last of which overlaps the one before.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, at, cover, intrinsic_of, loop, switch

__all__ = ["ROWS", "STACK", "dot_products", "gather_rows", "tap_sums", "weave_rows"]

ROWS, VECTORS = 4, 2  # of outputs summed at once, in registers
TURNS = 2  # sums that a dot product takes in turn, which hides the latency of a multiply-add
STACK = 3  # taps, one below the other, that share the rows of sources they read


@intrinsic
def tap_sums(
    typingctx, x, x_at, x_row, taps, tap_at, threes, twos, ones, w, w_at, bias, bias_at, y, y_at,
    y_row, rows, cols,
):  # fmt: skip
    """y[y_at + r·y_row + q] = bias[bias_at] + sum over stacks t of taps and u < height of t

        w[w_at + ...] · x[x_at + taps[tap_at + t] + (r+u)·x_row + q].

    For r < rows, rounded up to ROWS, and q < cols, rounded up to whole vectors. The stacks of 3
    taps come first, then those of 2 and of 1; their weights follow each other.
    """
    return intrinsic_of(
        _tap_sums, x, x_at, x_row, taps, tap_at, threes, twos, ones, w, w_at, bias, bias_at, y,
        y_at, y_row, rows, cols,
    )  # fmt: skip


@intrinsic
def dot_products(typingctx, g, g_at, g_row, x, x_at, x_row, height, rows, cols, y, y_at):
    """y[y_at + u·L + l] += sum_{r<rows, q<cols, q%L=l} g[g_at + r·g_row + q]
    · x[x_at + (r+u)·x_row + q] for the taps u < height of a stack.

    Rows are rounded up to ROWS and columns to L, the vector's length: g is zero there.
    """
    return intrinsic_of(
        _dot_products, g, g_at, g_row, x, x_at, x_row, height, rows, cols, y, y_at
    )


@intrinsic
def gather_rows(typingctx, x, x_at, x_row, step, y, y_at, y_row, rows, n):
    """y[y_at + r·y_row + q] = x[x_at + r·x_row + q·step] for r < rows, q < n."""
    return intrinsic_of(_gather_rows, x, x_at, x_row, step, y, y_at, y_row, rows, n)


@intrinsic
def weave_rows(typingctx, x, x_at, x_row, other, y, y_at, y_row, rows, n):
    """y[y_at + r·y_row + 2·q + s] = x[x_at + r·x_row + s·other + q] for r < rows, q < n, s < 2."""
    return intrinsic_of(_weave_rows, x, x_at, x_row, other, y, y_at, y_row, rows, n)


def _tap_sums(
    b: Any, x: Any, x_at: Any, x_row: Any, taps: Any, tap_at: Any, threes: Any, twos: Any,
    ones: Any, w: Any, w_at: Any, bias: Any, bias_at: Any, y: Any, y_at: Any, y_row: Any,
    rows: Any, cols: Any,
) -> None:  # fmt: skip
    v, index = Lanes(b, x), rows.type
    x, y, taps, w = at(b, x, x_at), at(b, y, y_at), at(b, taps, tap_at), at(b, w, w_at)
    shift = v.spread(b.load(at(b, bias, bias_at)))

    def tile(vectors: int, r: Any, q: Any) -> None:
        start, steps = at(b, x, b.mul(r, x_row), q), [k * v.width for k in range(vectors)]

        def stack(height: int, shifts: Any, weights: Any, t: Any, sums: list[Any]) -> list[Any]:
            here, sums = at(b, start, b.load(at(b, shifts, t))), list(sums)
            first = at(b, weights, b.mul(t, index(height)))
            spread = [v.spread(b.load(at(b, first, u))) for u in range(height)]
            for row in range(ROWS + height - 1):
                line = at(b, here, b.mul(x_row, index(row)))
                run = [v.load(at(b, line, k)) for k in steps]
                for u, k in product(range(height), range(vectors)):
                    if 0 <= row - u < ROWS:
                        i = (row - u) * vectors + k
                        sums[i] = v.fma(spread[u], run[k], sums[i])
            return sums

        sums, shifts, weights = [shift] * (ROWS * vectors), taps, w
        for height, count in zip(range(STACK, 0, -1), (threes, twos, ones), strict=True):
            sums = loop(b, count, 1, sums, partial(stack, height, shifts, weights))
            shifts, weights = at(b, shifts, count), at(b, weights, b.mul(count, index(height)))
        for i in range(ROWS):
            line = at(b, y, b.mul(b.add(r, index(i)), y_row), q)
            for k, step in enumerate(steps):
                v.store(sums[i * vectors + k], at(b, line, step))

    def band(r: Any, _: list[Any]) -> list[Any]:
        def columns(q: Any, _: list[Any]) -> list[Any]:
            more = b.icmp_signed(">", b.sub(cols, q), index(v.width))
            many = b.add(index(1), b.zext(more, index))
            switch(b, many, VECTORS, lambda vectors: tile(vectors, r, q))
            return []

        loop(b, cols, VECTORS * v.width, [], columns)
        return []

    loop(b, rows, ROWS, [], band)


def _dot_products(
    b: Any, g: Any, g_at: Any, g_row: Any, x: Any, x_at: Any, x_row: Any, height: Any, rows: Any,
    cols: Any, y: Any, y_at: Any,
) -> None:  # fmt: skip
    v, index = Lanes(b, x), rows.type
    g, x, y = at(b, g, g_at), at(b, x, x_at), at(b, y, y_at)

    def stack(count: int) -> None:
        places = [at(b, y, u * v.width) for u in range(count)]

        def band(r: Any, sums: list[Any]) -> list[Any]:
            g_band, x_band = at(b, g, b.mul(r, g_row)), at(b, x, b.mul(r, x_row))

            def column(q: Any, sums: list[Any]) -> list[Any]:
                sums = list(sums)
                gs = [v.load(at(b, g_band, b.mul(g_row, index(i)), q)) for i in range(ROWS)]
                for row in range(ROWS + count - 1):
                    run = v.load(at(b, x_band, b.mul(x_row, index(row)), q))
                    for u in range(count):
                        if 0 <= row - u < ROWS:
                            i = u * TURNS + row % TURNS
                            sums[i] = v.fma(gs[row - u], run, sums[i])
                return sums

            return loop(b, cols, v.width, sums, column)

        sums = loop(b, rows, ROWS, [v.zero] * (count * TURNS), band)
        for u, place in enumerate(places):
            total = v.load(place)
            for part in sums[u * TURNS : (u + 1) * TURNS]:
                total = b.fadd(total, part)
            v.store(total, place)

    switch(b, height, STACK, stack)


def _gather_rows(
    b: Any, x: Any, x_at: Any, x_row: Any, step: Any, y: Any, y_at: Any, y_row: Any, rows: Any,
    n: Any,
) -> None:  # fmt: skip
    x, y = at(b, x, x_at), at(b, y, y_at)

    def move(stride: int, to: Any, start: Any, v: Lanes, q: Any) -> None:
        to = at(b, to, q)
        if stride == 1:
            v.store(v.load(at(b, start, q)), to)
        elif stride == 2:
            v.store(v.every_second(at(b, start, b.mul(q, step))), to)
        else:  # one by one
            v.store(v.load(at(b, start, b.mul(q, step))), to)

    def case(stride: int) -> None:
        def row(r: Any, _: list[Any]) -> list[Any]:
            to, start = at(b, y, b.mul(r, y_row)), at(b, x, b.mul(r, x_row))
            cover(b, x, n, 1 if stride == 3 else 16, partial(move, stride, to, start))
            return []

        loop(b, rows, 1, [], row)

    index = step.type
    capped = b.select(b.icmp_signed(">", step, index(2)), index(3), step)
    switch(b, capped, 3, case)


def _weave_rows(
    b: Any, x: Any, x_at: Any, x_row: Any, other: Any, y: Any, y_at: Any, y_row: Any, rows: Any,
    n: Any,
) -> None:  # fmt: skip
    x, y = at(b, x, x_at), at(b, y, y_at)

    def row(r: Any, _: list[Any]) -> list[Any]:
        here, to = at(b, x, b.mul(r, x_row)), at(b, y, b.mul(r, y_row))

        def move(v: Lanes, q: Any) -> None:
            first = at(b, here, q)
            v.store_in_turn(v.load(first), v.load(at(b, first, other)), at(b, to, b.add(q, q)))

        cover(b, x, n, 16, move)
        return []

    loop(b, rows, 1, [], row)
