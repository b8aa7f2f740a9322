"""The vocabulary of hand-written vector code: loads, sums, transposes as LLVM values.

An intrinsic written with it and with the loops of `flow` unrolls in Python what must stay in
registers. No kernel, no layout and no policy lives here. Vectors are as wide as the processor's,
found when compiling.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

__all__ = [
    "Lanes",
    "Value",
    "at",
    "intrinsic_of",
    "lanes",
    "vector_bytes",
]


@lru_cache(maxsize=1)
def vector_bytes() -> int:
    """Bytes of the widest vector register of the processor that Numba compiles for."""
    import llvmlite.binding
    from numba.core import config

    features = config.CPU_FEATURES
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    if "+avx512f" in features.split(","):
        return 64
    return 32 if "+avx" in features.split(",") else 16


def lanes(dtype: np.dtype) -> int:
    """Elements in a vector."""
    return vector_bytes() // dtype.itemsize


def intrinsic_of(emit: Any, *types_: Any) -> Any:
    """A Numba intrinsic's result: emit(builder, *values), arrays as pointers, ints as intp."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from numba.core import cgutils

        values = [
            cgutils.create_struct_proxy(t)(context, builder, value=v).data
            if isinstance(t, types.Array)
            else v if isinstance(t, types.Float) else context.cast(builder, v, t, types.intp)
            for t, v in zip(signature.args, args, strict=True)
        ]
        emit(builder, *values)
        return context.get_dummy_value()

    from numba.core import types

    return types.void(*types_), codegen


class Value:
    """A vector in a register; +, − and · contract to multiply-adds. NumPy arrays fit in its place.

    So a formula can be written once, tested on arrays, and unrolled on these.
    """

    def __init__(self, lanes: Lanes, value: Any) -> None:
        self.lanes, self.value = lanes, value

    def __add__(self, other: Value) -> Value:
        return Value(self.lanes, self.lanes.builder.fadd(self.value, other.value, FLAGS))

    def __sub__(self, other: Value) -> Value:
        return Value(self.lanes, self.lanes.builder.fsub(self.value, other.value, FLAGS))

    def __rmul__(self, factor: float) -> Value:
        by = self.lanes.constant(factor)
        return Value(self.lanes, self.lanes.builder.fmul(by, self.value, FLAGS))


FLAGS = ("contract", "nsz")


