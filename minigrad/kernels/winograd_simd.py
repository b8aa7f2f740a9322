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
from minigrad.kernels.simd import Lanes, Value, at, intrinsic_of

__all__ = [
    "along_both",
    "cotangent_points",
    "filter_cotangent",
    "filter_points",
    "input_points",
    "output_values",
    "tile_cotangent",
    "tile_filter",
    "tile_filter_grad",
    "tile_input",
    "tile_output",
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
    """The 4x4 outputs at y[y_at], rows y_row apart, of the products m[m_at + p·m_point]; + bias."""
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
