"""Accumulation by index along the first axis; no Tensor and no user checks live here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    return scatter_add_reference(out, idx, src)


def scatter_add_reference(out: Array, idx: NDArray[np.int64], src: Array) -> Array:
    """`scatter_add` by np.add.at."""
    np.add.at(out, idx, src)
    return out
