"""Sums and maps over the lines of one channel, by vectors; no policy here.

A channel of (N, C, L) is N lines of L neighbouring elements. Lanes sum in the dtype of the data, at
most some thousand elements of a call; totals are float64. Where a sum's last vector overlaps the
one before, it leaves out what it has met. A map may write where it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.kernels.flow import loop, switch
from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, at, intrinsic_of

__all__ = ["affine_lines", "grad_lines", "sum_gradients", "sum_moments"]

UNROLL = 4  # vectors per turn, each with sums of its own, to hide the latency of an addition


@intrinsic
def sum_moments(typingctx, x, x_at, pitch, lines, length, how, totals):
    """totals += sums of d and of d² with d = x[...] − how[0]."""
    return intrinsic_of(_sum_moments, x, x_at, pitch, lines, length, how, totals)


@intrinsic
def sum_gradients(typingctx, g, x, x_at, pitch, lines, length, how, totals):
    """totals += sums of h and of h·d, of a g that lies like x.

    d = x − m and h = 0 if d·s + t <= floor else g, with how = m, s, t, floor.
    """
    return intrinsic_of(_sum_gradients, g, x, x_at, pitch, lines, length, how, totals)


@intrinsic
def affine_lines(typingctx, x, x_at, pitch, lines, length, how, y):
    """y = 0 if v <= floor else v, v = (x − m)·s + t, with how = m, s, t, floor; y lies like x."""
    return intrinsic_of(_affine_lines, x, x_at, pitch, lines, length, how, y)


@intrinsic
def grad_lines(typingctx, g, x, x_at, pitch, lines, length, how, gx):
    """gx = s·(h − a − d·b), with h and d as in `sum_gradients` and how = m, s, t, floor, a, b.

    gx may be g.
    """
    return intrinsic_of(_grad_lines, g, x, x_at, pitch, lines, length, how, gx)


Visit = Callable[[Lanes, Any, Any], list[Any]]


def _sum(
    b: Any, x: Any, pitch: Any, lines: Any, length: Any, totals: Any, count: int, visit: Visit
) -> None:
    """totals[k] += the k-th of `count` results of visit(lanes, place, only) over all lines.

    `only` is a mask of the lanes that count, or None for all.
    """
    many = b.icmp_signed(">=", length, length.type(Lanes(b, x).width))

    def by(v: Lanes) -> None:
        index, width = length.type, v.width
        whole = b.mul(b.sdiv(length, index(width)), index(width))
        fours = b.mul(b.sdiv(length, index(UNROLL * width)), index(UNROLL * width))
        last = b.sub(length, index(width))

        def add(sums: list[Any], k: int, values: list[Any]) -> list[Any]:
            new = [b.fadd(s, value) for s, value in zip(sums[k * count :], values)]
            return [*sums[: k * count], *new, *sums[(k + 1) * count :]]

        def line(i: Any, sums: list[Any]) -> list[Any]:
            start = b.mul(i, pitch)

            def turn(p: Any, sums: list[Any]) -> list[Any]:
                for k in range(UNROLL):
                    sums = add(sums, k, visit(v, b.add(b.add(start, p), index(k * width)), None))
                return sums

            def one(p: Any, sums: list[Any]) -> list[Any]:
                return add(sums, 0, visit(v, b.add(start, b.add(fours, p)), None))

            def rest(_: Any, sums: list[Any]) -> list[Any]:
                new = v.from_lane(b.sub(whole, last))
                return add(sums, 1, visit(v, b.add(start, last), new))

            sums = loop(b, fours, UNROLL * width, sums, turn)
            sums = loop(b, b.sub(whole, fours), width, sums, one)
            return loop(b, b.zext(b.icmp_signed("<", whole, length), index), 1, sums, rest)

        sums = loop(b, lines, 1, [v.zero] * (UNROLL * count), line)
        for k in range(count):
            total = sums[k]
            for other in range(1, UNROLL):
                total = b.fadd(total, sums[other * count + k])
            place = at(b, totals, k)
            value = v.total(total)
            value = value if v.size == 8 else b.fpext(value, place.type.pointee)
            b.store(b.fadd(b.load(place), value), place)

    case = b.add(length.type(1), b.zext(many, length.type))
    switch(b, case, 2, lambda which: by(Lanes(b, x, 1 if which == 1 else None)))


def _kept(v: Lanes, only: Any, value: Any) -> Any:
    return value if only is None else v.builder.select(only, value, v.zero)


def _sum_moments(
    b: Any, x: Any, x_at: Any, pitch: Any, lines: Any, length: Any, how: Any, totals: Any
) -> None:
    x, middle = at(b, x, x_at), b.load(how)

    def visit(v: Lanes, p: Any, only: Any) -> list[Any]:
        d = _kept(v, only, b.fsub(v.load(at(b, x, p)), v.spread(middle)))
        return [d, b.fmul(d, d)]

    _sum(b, x, pitch, lines, length, totals, 2, visit)


def _cut(v: Lanes, x: Any, how: list[Any], value: Any) -> tuple[Any, Any, Any]:
    """d, v = d·s + t and `value`, or v itself, where v is not cut off."""
    b = v.builder
    m, s, t, floor = (v.spread(h) for h in how[:4])
    d = b.fsub(x, m)
    result = v.fma(d, s, t)
    off = b.fcmp_ordered("<=", result, floor)
    return d, result, b.select(off, v.zero, result if value is None else value)


def _numbers(b: Any, how: Any, count: int) -> list[Any]:
    return [b.load(at(b, how, k)) for k in range(count)]


def _sum_gradients(
    b: Any, g: Any, x: Any, x_at: Any, pitch: Any, lines: Any, length: Any, how: Any, totals: Any
) -> None:
    g, x, numbers = at(b, g, x_at), at(b, x, x_at), _numbers(b, how, 4)

    def visit(v: Lanes, p: Any, only: Any) -> list[Any]:
        d, _, h = _cut(v, v.load(at(b, x, p)), numbers, v.load(at(b, g, p)))
        h = _kept(v, only, h)
        return [h, b.fmul(h, _kept(v, only, d))]

    _sum(b, x, pitch, lines, length, totals, 2, visit)


def _map(
    b: Any, sources: list[Any], y: Any, pitch: Any, lines: Any, length: Any,
    result: Callable[..., Any],
) -> None:  # fmt: skip
    """y = result(lanes, *sources), by vectors of elements at the same place of all lines."""
    v, index = Lanes(b, y), length.type
    whole = b.mul(b.sdiv(length, index(v.width)), index(v.width))
    left = v.below(whole, length)

    def line(i: Any, _: list[Any]) -> list[Any]:
        start = b.mul(i, pitch)

        def vector(p: Any, _: list[Any]) -> list[Any]:
            p = b.add(start, p)
            v.store(result(v, *[v.load(at(b, x, p)) for x in sources]), at(b, y, p))
            return []

        def rest(_: Any, none: list[Any]) -> list[Any]:
            p = b.add(start, whole)
            value = result(v, *[v.load_where(left, at(b, x, p)) for x in sources])
            v.store_where(left, value, at(b, y, p))
            return none

        loop(b, whole, v.width, [], vector)
        return loop(b, b.zext(b.icmp_signed("<", whole, length), index), 1, [], rest)

    loop(b, lines, 1, [], line)


def _affine_lines(
    b: Any, x: Any, x_at: Any, pitch: Any, lines: Any, length: Any, how: Any, y: Any
) -> None:
    x, y, numbers = at(b, x, x_at), at(b, y, x_at), _numbers(b, how, 4)

    _map(b, [x], y, pitch, lines, length, lambda v, x: _cut(v, x, numbers, None)[2])


def _grad_lines(
    b: Any, g: Any, x: Any, x_at: Any, pitch: Any, lines: Any, length: Any, how: Any, gx: Any
) -> None:
    g, x, gx, numbers = at(b, g, x_at), at(b, x, x_at), at(b, gx, x_at), _numbers(b, how, 6)

    def result(v: Lanes, g: Any, x: Any) -> Any:
        d, _, h = _cut(v, x, numbers, g)
        s, along, across = (v.spread(numbers[k]) for k in (1, 4, 5))
        return b.fmul(s, b.fsub(b.fsub(h, along), b.fmul(d, across)))

    _map(b, [g, x], gx, pitch, lines, length, result)
