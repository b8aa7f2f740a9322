"""Rows and runs of single planes as LLVM vectors: copies, sums over taps, dot products. No policy.

Rows are short, so that a loop with a scalar rest would cost more than it saves: a row is copied in
the widest vectors that fit it, the last of which overlaps the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, at, intrinsic_of, loop, switch, vector_bytes

__all__ = ["DOTS", "dot_products", "gather_rows", "tap_sums", "tile", "weave_rows"]

TILE_BYTES = 256  # outputs summed at once: 4 vectors hide the latency of a multiply-add
DOTS = 9  # taps whose dot products are summed at once: a window of 3x3


def tile(dtype: np.dtype) -> int:
    """Outputs that `tap_sums` computes at once."""
    return TILE_BYTES // dtype.itemsize


@intrinsic
def tap_sums(typingctx, x, x_at, taps, tap_at, n, w, w_at, bias, bias_at, y, y_at, count):
    """y[y_at + p] = bias[bias_at] + sum_{t<n} w[w_at + t] · x[x_at + taps[tap_at + t] + p].

    For p < count, rounded up to whole tiles.
    """
    return intrinsic_of(_tap_sums, x, x_at, taps, tap_at, n, w, w_at, bias, bias_at, y, y_at, count)


@intrinsic
def dot_products(typingctx, g, g_at, x, x_at, taps, tap_at, n, y, y_at, many):
    """y[y_at + j·L + l] += sum_{p<n, p%L=l} g[g_at + p] · x[x_at + taps[tap_at + j] + p].

    For j < many <= DOTS; n is a multiple of L, the vector's length.
    """
    return intrinsic_of(_dot_products, g, g_at, x, x_at, taps, tap_at, n, y, y_at, many)


@intrinsic
def gather_rows(typingctx, x, x_at, x_row, step, y, y_at, y_row, rows, n):
    """y[y_at + r·y_row + q] = x[x_at + r·x_row + q·step] for r < rows, q < n."""
    return intrinsic_of(_gather_rows, x, x_at, x_row, step, y, y_at, y_row, rows, n)


@intrinsic
def weave_rows(typingctx, x, x_at, x_row, other, y, y_at, y_row, rows, n):
    """y[y_at + r·y_row + 2·q + s] = x[x_at + r·x_row + s·other + q] for r < rows, q < n, s < 2."""
    return intrinsic_of(_weave_rows, x, x_at, x_row, other, y, y_at, y_row, rows, n)


def _tap_sums(
    b: Any, x: Any, x_at: Any, taps: Any, tap_at: Any, n: Any, w: Any, w_at: Any, bias: Any,
    bias_at: Any, y: Any, y_at: Any, count: Any,
) -> None:  # fmt: skip
    v = Lanes(b, x)
    vectors = TILE_BYTES // vector_bytes()
    x, y, taps, w = at(b, x, x_at), at(b, y, y_at), at(b, taps, tap_at), at(b, w, w_at)
    shift = v.spread(b.load(at(b, bias, bias_at)))

    def tile(p: Any, _: list[Any]) -> list[Any]:
        start = at(b, x, p)

        def tap(t: Any, sums: list[Any]) -> list[Any]:
            here, weight = at(b, start, b.load(at(b, taps, t))), v.spread(b.load(at(b, w, t)))
            return [v.fma(weight, v.load(at(b, here, k * v.width)), s) for k, s in enumerate(sums)]

        for k, s in enumerate(loop(b, n, 1, [shift] * vectors, tap)):
            v.store(s, at(b, y, p, k * v.width))
        return []

    loop(b, count, vectors * v.width, [], tile)


def _dot_products(
    b: Any, g: Any, g_at: Any, x: Any, x_at: Any, taps: Any, tap_at: Any, n: Any, y: Any,
    y_at: Any, many: Any,
) -> None:  # fmt: skip
    v = Lanes(b, x)
    g, x, taps, y = at(b, g, g_at), at(b, x, x_at), at(b, taps, tap_at), at(b, y, y_at)

    def dots(count: int) -> None:
        planes = [at(b, x, b.load(at(b, taps, j))) for j in range(count)]
        places = [at(b, y, j * v.width) for j in range(count)]

        def run(p: Any, sums: list[Any]) -> list[Any]:
            cotangent = v.load(at(b, g, p))
            return [
                v.fma(cotangent, v.load(at(b, plane, p)), s)
                for plane, s in zip(planes, sums, strict=True)
            ]

        sums = loop(b, n, v.width, [v.load(p) for p in places], run)
        for place, s in zip(places, sums, strict=True):
            v.store(s, place)

    switch(b, many, DOTS, dots)


def _gather_rows(
    b: Any, x: Any, x_at: Any, x_row: Any, step: Any, y: Any, y_at: Any, y_row: Any, rows: Any,
    n: Any,
) -> None:  # fmt: skip
    x, y = at(b, x, x_at), at(b, y, y_at)

    def move(stride: int, vector: _Narrow, r: Any, q: Any) -> None:
        to, start = at(b, y, b.mul(r, y_row), q), at(b, x, b.mul(r, x_row))
        width = vector.width
        if stride == 1:
            vector.store(vector.load(at(b, start, q)), to)
        elif width == 1:
            vector.store(vector.load(at(b, start, b.mul(q, step))), to)
        else:
            here = at(b, start, b.mul(q, q.type(2)))
            low, high = vector.load(here), vector.load(at(b, here, width - 1))  # not past the row
            evens = [*range(0, width, 2), *range(width + 1, 2 * width, 2)]
            vector.store(vector.shuffle(low, high, evens), to)

    def case(stride: int) -> None:
        _each_row(b, x, rows, n, 1 if stride == 3 else 16, lambda *a: move(stride, *a))

    index = step.type
    capped = b.select(b.icmp_signed(">", step, index(2)), index(3), step)
    switch(b, capped, 3, case)


def _weave_rows(
    b: Any, x: Any, x_at: Any, x_row: Any, other: Any, y: Any, y_at: Any, y_row: Any, rows: Any,
    n: Any,
) -> None:  # fmt: skip
    x, y = at(b, x, x_at), at(b, y, y_at)

    def move(vector: _Narrow, r: Any, q: Any) -> None:
        here, to = at(b, x, b.mul(r, x_row), q), at(b, y, b.mul(r, y_row), b.mul(q, q.type(2)))
        first, second, width = vector.load(here), vector.load(at(b, here, other)), vector.width
        if width == 1:
            vector.store(first, to)
            vector.store(second, at(b, to, 1))
            return
        order = [i for k in range(width) for i in (k, width + k)]
        vector.store(vector.shuffle(first, second, order[:width]), to)
        vector.store(vector.shuffle(first, second, order[width:]), at(b, to, width))

    _each_row(b, x, rows, n, 16, move)


class _Narrow:
    """Loads, stores and shuffles of a vector of `width` elements; of one, a scalar."""

    def __init__(self, builder: Any, pointer: Any, width: int) -> None:
        self.lanes = Lanes(builder, pointer)
        self.width = self.lanes.width = width
        scalar = self.lanes.scalar
        self.lanes.type = scalar if width == 1 else self.lanes.ir.VectorType(scalar, width)
        self.load, self.store, self.shuffle = (
            self.lanes.load, self.lanes.store, self.lanes.shuffle,
        )  # fmt: skip


def _each_row(
    b: Any, x: Any, rows: Any, n: Any, widest: int, move: Callable[[_Narrow, Any, Any], None]
) -> None:
    """move(vector, r, q) for r < rows, covering q < n with the widest vectors that fit n."""
    widths = [1]
    while 2 * widths[-1] <= min(widest, Lanes(b, x).width):
        widths.append(2 * widths[-1])
    fits = n.type(0)
    for width in widths:
        fits = b.add(fits, b.zext(b.icmp_signed(">=", n, n.type(width)), n.type))

    def case(which: int) -> None:
        vector = _Narrow(b, x, widths[which - 1])
        last = b.sub(n, n.type(vector.width))

        def row(r: Any, _: list[Any]) -> list[Any]:
            def column(q: Any, _: list[Any]) -> list[Any]:
                move(vector, r, b.select(b.icmp_signed("<", q, last), q, last))
                return []

            loop(b, n, vector.width, [], column)
            return []

        loop(b, rows, 1, [], row)

    switch(b, fits, len(widths), case)
