"""Pooling over 2x2 windows that tile the plane, by vectors: the most common pooling.

    y[i,j] = max or mean of x[2i,2j], x[2i,2j+1], x[2i+1,2j], x[2i+1,2j+1]

Rows of 5 to 112 outputs are too short for a compiler's vector loop, which wants whole vectors.
Here the last vector of a row overlaps the one before, and computes the same again. What limits it:
bytes.
"""

from __future__ import annotations

from typing import Any

from minigrad.kernels.jit import intrinsic, kernel
from minigrad.kernels.simd import at, intrinsic_of

__all__ = ["pair_best", "pair_best_grad", "pair_mean", "pair_spread"]


@kernel
def pair_best(start, stop, x, y, tap):
    """Winner of each window and its tap, 0 to 3, planes start..stop of x; the first of equals.

    A NaN wins, the last of several.
    """
    ow = y.shape[2]
    for p in range(start, stop):
        for i in range(y.shape[1]):
            top, bottom, best, at_ = x[p, 2 * i], x[p, 2 * i + 1], y[p, i], tap[p, i]
            if ow >= 16:
                for j in range(0, ow, 16):
                    _best_16(top, bottom, min(j, ow - 16), best, at_)
            elif ow >= 4:
                for j in range(0, ow, 4):
                    _best_4(top, bottom, min(j, ow - 4), best, at_)
            else:
                for j in range(ow):
                    winner, t = top[2 * j], 0
                    for k in range(1, 4):
                        other = top[2 * j + k] if k < 2 else bottom[2 * j + k - 2]
                        if (other > winner) | (other != other):
                            winner, t = other, k
                    best[j], at_[j] = winner, t


@kernel
def pair_best_grad(start, stop, g, tap, gx):
    """Adjoint of `pair_best`: every element of planes start..stop of gx is written."""
    oh, ow = g.shape[1], g.shape[2]
    for p in range(start, stop):
        gx[p, 2 * oh :] = 0
        for i in range(oh):
            top, bottom, line, at_ = gx[p, 2 * i], gx[p, 2 * i + 1], g[p, i], tap[p, i]
            top[2 * ow :] = 0
            bottom[2 * ow :] = 0
            if ow >= 16:
                for j in range(0, ow, 16):
                    _spread_16(top, bottom, min(j, ow - 16), line, at_)
            elif ow >= 4:
                for j in range(0, ow, 4):
                    _spread_4(top, bottom, min(j, ow - 4), line, at_)
            else:
                for j in range(ow):
                    for k in range(4):
                        value = line[j] if at_[j] == k else g.dtype.type(0)
                        if k < 2:
                            top[2 * j + k] = value
                        else:
                            bottom[2 * j + k - 2] = value


@kernel
def pair_mean(start, stop, x, divisor, y):
    """Sum of each window over divisor[0], planes start..stop of x."""
    ow = y.shape[2]
    for p in range(start, stop):
        for i in range(y.shape[1]):
            top, bottom, line = x[p, 2 * i], x[p, 2 * i + 1], y[p, i]
            if ow >= 16:
                for j in range(0, ow, 16):
                    _mean_16(top, bottom, min(j, ow - 16), divisor, line)
            elif ow >= 4:
                for j in range(0, ow, 4):
                    _mean_4(top, bottom, min(j, ow - 4), divisor, line)
            else:
                for j in range(ow):
                    total = top[2 * j] + top[2 * j + 1] + (bottom[2 * j] + bottom[2 * j + 1])
                    line[j] = total / divisor[0]


@kernel
def pair_spread(start, stop, g, divisor, gx):
    """Adjoint of `pair_mean`: every element of planes start..stop of gx is written."""
    oh, ow = g.shape[1], g.shape[2]
    for p in range(start, stop):
        gx[p, 2 * oh :] = 0
        for i in range(oh):
            top, bottom, line = gx[p, 2 * i], gx[p, 2 * i + 1], g[p, i]
            top[2 * ow :] = 0
            bottom[2 * ow :] = 0
            if ow >= 16:
                for j in range(0, ow, 16):
                    _share_16(top, bottom, min(j, ow - 16), divisor, line)
            elif ow >= 4:
                for j in range(0, ow, 4):
                    _share_4(top, bottom, min(j, ow - 4), divisor, line)
            else:
                for j in range(ow):
                    value = line[j] / divisor[0]
                    top[2 * j], top[2 * j + 1] = value, value
                    bottom[2 * j], bottom[2 * j + 1] = value, value


@intrinsic
def _mean_16(typingctx, top, bottom, j, divisor, y):
    return _of(_emit_mean, 16, top, bottom, j, divisor, y)


@intrinsic
def _mean_4(typingctx, top, bottom, j, divisor, y):
    return _of(_emit_mean, 4, top, bottom, j, divisor, y)


@intrinsic
def _share_16(typingctx, top, bottom, j, divisor, g):
    return _of(_emit_share, 16, top, bottom, j, divisor, g)


