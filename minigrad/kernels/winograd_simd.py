"""Winograd's transforms as formulas, and the vector code that applies them in registers.

Cook-Toom's algorithm F(4, 3) makes 4 outputs of a 3-tap correlation from 6 products:

    y = Aᵀ [(G w) · (Bᵀ d)]

by evaluating both as polynomials in the points 0, ±a, ±b, ∞ (Lavin and Gray 2016, section 4). With
a = 1/√2 and b = √2 the largest rounding error is a quarter of that with a = 1, b = 2. Tiles apply
it along both axes. The formulas take anything with +, − and ·: vectors here, arrays in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, Value, at, intrinsic_of, loop, switch, vector_bytes

__all__ = [
    "along_both",
    "cotangent_points",
    "filter_cotangent",
    "filter_points",
    "input_points",
    "load_transposed",
    "output_values",
    "panel_product",
    "panel_rows",
    "store_transposed",
    "tile_cotangent",
    "tile_filter",
    "tile_filter_grad",
    "tile_input",
    "tile_output",
    "tile_sums",
]

A, B = 0.5**0.5, 2.0**0.5
N_A, N_B = -1.5, 6.0  # the products of differences that Lagrange's formula divides by


def input_points(d: list[Any]) -> list[Any]:
    """Bᵀ d: 6 pixels at the 6 points."""
    even_a, odd_a = d[4] - 2.0 * d[2], A * d[3] - B * d[1]
    even_b, odd_b = d[4] - 0.5 * d[2], B * d[3] - A * d[1]
    return [
        d[0] - 2.5 * d[2] + d[4],
        *(even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b),
        d[1] - 2.5 * d[3] + d[5],
    ]


def filter_points(w: list[Any]) -> list[Any]:
    """G w: 3 taps at the 6 points, over Lagrange's divisors."""
    even_a, odd_a = (1 / N_A) * w[0] + (0.5 / N_A) * w[2], (A / N_A) * w[1]
    even_b, odd_b = (1 / N_B) * w[0] + (2.0 / N_B) * w[2], (B / N_B) * w[1]
    return [w[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w[2]]


def output_values(m: list[Any]) -> list[Any]:
    """Aᵀ m: 4 outputs from the products at the 6 points."""
    sum_a, odd_a, sum_b, odd_b = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [
        m[0] + sum_a + sum_b,
        A * odd_a + B * odd_b,
        0.5 * sum_a + 2.0 * sum_b,
        (0.5 * A) * odd_a + (2.0 * B) * odd_b + m[5],
    ]


def cotangent_points(g: list[Any]) -> list[Any]:
    """A g, the adjoint of `output_values`: 4 cotangents at the 6 points."""
    even_a, odd_a = g[0] + 0.5 * g[2], A * g[1] + (0.5 * A) * g[3]
    even_b, odd_b = g[0] + 2.0 * g[2], B * g[1] + (2.0 * B) * g[3]
    return [g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[3]]


def filter_cotangent(u: list[Any]) -> list[Any]:
    """Gᵀ u, the adjoint of `filter_points`: 3 taps from 6 points."""
    sum_a, odd_a, sum_b, odd_b = u[1] + u[2], u[1] - u[2], u[3] + u[4], u[3] - u[4]
    return [
        u[0] + (1 / N_A) * sum_a + (1 / N_B) * sum_b,
        (A / N_A) * odd_a + (B / N_B) * odd_b,
        (0.5 / N_A) * sum_a + (2.0 / N_B) * sum_b + u[5],
    ]


def along_both(formula: Callable[[list[Any]], list[Any]], tile: list[list[Any]]) -> list[list[Any]]:
    """A formula applied to the columns of a square of values, then to the rows."""
    columns = [formula([row[j] for row in tile]) for j in range(len(tile))]
    return [formula([column[i] for column in columns]) for i in range(len(columns[0]))]


# Tiles: each number of the formula is a vector over channels.


@intrinsic
def tile_input(typingctx, x, x_at, x_row, v, v_at, v_point):
    """v[v_at + p·v_point] = the 6x6 tile of vectors at x[x_at], rows x_row apart, at point p."""
    return intrinsic_of(_tile(input_points, 6), x, x_at, x_row, v, v_at, v_point)


@intrinsic
def tile_cotangent(typingctx, g, g_at, g_row, v, v_at, v_point):
    """v[v_at + p·v_point] = the 4x4 tile of cotangents at g[g_at], rows g_row apart, at point p."""
    return intrinsic_of(_tile(cotangent_points, 4), g, g_at, g_row, v, v_at, v_point)


@intrinsic
def tile_filter(typingctx, w, w_at, u, u_at, u_point):
    """u[u_at + p·u_point] = the 3x3 filters at w[w_at], vectors one after the other, at point p."""
    return intrinsic_of(_tile_filter, w, w_at, u, u_at, u_point)


@intrinsic
def tile_output(typingctx, m, m_at, m_point, bias, bias_at, y, y_at, y_row):
    """The 4x4 outputs at y[y_at], rows y_row apart, from the products m[m_at + p·m_point], + bias."""
    return intrinsic_of(_tile_output, m, m_at, m_point, bias, bias_at, y, y_at, y_row)


@intrinsic
def tile_filter_grad(typingctx, u, u_at, u_point, w, w_at):
    """Adjoint of `tile_filter`."""
    return intrinsic_of(_tile_filter_grad, u, u_at, u_point, w, w_at)


def _tile(formula: Any, size: int) -> Any:
    def emit(b: Any, x: Any, x_at: Any, x_row: Any, v: Any, v_at: Any, v_point: Any) -> None:
        lanes = Lanes(b, x)
        rows = _rows(b, at(b, x, x_at), x_row, size)
        tile = [[_read(lanes, at(b, row, j * lanes.width)) for j in range(size)] for row in rows]
        _write_points(b, lanes, along_both(formula, tile), at(b, v, v_at), v_point)

    return emit


def _tile_filter(b: Any, w: Any, w_at: Any, u: Any, u_at: Any, u_point: Any) -> None:
    lanes = Lanes(b, w)
    start = at(b, w, w_at)
    taps = [_read(lanes, at(b, start, k * lanes.width)) for k in range(9)]
    tile = [taps[0:3], taps[3:6], taps[6:9]]
    _write_points(b, lanes, along_both(filter_points, tile), at(b, u, u_at), u_point)


def _tile_output(
    b: Any, m: Any, m_at: Any, m_point: Any, bias: Any, bias_at: Any, y: Any, y_at: Any, y_row: Any
) -> None:
    lanes = Lanes(b, m)
    tile = along_both(output_values, _read_points(b, lanes, at(b, m, m_at), m_point))
    shift = _read(lanes, at(b, bias, bias_at))
    for row, line in zip(_rows(b, at(b, y, y_at), y_row, 4), tile, strict=True):
        for j, value in enumerate(line):
            lanes.store((value + shift).value, at(b, row, j * lanes.width))


def _tile_filter_grad(b: Any, u: Any, u_at: Any, u_point: Any, w: Any, w_at: Any) -> None:
    lanes = Lanes(b, u)
    tile = along_both(filter_cotangent, _read_points(b, lanes, at(b, u, u_at), u_point))
    start = at(b, w, w_at)
    for k, value in enumerate(value for line in tile for value in line):
        lanes.store(value.value, at(b, start, k * lanes.width))


def _read(lanes: Lanes, pointer: Any) -> Value:
    return Value(lanes, lanes.load(pointer))


def _rows(b: Any, start: Any, pitch: Any, count: int) -> list[Any]:
    rows = [start]
    for _ in range(count - 1):
        rows.append(at(b, rows[-1], pitch))
    return rows


def _read_points(b: Any, lanes: Lanes, start: Any, point: Any) -> list[list[Any]]:
    values = [_read(lanes, pointer) for pointer in _rows(b, start, point, 36)]
    return [values[6 * i : 6 * i + 6] for i in range(6)]


def _write_points(b: Any, lanes: Lanes, tile: list[list[Any]], start: Any, point: Any) -> None:
    values = [value for line in tile for value in line]
    for value, pointer in zip(values, _rows(b, start, point, 36), strict=True):
        lanes.store(value.value, pointer)


# Products: panels of tiles times vectors of filters, per point.


def panel_rows(vectors: int) -> int:
    """Tiles in a panel whose sums stay in registers, for 1 or 2 vectors of filters.

    AVX2 has 16 registers, AVX-512 and ARM have 32; one vector needs 8 to 10 sums to hide the
    latency of a multiply-add.
    """
    if vector_bytes() == 32:
        return 12 if vectors == 1 else 6
    return 14


@intrinsic
def panel_product(
    typingctx, v, v_at, v_block, blocks, u, u_at, u_block, m, m_at, m_block, first, rows, vectors
):
    """m[m_at + j·m_block + r·L + l] (+)= sum_{c} v[.. + r·L + c] · u[u_at + j·u_block + c·L + l].

    Channels come in blocks of L, the vector's length, v_block apart in v. For r < rows <=
    panel_rows(vectors) and j < vectors <= 2. `first` overwrites what stood in m.
    """
    return intrinsic_of(
        _panel_product, v, v_at, v_block, blocks, u, u_at, u_block, m, m_at, m_block, first, rows,
        vectors,
    )  # fmt: skip


@intrinsic
def tile_sums(typingctx, v, v_at, m, m_at, tiles, u, u_at, first):
    """u[u_at + c·L + l] (+)= sum_{t<tiles} v[v_at + t·L + c] · m[m_at + t·L + l], c and l < L."""
    return intrinsic_of(_tile_sums, v, v_at, m, m_at, tiles, u, u_at, first)


UNROLL = 4  # channels per turn of the product's loop


def _panel_product(
    b: Any, v: Any, v_at: Any, v_block: Any, blocks: Any, u: Any, u_at: Any, u_block: Any,
    m: Any, m_at: Any, m_block: Any, first: Any, rows: Any, vectors: Any,
) -> None:  # fmt: skip
    lanes = Lanes(b, v)
    width, index = lanes.width, rows.type
    v, u, m = at(b, v, v_at), at(b, u, u_at), at(b, m, m_at)
    fresh = b.icmp_signed("!=", first, index(0))

    def panel(count: int, many: int) -> None:
        outs = [
            [at(b, m, b.mul(m_block, index(j)), r * width) for j in range(many)]
            for r in range(count)
        ]
        sums = [b.select(fresh, lanes.zero, lanes.load(p)) for row in outs for p in row]

        def block(k: Any, sums: list[Any]) -> list[Any]:
            v_here = at(b, v, b.mul(k, v_block))
            u_here = at(b, u, b.mul(k, index(width * width)))

            def channels(c: Any, sums: list[Any]) -> list[Any]:
                vs, us = at(b, v_here, c), at(b, u_here, b.mul(c, index(width)))
                for step in range(UNROLL):
                    filters = [
                        lanes.load(at(b, us, b.mul(u_block, index(j)), step * width))
                        for j in range(many)
                    ]
                    new = []
                    for r in range(count):
                        pixel = lanes.spread(b.load(at(b, vs, r * width + step)))
                        new += [
                            lanes.fma(pixel, filters[j], sums[r * many + j]) for j in range(many)
                        ]
                    sums = new
                return sums

            return loop(b, index(width), UNROLL, sums, channels)

        sums = loop(b, blocks, 1, sums, block)
        for pointer, value in zip([p for row in outs for p in row], sums, strict=True):
            lanes.store(value, pointer)

    limit = max(panel_rows(1), panel_rows(2))

    def numbered(case: int) -> None:
        many = 1 if case <= limit else 2
        count = case - (many - 1) * limit
        if count <= panel_rows(many):
            panel(count, many)

    case = b.add(rows, b.mul(b.sub(vectors, index(1)), index(limit)))
    switch(b, case, 2 * limit, numbered)


def _tile_sums(
    b: Any, v: Any, v_at: Any, m: Any, m_at: Any, tiles: Any, u: Any, u_at: Any, first: Any
) -> None:
    lanes = Lanes(b, v)
    width, index = lanes.width, tiles.type
    v, m, u = at(b, v, v_at), at(b, m, m_at), at(b, u, u_at)
    fresh = b.icmp_signed("!=", first, index(0))
    outs = [at(b, u, r * width) for r in range(width)]
    sums = [b.select(fresh, lanes.zero, lanes.load(p)) for p in outs]

    def tile(t: Any, sums: list[Any]) -> list[Any]:
        here = b.mul(t, index(width))
        cotangent, vs = lanes.load(at(b, m, here)), at(b, v, here)
        return [
            lanes.fma(lanes.spread(b.load(at(b, vs, r))), cotangent, s) for r, s in enumerate(sums)
        ]

    for pointer, value in zip(outs, loop(b, tiles, 1, sums, tile), strict=True):
        lanes.store(value, pointer)


# Between pixels in a row (NCHW) and channels in a vector.


@intrinsic
def load_transposed(typingctx, x, x_at, x_row, count, y, y_at, table, p):
    """y[y_at + table[p + j] + l] = x[x_at + l·x_row + p + j] for j, l < L; 0 for l >= count."""
    return intrinsic_of(_load_transposed, x, x_at, x_row, count, y, y_at, table, p)


@intrinsic
def store_transposed(typingctx, x, x_at, table, p, y, y_at, y_row, count):
    """y[y_at + l·y_row + p + j] = x[x_at + table[p + j] + l] for j < L, l < count."""
    return intrinsic_of(_store_transposed, x, x_at, table, p, y, y_at, y_row, count)


def _load_transposed(
    b: Any, x: Any, x_at: Any, x_row: Any, count: Any, y: Any, y_at: Any, table: Any, p: Any
) -> None:
    lanes = Lanes(b, x)
    start, places, y = at(b, x, x_at, p), at(b, table, p), at(b, y, y_at)
    rows = []
    for i in range(lanes.width):
        inside = b.icmp_signed(">", count, count.type(i))
        pointer = at(b, start, b.mul(x_row, b.select(inside, count.type(i), count.type(0))))
        rows.append(b.select(inside, lanes.load(pointer), lanes.zero))
    for j, column in enumerate(lanes.transpose(rows)):
        lanes.store(column, at(b, y, b.load(at(b, places, j))))


def _store_transposed(
    b: Any, x: Any, x_at: Any, table: Any, p: Any, y: Any, y_at: Any, y_row: Any, count: Any
) -> None:
    from numba.core import cgutils

    lanes = Lanes(b, x)
    x, places, start = at(b, x, x_at), at(b, table, p), at(b, y, y_at, p)
    nowhere = b.bitcast(cgutils.alloca_once(b, lanes.type), y.type)
    columns = [lanes.load(at(b, x, b.load(at(b, places, j)))) for j in range(lanes.width)]
    for i, row in enumerate(lanes.transpose(columns)):
        inside = b.icmp_signed(">", count, count.type(i))
        pointer = at(b, start, b.mul(y_row, count.type(i)))
        lanes.store(row, b.select(inside, pointer, nowhere))
