"""Products of two matrices: NumPy's BLAS on our threads, or dot products. No Tensor lives here.

BLAS's own threads spin for 0.1 s after each product and take the processors from the kernels that
follow, which then need 1.5 to 3.5 times as long. So a big product is cut into strips of rows or
columns, by its shape, and each strip is a product of one thread, which calls BLAS by its address.
Of long rows with rows, as a Linear layer has them, each sum is a dot product by vectors (`tiles`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.blas import gemm_address, set_blas_threads
from minigrad.kernels.jit import dense, intrinsic, jit_enabled, kernel
from minigrad.kernels.simd import at, intrinsic_of, lanes
from minigrad.kernels.team import share
from minigrad.kernels.threads import get_num_threads
from minigrad.kernels.tiles import DOT_TAPS, dot_tiles, places

Array = NDArray[Any]

__all__ = ["matmul"]

SMALL = 262_144  # multiply-adds up to which OpenBLAS uses no threads either
STRIP_WORK = 500_000  # multiply-adds of a strip at least, since each is packed anew
# Measured on (64, 3136) · (3136, 128): with 8 strips of 16 columns 0.59 ms, with 4 of 32 0.45,
# with 2 of 64 0.40; on (64, 512) · (512, 1000) they are alike.
STRIPS, STRIP = 4, 48  # of a big product, at most; rows or columns of one, at least
# Terms from which dot products are faster than BLAS, which copies both matrices into another order
# first: (8, 3136) · (3136, 128) takes 39 us against 138, of 64 rows 243 against 385; but
# (120, 64) · (64, 400) takes 84 against 54, since the lanes of each sum are added up.
LONG, COLUMNS = 256, 16


def matmul(a: Array, b: Array) -> Array:
    """a @ b of (M, K) and (K, N) arrays of one dtype."""
    (m, k), n = a.shape, b.shape[1]
    work = m * n * k
    if work <= SMALL or a.dtype != b.dtype or a.dtype.char not in "fd":
        return a.dot(b)  # for small matrices 0.6 us less than matmul
    if jit_enabled() and _dots_are_faster(a, b.T):
        return _dots(a, b.T)
    address = gemm_address(a.dtype.char)
    set_blas_threads(1)  # else the bits would depend on how many there are
    try:
        if not (address and jit_enabled()):
            return a.dot(b)
        strips = max(1, min(STRIPS, max(m, n) // STRIP, work // STRIP_WORK))
        y = np.empty((m, n), a.dtype)
        (flat_a, turned_a), (flat_b, turned_b) = _flat(a), _flat(b)
        gemm_strips.run(
            strips, 0.02 * work, address, m, n, k, flat_a, turned_a, flat_b, turned_b, y.reshape(-1)
        )
        return y
    finally:
        set_blas_threads(get_num_threads())


def _dots_are_faster(a: Array, w: Array) -> bool:
    (m, k), n = a.shape, len(w)
    if k < LONG or m > max(LONG, k // 2) or k % lanes(a.dtype) or n % DOT_TAPS:
        return False
    return a.flags.carray and w.flags.carray


def _dots(a: Array, w: Array) -> Array:
    """a @ wᵀ, rows with rows."""
    (m, k), n = a.shape, len(w)
    y = np.zeros((m, n), a.dtype)
    gemm_dots.run(
        -(-n // COLUMNS), 0.03 * m * n * k, m, n, k, a.reshape(-1), w.reshape(-1),
        places(COLUMNS, k), y.reshape(-1),
    )  # fmt: skip
    return y


@kernel
def gemm_dots(team, chunks, m, n, k, a, w, starts, y):
    """y (M, N) += a · wᵀ; a chunk is COLUMNS of y."""
    for chunk in share(team, chunks):
        j = chunk * COLUMNS
        dot_tiles(a, 0, k, 0, w[j * k :], 0, starts, min(COLUMNS, n - j), k, 1, y, j, n, m)


def _flat(a: Array) -> tuple[Array, bool]:
    """The elements of a matrix or of its transpose, and which; without a copy if one is dense."""
    turned = a.T.flags.carray and not a.flags.carray
    return dense(a.T if turned else a).reshape(-1), turned


@kernel
def gemm_strips(team, chunks, address, m, n, k, a, turned_a, b, turned_b, y):
    """y (M, N) = a · b, which lie transposed if they are turned; a chunk is a strip."""
    for strip in share(team, chunks):
        if m >= n:
            first, last = strip * m // chunks, (strip + 1) * m // chunks
            _gemm(address, last - first, n, k, a, first * (1 if turned_a else k), turned_a,
                  m if turned_a else k, b, 0, turned_b, k if turned_b else n, y, first * n,
                  n)  # fmt: skip
        else:
            first, last = strip * n // chunks, (strip + 1) * n // chunks
            _gemm(address, m, last - first, k, a, 0, turned_a, m if turned_a else k, b,
                  first * (k if turned_b else 1), turned_b, k if turned_b else n, y, first,
                  n)  # fmt: skip


@intrinsic
def _gemm(
    typingctx, address, m, n, k, a, a_at, turned_a, lda, b, b_at, turned_b, ldb, y, y_at, ldy
):
    """C's cblas_?gemm: y = a · b, row by row."""
    return intrinsic_of(
        _emit_gemm, address, m, n, k, a, a_at, turned_a, lda, b, b_at, turned_b, ldb, y, y_at, ldy
    )


def _emit_gemm(
    builder: Any, address: Any, m: Any, n: Any, k: Any, a: Any, a_at: Any, turned_a: Any, lda: Any,
    b: Any, b_at: Any, turned_b: Any, ldb: Any, y: Any, y_at: Any, ldy: Any,
) -> None:  # fmt: skip
    from llvmlite import ir

    i32, i64, scalar = ir.IntType(32), ir.IntType(64), a.type.pointee
    row_major, plain, turned = i32(101), i32(111), i32(112)
    kinds = [
        builder.select(builder.icmp_signed("!=", t, i64(0)), turned, plain)
        for t in (turned_a, turned_b)
    ]
    arguments = [
        row_major, *kinds, m, n, k, scalar(1.0), at(builder, a, a_at), lda, at(builder, b, b_at),
        ldb, scalar(0.0), at(builder, y, y_at), ldy,
    ]  # fmt: skip
    kind = ir.FunctionType(ir.VoidType(), [x.type for x in arguments])
    builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)