@intrinsic
def _share_4(typingctx, top, bottom, j, divisor, g):
    return _of(_emit_share, 4, top, bottom, j, divisor, g)


@intrinsic
def _best_16(typingctx, top, bottom, j, best, tap):
    return _of(_emit_best, 16, top, bottom, j, best, tap)


@intrinsic
def _best_4(typingctx, top, bottom, j, best, tap):
    return _of(_emit_best, 4, top, bottom, j, best, tap)


@intrinsic
def _spread_16(typingctx, top, bottom, j, g, tap):
    return _of(_emit_spread, 16, top, bottom, j, g, tap)


@intrinsic
def _spread_4(typingctx, top, bottom, j, g, tap):
    return _of(_emit_spread, 4, top, bottom, j, g, tap)


def _of(emit: Any, count: int, *types_: Any) -> Any:
    return intrinsic_of(lambda b, *values: emit(b, count, *values), *types_)


def _vector(b: Any, count: int, pointer: Any) -> Any:
    """A pointer to `count` elements as one to a vector."""
    from llvmlite import ir

    return b.bitcast(pointer, ir.VectorType(pointer.type.pointee, count).as_pointer())


def _load(b: Any, count: int, pointer: Any) -> Any:
    return b.load(_vector(b, count, pointer), align=1)


def _mask(order: list[int]) -> Any:
    from llvmlite import ir

    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)


def _numbers(count: int, value: int) -> Any:
    from llvmlite import ir

    return ir.Constant(ir.VectorType(ir.IntType(8), count), [value] * count)


def _taps(b: Any, n: int, top: Any, bottom: Any, j: Any) -> list[Any]:
    """The four elements of n windows, a vector each."""
    # Every second of 2n elements; the two vectors overlap by one, so that none past them is read.
    every_second = _mask([*range(0, n, 2), *range(n + 1, 2 * n, 2)])
    taps = []
    for row in (top, bottom):
        for side in (0, 1):
            here = at(b, row, b.add(j, j), side)
            first, second = _load(b, n, here), _load(b, n, at(b, here, n - 1))
            taps.append(b.shuffle_vector(first, second, every_second))
    return taps


def _write(b: Any, n: int, row: Any, j: Any, left: Any, right: Any) -> None:
    """The two elements of n windows in one row, in turn."""
    for k in (0, 1):
        turn = _mask([i for p in range(k * n // 2, (k + 1) * n // 2) for i in (p, n + p)])
        place = _vector(b, n, at(b, row, b.add(j, j), k * n))
        b.store(b.shuffle_vector(left, right, turn), place, align=1)


def _spread_number(b: Any, n: int, pointer: Any) -> Any:
    from llvmlite import ir

    undefined = ir.Constant(ir.VectorType(pointer.type.pointee, n), ir.Undefined)
    one = b.insert_element(undefined, b.load(pointer), ir.IntType(32)(0))
    return b.shuffle_vector(one, undefined, _mask([0] * n))


def _emit_mean(b: Any, n: int, top: Any, bottom: Any, j: Any, divisor: Any, y: Any) -> None:
    one, two, three, four = _taps(b, n, top, bottom, j)
    total = b.fadd(b.fadd(one, two), b.fadd(three, four))
    mean = b.fdiv(total, _spread_number(b, n, divisor))
    b.store(mean, _vector(b, n, at(b, y, j)), align=1)


def _emit_share(b: Any, n: int, top: Any, bottom: Any, j: Any, divisor: Any, g: Any) -> None:
    share = b.fdiv(_load(b, n, at(b, g, j)), _spread_number(b, n, divisor))
    for row in (top, bottom):
        _write(b, n, row, j, share, share)


def _emit_best(b: Any, n: int, top: Any, bottom: Any, j: Any, best: Any, tap: Any) -> None:
    taps = _taps(b, n, top, bottom, j)
    winner, which = taps[0], _numbers(n, 0)
    for k, other in enumerate(taps[1:], 1):
        larger = b.fcmp_ordered(">", other, winner)
        take = b.or_(larger, b.fcmp_unordered("uno", other, other))
        winner = b.select(take, other, winner)
        which = b.select(take, _numbers(n, k), which)
    b.store(winner, _vector(b, n, at(b, best, j)), align=1)
    b.store(which, _vector(b, n, at(b, tap, j)), align=1)


def _emit_spread(b: Any, n: int, top: Any, bottom: Any, j: Any, g: Any, tap: Any) -> None:
    from llvmlite import ir

    values, which = _load(b, n, at(b, g, j)), _load(b, n, at(b, tap, j))
    zero = ir.Constant(values.type, None)
    for row, first in ((top, 0), (bottom, 2)):
        left, right = (
            b.select(b.icmp_unsigned("==", which, _numbers(n, first + side)), values, zero)
            for side in (0, 1)
        )
        _write(b, n, row, j, left, right)
