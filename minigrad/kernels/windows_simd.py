"""The winner of each sliding window, by vectors of neighbouring windows. No policy here."""

from __future__ import annotations

from typing import Any

from minigrad.kernels.flow import by_step, loop
from minigrad.kernels.jit import intrinsic
from minigrad.kernels.simd import Lanes, at, intrinsic_of

__all__ = ["plane_best"]


@intrinsic
def plane_best(
    typingctx, x, h, w, kh, kw, sh, sw, ph, pw, dh, dw, y, tap, oh, ow
):
    """Winner of the windows of a plane x (h, w) into y and its tap u·kw + v into tap (oh, ow).

    The first of equals wins, of NaNs the last; kh·kw stands for a window without elements.
    """
    return intrinsic_of(
        _plane_best, x, h, w, kh, kw, sh, sw, ph, pw, dh, dw, y, tap, oh, ow
    )


def _plane_best(
    b: Any, x: Any, h: Any, w: Any, kh: Any, kw: Any, sh: Any, sw: Any, ph: Any, pw: Any, dh: Any,
    dw: Any, y: Any, tap: Any, oh: Any, ow: Any,
) -> None:  # fmt: skip
    from llvmlite import ir

    index, i32 = h.type, ir.IntType(32)
    none, one = b.mul(kh, kw), index(1)

    def plane(v: Lanes, step: int | None) -> None:
        numbers, taps = ir.VectorType(i32, v.width), ir.VectorType(tap.type.pointee, v.width)
        lowest, nowhere = v.constant(float("-inf")), v.spread(b.trunc(none, i32), numbers)

        def inner(top: Any, first: Any, last: Any, i: Any, j: Any) -> None:
            """Windows whose columns are all inside: nothing to mask, and the first tap is one."""

            def row(u: Any, found: list[Any]) -> list[Any]:
                line = at(b, x, b.mul(b.add(top, b.mul(b.add(first, u), dh)), w))

                def column(k: Any, found: list[Any]) -> list[Any]:
                    best, which, number = found
                    left = at(b, line, b.add(b.sub(b.mul(j, sw), pw), b.mul(k, dw)))
                    value = v.load(left) if step == 1 else v.every_second(left)
                    larger = b.fcmp_ordered(">", value, best)
                    take = b.or_(larger, b.fcmp_unordered("uno", value, value))
                    following = b.add(number, ir.Constant(numbers, [1] * v.width))
                    return [b.select(take, value, best), b.select(take, number, which), following]

                return loop(b, kw, 1, found, column)

            number = v.spread(b.trunc(b.mul(first, kw), i32), numbers)
            rows = b.sub(last, first)
            best, which, _ = loop(b, rows, 1, [lowest, number, number], row)
            place = b.add(b.mul(i, ow), j)
            v.store(best, at(b, y, place))
            which = which if taps == numbers else b.trunc(which, taps)
            b.store(which, b.bitcast(at(b, tap, place), taps.as_pointer()), align=1)

        def windows(top: Any, first: Any, last: Any, i: Any, j: Any) -> None:
            def row(u: Any, found: list[Any]) -> list[Any]:
                u = b.add(first, u)
                line = at(b, x, b.mul(b.add(top, b.mul(u, dh)), w))

                def column(k: Any, found: list[Any]) -> list[Any]:
                    best, which = found
                    left = b.add(b.sub(b.mul(j, sw), pw), b.mul(k, dw))
                    inside = v.below(left, w, step or 1)
                    value = v.load_every(line, left, w, step or 1)
                    take = b.or_(
                        b.fcmp_unordered("ugt", value, best),  # or one of them is NaN
                        b.icmp_signed("==", which, nowhere),
                    )
                    # If the best is NaN, a number does not take its place.
                    kept = b.fcmp_unordered("uno", best, best)
                    fresh = b.fcmp_unordered("uno", value, value)
                    take = b.and_(inside, b.and_(take, b.or_(b.not_(kept), fresh)))
                    number = v.spread(b.trunc(b.add(b.mul(u, kw), k), i32), numbers)
                    return [b.select(take, value, best), b.select(take, number, which)]

                return loop(b, kw, 1, found, column)

            best, which = loop(b, b.sub(last, first), 1, [lowest, nowhere], row)
            place, inside = b.add(b.mul(i, ow), j), v.below(j, ow)
            v.store_where(inside, best, at(b, y, place))
            which = which if taps == numbers else b.trunc(which, taps)
            v.store_where(inside, which, at(b, tap, place))

        def band(i: Any, _: list[Any]) -> list[Any]:
            top = b.sub(b.mul(i, sh), ph)
            # Taps u with 0 <= top + u·dh < h.
            above = b.sdiv(b.sub(b.sub(dh, index(1)), top), dh)
            below = b.sdiv(b.sub(b.add(b.sub(h, top), dh), index(1)), dh)
            first = _limit(b, above, kh)
            last = _limit(b, below, kh)
            last = b.select(b.icmp_signed("<", last, first), first, last)

            def vector(j: Any, _: list[Any]) -> list[Any]:
                if step is None:
                    windows(top, first, last, i, j)
                    return []
                end = b.sub(ow, index(v.width))  # the last vector overlaps the one before
                late = b.and_(b.icmp_signed(">", j, end), b.icmp_signed(">=", end, index(0)))
                j = b.select(late, end, j)
                left = b.sub(b.mul(j, sw), pw)
                right = b.add(left, b.add(index(step * (v.width - 1)), b.mul(b.sub(kw, one), dw)))
                whole = b.and_(b.icmp_signed(">=", left, index(0)), b.icmp_signed("<", right, w))
                whole = b.and_(whole, b.icmp_signed("<=", j, end))
                whole = b.and_(whole, b.icmp_signed("<", first, last))
                with b.if_else(whole) as (then, other):
                    with then:
                        inner(top, first, last, i, j)
                    with other:
                        windows(top, first, last, i, j)
                return []

            return loop(b, ow, v.width, [], vector)

        loop(b, oh, 1, [], band)

    by_step(b, x, ow, sw, plane)


def _limit(b: Any, value: Any, most: Any) -> Any:
    """value, but between 0 and `most`."""
    zero = most.type(0)
    value = b.select(b.icmp_signed("<", value, zero), zero, value)
    return b.select(b.icmp_signed("<", value, most), value, most)
