"""Register-blocked inner loops of convolutions and products, as LLVM vectors; no policy here.

Numba's own vectoriser does not keep a block of sums in registers across a loop over taps, which is
what reaches the processor's peak. Vectors are as wide as the processor's, found when compiling.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.flow import in_sizes, loop
from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, at, intrinsic_of, lanes, vector_bytes

__all__ = ["DOT_TAPS", "dot_tiles", "half_tiles", "pixels", "places", "product_tiles",
           "tile_rows"]  # fmt: skip

VECTORS = 2  # vectors of neighbouring pixels in a product tile
DOT_TAPS = 4  # taps in a dot tile


@lru_cache(maxsize=1)
def tile_rows() -> tuple[list[int], list[int]]:
    """Rows of product tiles and of dot tiles, so that sums and operands fit the registers.

    AVX2 has 16, AVX-512 and ARM have 32. With AVX2, dot tiles of 3 rows spill and take 1.2 to 1.3
    times as long.
    """
    return ([6, 4, 2, 1], [2, 1]) if vector_bytes() == 32 else ([8, 6, 2, 1], [6, 2, 1])


def pixels(dtype: np.dtype) -> int:
    """Pixels in a product tile; runs of pixels are padded to a multiple of it."""
    return VECTORS * lanes(dtype)


@lru_cache(maxsize=256)
def places(count: int, pitch: int) -> NDArray[np.int64]:
    """Where each of so many runs begins, one `pitch` after the other."""
    return np.arange(count) * pitch


@intrinsic
def product_tiles(
    typingctx, a, a_at, a_row, bias, bias_at, x, x_at, taps, tap_at, n, y, y_at, y_row, rows, floor
):
    """y[y_at + i·y_row + p]
    = bias[bias_at + i] + sum_{t<n} a[a_at + i·a_row + t] · x[x_at + taps[tap_at+t] + p].

    For i < rows and one tile of neighbouring pixels p; `floor` where that is less. All arrays are
    flat.
    """
    return intrinsic_of(
        _emit_product, a, a_at, a_row, bias, bias_at, x, x_at, taps, tap_at, n, y, y_at, y_row,
        rows, floor,
    )  # fmt: skip


@intrinsic
def half_tiles(
    typingctx, a, a_at, a_row, bias, bias_at, x, x_at, taps, tap_at, n, y, y_at, y_row, rows, floor
):
    """`product_tiles` for half as many pixels."""
    return intrinsic_of(
        _emit_half, a, a_at, a_row, bias, bias_at, x, x_at, taps, tap_at, n, y, y_at, y_row, rows,
        floor,
    )  # fmt: skip


@intrinsic
def dot_tiles(
    typingctx, g, g_at, g_row, g_item, x, x_item, taps, many, n, items, y, y_at, y_row, rows
):
    """y[y_at + i·y_row + j] += the dot product of run i of g and the run of x at tap j.

        sum_{b<items, p<n} g[g_at + i·g_row + b·g_item + p] · x[taps[j] + b·x_item + p]

    For i < rows and j < many, a multiple of DOT_TAPS; n is one of the vector length.
    """
    return intrinsic_of(
        _emit_dot, g, g_at, g_row, g_item, x, x_item, taps, many, n, items, y, y_at, y_row, rows
    )


def _emit_half(b: Any, *arguments: Any) -> None:
    _emit_product(b, *arguments, vectors=VECTORS // 2)


def _emit_product(
    b: Any, a: Any, a_at: Any, a_row: Any, bias: Any, bias_at: Any, x: Any, x_at: Any, taps: Any,
    tap_at: Any, n: Any, y: Any, y_at: Any, y_row: Any, rows: Any, floor: Any,
    vectors: int = VECTORS,
) -> None:  # fmt: skip
    v = Lanes(b, x)
    index = n.type
    a, x, y, taps = at(b, a, a_at), at(b, x, x_at), at(b, y, y_at), at(b, taps, tap_at)
    steps = [index(k * v.width) for k in range(vectors)]

    def tile(first: Any, count: int) -> None:
        rows = [b.add(first, index(i)) for i in range(count)]
        starts = [at(b, a, b.mul(a_row, row)) for row in rows]

        def tap(t: Any, sums: list[Any]) -> list[Any]:
            here = at(b, x, b.load(at(b, taps, t)))
            run = [v.load(at(b, here, s)) for s in steps]
            new = []
            for i in range(count):
                weight = v.spread(b.load(at(b, starts[i], t)))
                for k in range(vectors):
                    new.append(v.fma(weight, run[k], sums[i * vectors + k]))
            return new

        shifts = [v.spread(b.load(at(b, bias, bias_at, row))) for row in rows]
        sums = loop(b, n, 1, [s for s in shifts for _ in range(vectors)], tap)
        for i, row in enumerate(rows):
            line = at(b, y, b.mul(y_row, row))
            for k in range(vectors):
                v.store(v.at_least(sums[i * vectors + k], floor), at(b, line, steps[k]))

    in_sizes(b, rows, tile_rows()[0], tile)


def _emit_dot(
    b: Any, g: Any, g_at: Any, g_row: Any, g_item: Any, x: Any, x_item: Any, taps: Any, many: Any,
    n: Any, items: Any, y: Any, y_at: Any, y_row: Any, rows: Any,
) -> None:  # fmt: skip
    v = Lanes(b, x)
    index = n.type
    g, y = at(b, g, g_at), at(b, y, y_at)

    def tile(first: Any, count: int) -> None:
        loop(b, many, DOT_TAPS, [], lambda tap, _: dots(first, count, tap))

    def dots(first: Any, count: int, tap: Any) -> list[Any]:
        rows = [b.add(first, index(i)) for i in range(count)]
        planes = [at(b, x, b.load(at(b, taps, tap, index(j)))) for j in range(DOT_TAPS)]
        lines = [at(b, g, b.mul(g_row, row)) for row in rows]

        def item(k: Any, sums: list[Any]) -> list[Any]:
            g_skip, x_skip = b.mul(k, g_item), b.mul(k, x_item)

            def run(p: Any, sums: list[Any]) -> list[Any]:
                gs = [v.load(at(b, line, g_skip, p)) for line in lines]
                xs = [v.load(at(b, plane, x_skip, p)) for plane in planes]
                return [v.fma(gi, xj, s) for (gi, xj), s in zip(product(gs, xs), sums)]

            return loop(b, n, v.width, sums, run)

        sums = loop(b, items, 1, [v.zero] * (count * DOT_TAPS), item)
        for i, row in enumerate(rows):
            for j in range(DOT_TAPS):
                place = at(b, y, b.mul(y_row, row), tap, index(j))
                b.store(b.fadd(b.load(place), v.total(sums[i * DOT_TAPS + j])), place)
        return []

    in_sizes(b, rows, tile_rows()[1], tile)
