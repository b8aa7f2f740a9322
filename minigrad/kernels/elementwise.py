"""NumPy's element-by-element functions over big arrays, on all threads; no Tensor lives here.

    y[i] = f(a[i], b[i])

One core cannot load and store as fast as the memory can. So big arrays are cut into runs, and
NumPy's vectorised loop does each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.memory import keep_freed
from minigrad.kernels.threads import parallel

Array = NDArray[Any]

__all__ = ["BIG", "apply"]

RUN = 32768  # elements of one call of NumPy
BIG = 65536  # elements below which the caller's thread alone is as fast


def apply(f: np.ufunc, a: Array, *others: Any) -> Array:
    """f(a, *others), where others are arrays or Python scalars; the result is an array of its own.

    Runs on one thread, as NumPy does it, unless the arrays are big floats of one shape and dtype.
    """
    if a.size < BIG or not _alike(a, others):
        return f(a, *others)  # type: ignore[no-any-return]
    return _split(f, np.empty(a.shape, a.dtype), a, *others)


def _alike(a: Array, others: tuple[Any, ...]) -> bool:
    if a.dtype.kind != "f" or not a.flags.c_contiguous:
        return False
    for b in others:
        if b.__class__ in (int, float, bool):  # weak: takes the dtype of `a`
            continue
        if not isinstance(b, np.ndarray) or (b.shape, b.dtype) != (a.shape, a.dtype):
            return False
        if not b.flags.c_contiguous:
            return False
    return True


def _split(f: np.ufunc, out: Array, *inputs: Any) -> Array:
    keep_freed()
    flat = [x.reshape(-1) if isinstance(x, np.ndarray) else x for x in inputs]
    to = out.reshape(-1)

    def part(start: int, stop: int) -> None:
        run = slice(start * RUN, stop * RUN)
        with np.errstate(all="ignore"):  # of this thread; NumPy knows it per thread
            f(*[x[run] if isinstance(x, np.ndarray) else x for x in flat], out=to[run])

    parallel(part, -(-to.size // RUN), 0.3 * to.size)
    return out
