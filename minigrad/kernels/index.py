"""Accumulation by index along the first axis; no Tensor and no user checks live here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.jit import dense, kernel, use_jit

Array = NDArray[np.generic]

__all__ = ["scatter_add"]


def scatter_add(out: Array, idx: NDArray[np.int64], src: Array) -> Array:
    """out[idx[k]] += src[k] in the order of k, in place.

    Parameters
    ----------
    out : (V, ...)
        C-contiguous; changed and returned.
    idx : (K,) int64
        Within [0, V), repeats allowed; the caller has checked it.
    src : (K, ...)
    """
    if not use_jit(out, src) or not out.flags.carray or src.size == 0:
        return scatter_add_reference(out, idx, src)
    rows, many = out.reshape(len(out), -1), dense(src).reshape(len(src), -1)
    scatter_rows(rows, dense(idx), many)
    return out


@kernel
def scatter_rows(out, idx, src):
    """out[idx[k]] += src[k], row by row in order."""
    for k in range(len(idx)):
        row, line = out[idx[k]], src[k]
        for j in range(len(line)):
            row[j] += line[j]


def scatter_add_reference(out: Array, idx: NDArray[np.int64], src: Array) -> Array:
    """`scatter_add` by np.add.at."""
    np.add.at(out, idx, src)
    return out
