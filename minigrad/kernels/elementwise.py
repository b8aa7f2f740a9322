"""Sums, differences, products and copies of big arrays, element by element, on all threads.

    y[i] = a[i] + b[i]

One core cannot load and store as fast as the memory can. Small arrays, and others than floats of
one shape, are left to NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.jit import kernel, use_jit
from minigrad.kernels.team import share

Array = NDArray[Any]

__all__ = ["BIG", "add", "apply", "copy"]

BIG = 65536  # elements below which the caller's thread alone is as fast
CHUNK = 16384  # elements
NUMBERS = {np.add: 0, np.subtract: 1, np.multiply: 2}


def add(a: Any, b: Any) -> Any:
    """a + b."""
    return apply(np.add, a, b) if isinstance(a, np.ndarray) and a.size >= BIG else a + b


def apply(f: np.ufunc, a: Array, b: Any) -> Array:
    """f(a, b) for one of NUMBERS; b is an array or a Python number."""
    if a.size < BIG:
        return f(a, b)  # type: ignore[no-any-return]
    weak = b.__class__ in (int, float, bool)  # takes the dtype of `a`
    other = np.asarray(b, a.dtype) if weak and a.dtype.kind == "f" else b
    if not _alike(a, other) or not use_jit(a, other):
        return f(a, b)  # type: ignore[no-any-return]
    y = np.empty(a.shape, a.dtype)
    _combine.run(
        -(-a.size // CHUNK), 0.15 * a.size, NUMBERS[f], a.reshape(-1), other.reshape(-1),
        y.reshape(-1),
    )  # fmt: skip
    return y


def copy(a: Array, y: Array) -> None:
    """y[...] = a, two dense arrays of one shape and dtype."""
    if not use_jit(a, y):
        y[...] = a
        return
    _copy.run(-(-a.size // CHUNK), 0.15 * a.size, a.reshape(-1), y.reshape(-1))


def _alike(a: Array, b: Any) -> bool:
    if not isinstance(b, np.ndarray) or not (a.flags.carray and b.flags.carray):
        return False
    return b.ndim == 0 or b.shape == a.shape


@kernel
def _copy(team, chunks, a, y):
    for chunk in share(team, chunks):
        part = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(a)))
        source, to = a[part], y[part]
        for i in range(len(source)):
            to[i] = source[i]


@kernel
def _combine(team, chunks, number, a, b, y):
    """y = a + b, a - b or a * b, where b may be one number."""
    for chunk in share(team, chunks):
        part = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(a)))
        xs, zs, to = a[part], b[part], y[part]
        if len(b) == 1:
            z = b[0]
            for i in range(len(xs)):
                to[i] = xs[i] + z if number == 0 else xs[i] - z if number == 1 else xs[i] * z
        elif number == 0:
            for i in range(len(xs)):
                to[i] = xs[i] + zs[i]
        elif number == 1:
            for i in range(len(xs)):
                to[i] = xs[i] - zs[i]
        else:
            for i in range(len(xs)):
                to[i] = xs[i] * zs[i]
