"""Products of two matrices: NumPy's BLAS on our threads. No Tensor lives here.

BLAS's own threads spin for 0.1 s after each product and take the processors from the kernels that
follow, which then need 1.5 to 3.5 times as long. So a big product is cut into strips of rows or
columns, by its shape, and each strip is a product of one thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.threads import one_blas_thread, parallel, restore_blas_threads

Array = NDArray[np.generic]

__all__ = ["matmul"]

SMALL = 262_144  # multiply-adds up to which OpenBLAS uses no threads either
STRIP_WORK = 500_000  # multiply-adds of a strip at least, since waking a thread costs
# Measured on (64, 3136) · (3136, 128): with 8 strips of 16 columns 0.59 ms, with 4 of 32 0.45,
# with 2 of 64 0.40; on (64, 512) · (512, 1000) they are alike.
STRIPS, STRIP = 4, 48  # of a big product, at most; rows or columns of one, at least


def matmul(a: Array, b: Array) -> Array:
    """a @ b of (M, K) and (K, N) arrays of one dtype."""
    (m, k), n = a.shape, b.shape[1]
    work = m * n * k
    if work <= SMALL or a.dtype.char not in "fd" or not one_blas_thread():
        return a.dot(b)  # for small matrices 0.6 us less than matmul
    strips = max(1, min(STRIPS, max(m, n) // STRIP, work // STRIP_WORK))
    y = np.empty((m, n), a.dtype)

    def rows(start: int, stop: int) -> None:
        part = slice(start * m // strips, stop * m // strips)
        np.matmul(a[part], b, out=y[part])

    def columns(start: int, stop: int) -> None:
        part = slice(start * n // strips, stop * n // strips)
        np.matmul(a, b[:, part], out=y[:, part])

    body = rows if m >= n else columns

    def each(start: int, stop: int) -> None:
        for strip in range(start, stop):  # one by one, so that the bits do not depend on who comes
            body(strip, strip + 1)

    try:
        parallel(each, strips, 2.0 * m * n * k)
    finally:
        restore_blas_threads()
    return y
