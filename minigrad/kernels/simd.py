"""The two register-blocked inner loops of convolution, written as LLVM vectors; no policy here.

Numba's own vectoriser does not keep a block of sums in registers across a loop over taps, which is
what reaches the processor's peak. Vectors are as wide as the processor's, found when compiling.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from minigrad.kernels.jit import intrinsic

__all__ = ["DOT_TAPS", "dot_tiles", "max_rows", "product_tiles", "vector_bytes"]

VECTORS = 2  # vectors of neighbouring pixels in a product tile
DOT_TAPS = 4  # taps in a dot tile


@lru_cache(maxsize=1)
def vector_bytes() -> int:
    """Bytes of the widest vector register of this processor."""
    import llvmlite.binding

    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


@lru_cache(maxsize=1)
def max_rows() -> tuple[int, int]:
    """Rows of a product tile and of a dot tile, so that sums and operands fit the registers.

    AVX2 has 16, AVX-512 and ARM have 32. With AVX2, dot tiles of 3 rows spill and take 1.2 to 1.3
    times as long.
    """
    return (6, 2) if vector_bytes() == 32 else (8, 6)


def lanes(dtype: np.dtype) -> int:
    """Elements in a vector."""
    return vector_bytes() // dtype.itemsize


def pixels(dtype: np.dtype) -> int:
    """Pixels in a product tile; runs of pixels are padded to a multiple of it."""
    return VECTORS * lanes(dtype)


@intrinsic
def product_tiles(typingctx, a, a_at, a_row, x, x_at, taps, tap_at, n, y, y_at, y_row, rows):
    """y[y_at + i·y_row + p] = sum_{t<n} a[a_at + i·a_row + t] · x[x_at + taps[tap_at+t] + p].

    For i < rows <= max_rows()[0] and one tile of neighbouring pixels p. All arrays are flat.
    """
    return _intrinsic_of(
        _emit_product, a, a_at, a_row, x, x_at, taps, tap_at, n, y, y_at, y_row, rows
    )


@intrinsic
def dot_tiles(
    typingctx, g, g_at, g_row, g_item, x, x_at, x_item, taps, tap_at, n, items, y, y_at, y_row, rows
):
    """y[y_at + i·y_row + j] += the dot product of run i of g and the run of x at tap j.

        sum_{b<items, p<n} g[g_at + i·g_row + b·g_item + p]
                         · x[x_at + taps[tap_at + j] + b·x_item + p]

    For i < rows <= max_rows()[1] and j < DOT_TAPS; n is a multiple of the vector length.
    """
    return _intrinsic_of(
        _emit_dot, g, g_at, g_row, g_item, x, x_at, x_item,
        taps, tap_at, n, items, y, y_at, y_row, rows,
    )  # fmt: skip


def _intrinsic_of(emit: Any, *types_: Any) -> Any:
    from numba.core import types

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from numba.core import cgutils

        values = [
            cgutils.create_struct_proxy(t)(context, builder, value=v).data
            if isinstance(t, types.Array)
            else context.cast(builder, v, t, types.intp)
            for t, v in zip(signature.args, args, strict=True)
        ]
        emit(builder, *values)
        return context.get_dummy_value()

    return types.void(*types_), codegen


def _switch(builder: Any, rows: Any, limit: int, emit_tile: Any) -> None:
    """One specialised tile for every number of rows from 1 to limit."""
    done = builder.append_basic_block("tiles.done")
    switch = builder.switch(rows, done)
    for count in range(1, limit + 1):
        block = builder.append_basic_block(f"tile.{count}")
        switch.add_case(rows.type(count), block)
        builder.position_at_end(block)
        emit_tile(count)
        builder.branch(done)
    builder.position_at_end(done)


def _at(builder: Any, base: Any, *offsets: Any) -> Any:
    for offset in offsets:
        base = builder.gep(base, [offset])
    return base


class _Lanes:
    """Vector loads, stores and multiply-adds of one element type."""

    def __init__(self, builder: Any, pointer: Any) -> None:
        from llvmlite import ir

        self.builder, self.ir = builder, ir
        self.scalar = pointer.type.pointee
        size = 4 if isinstance(self.scalar, ir.FloatType) else 8
        self.size = size
        self.width = vector_bytes() // size
        self.type = ir.VectorType(self.scalar, self.width)
        suffix = f"v{self.width}f{8 * size}"
        signature = ir.FunctionType(self.type, [self.type] * 3)
        module = builder.module
        self.fma = module.globals.get(f"llvm.fmuladd.{suffix}") or ir.Function(
            module, signature, f"llvm.fmuladd.{suffix}"
        )

    def load(self, pointer: Any) -> Any:
        b = self.builder
        return b.load(b.bitcast(pointer, self.type.as_pointer()), align=self.size)

    def store(self, value: Any, pointer: Any) -> None:
        b = self.builder
        b.store(value, b.bitcast(pointer, self.type.as_pointer()), align=self.size)

    def spread(self, value: Any) -> Any:
        b, i32 = self.builder, self.ir.IntType(32)
        undefined = self.ir.Constant(self.type, self.ir.Undefined)
        one = b.insert_element(undefined, value, i32(0))
        zeros = self.ir.Constant(self.ir.VectorType(i32, self.width), [0] * self.width)
        return b.shuffle_vector(one, undefined, zeros)

    def total(self, value: Any) -> Any:
        """Sum of the lanes, halves first."""
        b, i32 = self.builder, self.ir.IntType(32)
        undefined = self.ir.Constant(self.type, self.ir.Undefined)
        step = self.width // 2
        while step:
            order = [(k + step) % self.width for k in range(self.width)]
            mask = self.ir.Constant(self.ir.VectorType(i32, self.width), order)
            value = b.fadd(value, b.shuffle_vector(value, undefined, mask))
            step //= 2
        return b.extract_element(value, i32(0))


def _loop(builder: Any, count: Any, step: int, sums: list[Any], body: Any) -> list[Any]:
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


def _emit_product(
    b: Any, a: Any, a_at: Any, a_row: Any, x: Any, x_at: Any, taps: Any, tap_at: Any, n: Any,
    y: Any, y_at: Any, y_row: Any, rows: Any,
) -> None:  # fmt: skip
    v = _Lanes(b, x)
    index = n.type
    a, x, y, taps = _at(b, a, a_at), _at(b, x, x_at), _at(b, y, y_at), _at(b, taps, tap_at)
    steps = [index(k * v.width) for k in range(VECTORS)]

    def tile(count: int) -> None:
        starts = [_at(b, a, b.mul(a_row, index(i))) for i in range(count)]

        def tap(t: Any, sums: list[Any]) -> list[Any]:
            here = _at(b, x, b.load(_at(b, taps, t)))
            run = [v.load(_at(b, here, s)) for s in steps]
            new = []
            for i in range(count):
                weight = v.spread(b.load(_at(b, starts[i], t)))
                for k in range(VECTORS):
                    new.append(b.call(v.fma, [weight, run[k], sums[i * VECTORS + k]]))
            return new

        zero = v.ir.Constant(v.type, None)
        sums = _loop(b, n, 1, [zero] * (count * VECTORS), tap)
        for i in range(count):
            row = _at(b, y, b.mul(y_row, index(i)))
            for k in range(VECTORS):
                v.store(sums[i * VECTORS + k], _at(b, row, steps[k]))

    _switch(b, rows, max_rows()[0], tile)


def _emit_dot(
    b: Any, g: Any, g_at: Any, g_row: Any, g_item: Any, x: Any, x_at: Any, x_item: Any,
    taps: Any, tap_at: Any, n: Any, items: Any, y: Any, y_at: Any, y_row: Any, rows: Any,
) -> None:  # fmt: skip
    v = _Lanes(b, x)
    index = n.type
    g, x, y, taps = _at(b, g, g_at), _at(b, x, x_at), _at(b, y, y_at), _at(b, taps, tap_at)

    def tile(count: int) -> None:
        planes = [_at(b, x, b.load(_at(b, taps, index(j)))) for j in range(DOT_TAPS)]
        lines = [_at(b, g, b.mul(g_row, index(i))) for i in range(count)]

        def item(k: Any, sums: list[Any]) -> list[Any]:
            g_skip, x_skip = b.mul(k, g_item), b.mul(k, x_item)

            def run(p: Any, sums: list[Any]) -> list[Any]:
                gs = [v.load(_at(b, line, g_skip, p)) for line in lines]
                xs = [v.load(_at(b, plane, x_skip, p)) for plane in planes]
                return [b.call(v.fma, [gi, xj, s]) for (gi, xj), s in zip(product(gs, xs), sums)]

            return _loop(b, n, v.width, sums, run)

        zero = v.ir.Constant(v.type, None)
        sums = _loop(b, items, 1, [zero] * (count * DOT_TAPS), item)
        for i in range(count):
            row = _at(b, y, b.mul(y_row, index(i)))
            for j in range(DOT_TAPS):
                place = _at(b, row, index(j))
                b.store(b.fadd(b.load(place), v.total(sums[i * DOT_TAPS + j])), place)

    _switch(b, rows, max_rows()[1], tile)
