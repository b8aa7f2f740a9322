"""Pooling over 2x2 windows that tile the plane, by vectors: the most common pooling.

    y[i,j] = max or mean of x[2i,2j], x[2i,2j+1], x[2i+1,2j], x[2i+1,2j+1]

Rows of 5 to 112 outputs are too short for a compiler's vector loop, which wants whole vectors.
Here the last vector of a row overlaps the one before, and computes the same again. What limits it:
bytes.
"""

from __future__ import annotations

from typing import Any

from minigrad.kernels.flow import cover
from minigrad.kernels.jit import fill, intrinsic, kernel
from minigrad.kernels.simd import Lanes, at, intrinsic_of
from minigrad.kernels.team import share

__all__ = ["pair_best", "pair_best_grad", "pair_mean", "pair_spread"]


@kernel
def pair_best(team, chunks, x, y, tap):
    """Winner of each window and its tap, 0 to 3; the first of equals.

    A NaN wins, the last of several.
    """
    for p in share(team, chunks):
        for i in range(y.shape[1]):
            _best(x[p, 2 * i], x[p, 2 * i + 1], y.shape[2], y[p, i], tap[p, i])


@kernel
def pair_best_grad(team, chunks, g, tap, gx):
    """Adjoint of `pair_best`: every element of gx is written."""
    oh, ow = g.shape[1], g.shape[2]
    for p in share(team, chunks):
        for r in range(2 * oh, gx.shape[1]):
            fill(gx[p, r], 0)
        for i in range(oh):
            top, bottom = gx[p, 2 * i], gx[p, 2 * i + 1]
            fill(top[2 * ow :], 0)
            fill(bottom[2 * ow :], 0)
            _spread(top, bottom, ow, g[p, i], tap[p, i])


@kernel
def pair_mean(team, chunks, x, factor, y):
    """Sum of each window times factor[0]."""
    for p in share(team, chunks):
        for i in range(y.shape[1]):
            _mean(x[p, 2 * i], x[p, 2 * i + 1], y.shape[2], factor, y[p, i])


@kernel
def pair_spread(team, chunks, g, factor, gx):
    """Adjoint of `pair_mean`: every element of gx is written."""
    oh, ow = g.shape[1], g.shape[2]
    for p in share(team, chunks):
        for r in range(2 * oh, gx.shape[1]):
            fill(gx[p, r], 0)
        for i in range(oh):
            top, bottom = gx[p, 2 * i], gx[p, 2 * i + 1]
            fill(top[2 * ow :], 0)
            fill(bottom[2 * ow :], 0)
            _halve(top, bottom, ow, factor, g[p, i])


# One row of n windows: `top` and `bottom` are its two rows of elements.


@intrinsic
def _best(typingctx, top, bottom, n, best, tap):
    return intrinsic_of(_emit_best, top, bottom, n, best, tap)


@intrinsic
def _spread(typingctx, top, bottom, n, g, tap):
    return intrinsic_of(_emit_spread, top, bottom, n, g, tap)


@intrinsic
def _mean(typingctx, top, bottom, n, factor, y):
    return intrinsic_of(_emit_mean, top, bottom, n, factor, y)


@intrinsic
def _halve(typingctx, top, bottom, n, factor, g):
    return intrinsic_of(_emit_halve, top, bottom, n, factor, g)


def _taps(v: Lanes, top: Any, bottom: Any, j: Any) -> list[Any]:
    """The four elements of the windows from j on, a vector each."""
    return [side for row in (top, bottom) for side in v.out_of_turn(*_row(v, row, j))]


def _row(v: Lanes, row: Any, j: Any) -> list[Any]:
    """The elements of a row that windows from j on have, in two vectors."""
    start = at(v.builder, row, v.builder.add(j, j))
    return [v.load(start), v.load(at(v.builder, start, v.width))]


def _write(v: Lanes, row: Any, j: Any, left: Any, right: Any) -> None:
    v.store_in_turn(left, right, at(v.builder, row, v.builder.add(j, j)))


def _bytes(v: Lanes, pointer: Any) -> Any:
    """A pointer to taps as one to a vector of them."""
    return v.builder.bitcast(pointer, v.ir.VectorType(v.ir.IntType(8), v.width).as_pointer())


def _numbers(v: Lanes, value: int) -> Any:
    return v.ir.Constant(v.ir.VectorType(v.ir.IntType(8), v.width), [value] * v.width)


def _emit_best(b: Any, top: Any, bottom: Any, n: Any, best: Any, tap: Any) -> None:
    def move(v: Lanes, j: Any) -> None:
        taps = _taps(v, top, bottom, j)
        winner, which = taps[0], _numbers(v, 0)
        for k, other in enumerate(taps[1:], 1):
            larger = b.fcmp_ordered(">", other, winner)
            take = b.or_(larger, b.fcmp_unordered("uno", other, other))
            winner = b.select(take, other, winner)
            which = b.select(take, _numbers(v, k), which)
        v.store(winner, at(b, best, j))
        b.store(which, _bytes(v, at(b, tap, j)), align=1)

    cover(b, top, n, 16, move)


def _emit_spread(b: Any, top: Any, bottom: Any, n: Any, g: Any, tap: Any) -> None:
    def move(v: Lanes, j: Any) -> None:
        values, which = v.load(at(b, g, j)), b.load(_bytes(v, at(b, tap, j)), align=1)
        for row, first in ((top, 0), (bottom, 2)):
            left, right = (
                b.select(b.icmp_unsigned("==", which, _numbers(v, first + side)), values, v.zero)
                for side in (0, 1)
            )
            _write(v, row, j, left, right)

    cover(b, top, n, 16, move)


def _emit_mean(b: Any, top: Any, bottom: Any, n: Any, factor: Any, y: Any) -> None:
    def move(v: Lanes, j: Any) -> None:
        sums = [b.fadd(*both) for both in zip(_row(v, top, j), _row(v, bottom, j), strict=True)]
        total = b.fadd(*v.out_of_turn(*sums))
        v.store(b.fmul(total, v.spread(b.load(factor))), at(b, y, j))

    cover(b, top, n, 16, move)


def _emit_halve(b: Any, top: Any, bottom: Any, n: Any, factor: Any, g: Any) -> None:
    def move(v: Lanes, j: Any) -> None:
        share = b.fmul(v.load(at(b, g, j)), v.spread(b.load(factor)))
        for row in (top, bottom):
            _write(v, row, j, share, share)

    cover(b, top, n, 16, move)