class Lanes:
    """Vector loads, stores, multiply-adds and transposes of one element type.

    As long as the processor's vectors, or `width` elements.
    """

    def __init__(self, builder: Any, pointer: Any, width: int | None = None) -> None:
        from llvmlite import ir

        self.builder, self.ir = builder, ir
        self.scalar = pointer.type.pointee
        size = 4 if isinstance(self.scalar, ir.FloatType) else 8
        self.size = size
        self.width = width or vector_bytes() // size
        self.type = ir.VectorType(self.scalar, self.width)
        suffix = f"v{self.width}f{8 * size}"
        signature = ir.FunctionType(self.type, [self.type] * 3)
        module = builder.module
        self._fma = module.globals.get(f"llvm.fmuladd.{suffix}") or ir.Function(
            module, signature, f"llvm.fmuladd.{suffix}"
        )

    @property
    def zero(self) -> Any:
        """A vector of zeros."""
        return self.ir.Constant(self.type, None)

    def constant(self, number: float) -> Any:
        """A vector of one number."""
        return self.ir.Constant(self.type, [float(number)] * self.width)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a · b + c."""
        return self.builder.call(self._fma, [a, b, c])

    def load(self, pointer: Any) -> Any:
        """The vector at a pointer to an element."""
        b = self.builder
        return b.load(b.bitcast(pointer, self.type.as_pointer()), align=self.size)

    def at_least(self, value: Any, floor: Any) -> Any:
        """The larger of a vector and a number; NaN stays."""
        low = self.spread(floor)
        return self.builder.select(self.builder.fcmp_ordered(">", low, value), low, value)

    def store(self, value: Any, pointer: Any) -> None:
        """Write a vector at a pointer to an element."""
        b = self.builder
        b.store(value, b.bitcast(pointer, self.type.as_pointer()), align=self.size)

    def load_where(self, mask: Any, pointer: Any) -> Any:
        """`load` of the lanes in a mask, 0 in the others, whose memory is not touched."""
        i32 = self.ir.IntType(32)
        place = self.builder.bitcast(pointer, self.type.as_pointer())
        function = self._masked("load", self.type, [place.type, i32, mask.type, self.type])
        return self.builder.call(function, [place, i32(self.size), mask, self.zero])

    def load_every(self, line: Any, first: Any, end: Any, step: int) -> Any:
        """line[first + step·l] in lane l, with step 1 or 2, and 0 where that is not in 0..end."""
        b = self.builder
        if step == 1:
            return self.load_where(self.below(first, end), at(b, line, first))
        following = b.add(first, first.type(self.width - 1))
        parts = [
            self.load_where(self.below(p, end), at(b, line, p)) for p in (first, following)
        ]
        return self.seconds(*parts)

    def store_where(self, mask: Any, value: Any, pointer: Any) -> None:
        """`store` of the lanes in a mask; `value` may have elements of another type."""
        i32 = self.ir.IntType(32)
        place = self.builder.bitcast(pointer, value.type.as_pointer())
        none, size = self.ir.VoidType(), self.size if value.type == self.type else 1
        function = self._masked("store", none, [value.type, place.type, i32, mask.type])
        self.builder.call(function, [value, place, i32(size), mask])

    def _masked(self, verb: str, result: Any, arguments: list[Any]) -> Any:
        place = next(a for a in arguments if isinstance(a, self.ir.PointerType))
        element = next(a for a in arguments if isinstance(a, self.ir.VectorType)).element
        if verb == "load":
            element = result.element
        sizes = {self.ir.FloatType: "f32", self.ir.DoubleType: "f64"}
        kind = sizes.get(type(element)) or f"i{element.width}"
        vector = f"v{self.width}{kind}"
        name = f"llvm.masked.{verb}.{vector}.p0" + ("" if str(place) == "ptr" else vector)
        module = self.builder.module
        return module.globals.get(name) or self.ir.Function(
            module, self.ir.FunctionType(result, arguments), name
        )

    def below(self, first: Any, end: Any, step: int = 1) -> Any:
        """A mask of the lanes l with 0 <= first + step·l < end, of numbers that 31 bits hold."""
        b, i32 = self.builder, self.ir.IntType(32)
        wide = self.ir.VectorType(i32, self.width)
        lanes_ = self.ir.Constant(wide, [step * k for k in range(self.width)])
        start, limit = (self.spread(b.trunc(n, i32), wide) for n in (first, end))
        return b.icmp_unsigned("<", b.add(start, lanes_), limit)

    def spread(self, value: Any, wide: Any = None) -> Any:
        """One number in all lanes, of this element type or of another vector's."""
        wide = wide or self.type
        undefined = self.ir.Constant(wide, self.ir.Undefined)
        one = self.builder.insert_element(undefined, value, self.ir.IntType(32)(0))
        return self.shuffle(one, undefined, [0] * self.width)

    def shuffle(self, a: Any, b: Any, order: list[int]) -> Any:
        """Lane i of the result is lane order[i] of a followed by b."""
        i32 = self.ir.IntType(32)
        mask = self.ir.Constant(self.ir.VectorType(i32, len(order)), order)
        return self.builder.shuffle_vector(a, b, mask)

    def from_lane(self, first: Any) -> Any:
        """A mask of the lanes from `first` on."""
        b, i64 = self.builder, self.ir.IntType(64)
        wide = self.ir.VectorType(i64, self.width)
        numbers = self.ir.Constant(wide, list(range(self.width)))
        return b.icmp_signed(">=", numbers, self.spread(first, wide))

    def every_second(self, pointer: Any) -> Any:
        """The elements 0, 2, 4, ... after a pointer; none past the last of them is read."""
        following = at(self.builder, pointer, self.width - 1)
        return self.seconds(self.load(pointer), self.load(following))

    def seconds(self, first: Any, following: Any) -> Any:
        """Every second one of elements of which the vectors overlap by one."""
        width = self.width
        order = [*range(0, width, 2), *range(width + 1, 2 * width, 2)]
        return self.shuffle(first, following, order)

    def store_in_turn(self, a: Any, b: Any, pointer: Any) -> None:
        """Write a[0], b[0], a[1], b[1], ..."""
        for k, half in enumerate(self.in_turn(a, b)):
            self.store(half, at(self.builder, pointer, k * self.width))

    def in_turn(self, a: Any, b: Any) -> list[Any]:
        """a[0], b[0], a[1], b[1], ... in two vectors."""
        order = [i for k in range(self.width) for i in (k, self.width + k)]
        return [self.shuffle(a, b, o) for o in (order[: self.width], order[self.width :])]

    def out_of_turn(self, a: Any, b: Any) -> list[Any]:
        """The elements 0, 2, 4, ... of two vectors in a row, and 1, 3, 5, ...."""
        return [self.shuffle(a, b, list(range(k, 2 * self.width, 2))) for k in (0, 1)]

    def total(self, value: Any) -> Any:
        """Sum of the lanes, halves first."""
        b, i32 = self.builder, self.ir.IntType(32)
        undefined = self.ir.Constant(self.type, self.ir.Undefined)
        step = self.width // 2
        while step:
            order = [(k + step) % self.width for k in range(self.width)]
            value = b.fadd(value, self.shuffle(value, undefined, order))
            step //= 2
        return b.extract_element(value, i32(0))

    def transpose(self, rows: list[Any]) -> list[Any]:
        """The columns of a square of float32, one vector each.

        Blocks of 4x4 within 128 bits first (unpack), then the blocks among each other: each
        shuffle is one instruction.
        """
        width = self.width
        out: list[Any] = []
        for q in range(0, width, 4):
            a, b, c, d = rows[q : q + 4]
            low, high = self._unpack(0), self._unpack(2)
            ab0, ab1, cd0, cd1 = (
                self.shuffle(x, y, order)
                for x, y, order in ((a, b, low), (a, b, high), (c, d, low), (c, d, high))
            )
            first, second = self._pairs(0), self._pairs(1)
            out += [
                self.shuffle(ab0, cd0, first), self.shuffle(ab0, cd0, second),
                self.shuffle(ab1, cd1, first), self.shuffle(ab1, cd1, second),
            ]  # fmt: skip
        # out[4q + i] holds in its 128-bit block g the rows 4q..4q+3 of column 4g + i.
        columns: list[Any] = [None] * width
        for i in range(4):
            blocks = [out[4 * q + i] for q in range(width // 4)]
            for g, column in enumerate(self._transpose_blocks(blocks)):
                columns[4 * g + i] = column
        return columns

    def _transpose_blocks(self, rows: list[Any]) -> list[Any]:
        """The same for vectors of 128-bit blocks: evens and odds, over and over."""
        count = len(rows)
        if count == 1:
            return rows
        evens = [4 * g + k for g in range(0, count, 2) for k in range(4)]
        order = [evens, [e + 4 for e in evens]]
        both = [
            [
                self.shuffle(rows[i], rows[i + 1], o + [self.width + e for e in o])
                for i in range(0, count, 2)
            ]
            for o in order
        ]
        if count == 2:
            return [both[0][0], both[1][0]]
        (a02, c02), (a13, c13) = both
        first, second = order[0] + [self.width + e for e in order[0]], order[1] + [
            self.width + e for e in order[1]
        ]
        return [
            self.shuffle(a02, c02, first), self.shuffle(a13, c13, first),
            self.shuffle(a02, c02, second), self.shuffle(a13, c13, second),
        ]  # fmt: skip

    def _unpack(self, start: int) -> list[int]:
        blocks = range(0, self.width, 4)
        return [
            i for g in blocks for k in (start, start + 1) for i in (g + k, self.width + g + k)
        ]

    def _pairs(self, start: int) -> list[int]:
        return [
            i
            for g in range(0, self.width, 4)
            for half in (g, self.width + g)
            for i in (half + 2 * start, half + 2 * start + 1)
        ]


def at(builder: Any, base: Any, *offsets: Any) -> Any:
    """base + offsets, in elements; Python ints are constants."""
    from llvmlite import ir

    for offset in offsets:
        if isinstance(offset, int):
            offset = ir.IntType(64)(offset)
        base = builder.gep(base, [offset])
    return base
