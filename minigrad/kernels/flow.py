"""Loops and choices around hand-written vector code, as LLVM blocks. No kernel lives here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.kernels.simd import Lanes

__all__ = ["by_step", "cover", "in_sizes", "loop", "switch"]


def cover(
    builder: Any, pointer: Any, n: Any, widest: int, move: Callable[[Lanes, Any], None]
) -> None:
    """move(lanes, i) for vectors at i that cover 0 <= i < n, as wide as fit n, at most `widest`.

    The last one overlaps the one before, so that short rows need no scalar rest: `move` must give
    the same when it meets an element again.
    """
    widths = [1]
    while 2 * widths[-1] <= min(widest, Lanes(builder, pointer).width):
        widths.append(2 * widths[-1])
    fits = n.type(0)
    for width in widths:
        enough = builder.icmp_signed(">=", n, n.type(width))
        fits = builder.add(fits, builder.zext(enough, n.type))

    def case(which: int) -> None:
        lanes_ = Lanes(builder, pointer, widths[which - 1])
        last = builder.sub(n, n.type(lanes_.width))

        def step(i: Any, _: list[Any]) -> list[Any]:
            move(lanes_, builder.select(builder.icmp_signed("<", i, last), i, last))
            return []

        loop(builder, n, lanes_.width, [], step)

    switch(builder, fits, len(widths), case)


def by_step(
    builder: Any, x: Any, count: Any, step: Any, emit: Callable[[Lanes, int | None], None]
) -> None:
    """emit(lanes, step) for steps that are known when compiling, of `count` elements of a row.

    Steps of 1 and 2 in vectors that are as long as the processor's, or half as long for short rows;
    all others one by one, where `step` is None.
    """
    whole = Lanes(builder, x).width
    half, index = max(1, whole // 2), step.type
    long = builder.zext(builder.icmp_signed(">", count, index(half)), index)
    case = builder.sub(builder.add(step, step), long)
    case = builder.select(builder.icmp_signed(">", step, index(2)), index(5), case)
    made = [(whole, 1), (half, 1), (whole, 2), (half, 2), (1, None)]

    def variant(which: int) -> None:
        width, known = made[which - 1]
        emit(Lanes(builder, x, width), known)

    switch(builder, case, len(made), variant)


def in_sizes(
    builder: Any, n: Any, sizes: list[int], emit: Callable[[Any, int], None]
) -> None:
    """emit(first, size) for parts that cover range(n): as many of the first size as fit, and so on.

    `sizes` fall and end with 1. So a part's size is known when compiling, and few are compiled.
    """
    first = n.type(0)
    for size in sizes:
        count = builder.sdiv(builder.sub(n, first), n.type(size))

        def step(i: Any, _: list[Any], size: int = size, first: Any = first) -> list[Any]:
            emit(builder.add(first, builder.mul(i, n.type(size))), size)
            return []

        loop(builder, count, 1, [], step)
        first = builder.add(first, builder.mul(count, n.type(size)))


def switch(builder: Any, rows: Any, limit: int, emit_tile: Any) -> None:
    """One specialised tile for every number of rows from 1 to limit."""
    done = builder.append_basic_block("tiles.done")
    switch_ = builder.switch(rows, done)
    for count in range(1, limit + 1):
        block = builder.append_basic_block(f"tile.{count}")
        switch_.add_case(rows.type(count), block)
        builder.position_at_end(block)
        emit_tile(count)
        builder.branch(done)
    builder.position_at_end(done)


def loop(builder: Any, count: Any, step: int, sums: list[Any], body: Any) -> list[Any]:
    """for i in range(0, count, step): sums = body(i, sums), with the sums in registers."""
    from llvmlite import ir

    before = builder.block
    head = builder.append_basic_block("head")
    inside = builder.append_basic_block("body")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(count.type)
    i.add_incoming(ir.Constant(count.type, 0), before)
    phis = [builder.phi(s.type) for s in sums]
    for phi, s in zip(phis, sums, strict=True):
        phi.add_incoming(s, before)
    builder.cbranch(builder.icmp_signed("<", i, count), inside, after)
    builder.position_at_end(inside)
    new = body(i, list(phis))
    i.add_incoming(builder.add(i, ir.Constant(count.type, step)), builder.block)
    for phi, s in zip(phis, new, strict=True):
        phi.add_incoming(s, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return phis
