"""Values sorted into intervals: histc, bucketize, searchsorted. Nothing here has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, wrap

__all__ = ["bucketize", "histc", "searchsorted"]


@op(method="histc", differentiable=False)
def histc(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """How many elements fall in each of `bins` equal intervals from min to max.

    Elements outside do not count. min = max = 0 stands for the smallest and largest element.
    """
    if bins < 1 or min > max:
        raise ShapeError(
            f"histc: bins must be at least 1, and max not less than min; got bins {bins}, min "
            f"{min}, max {max}."
        )
    if input.dtype.kind != "f":
        raise RuntimeError(f"histc: input must be floating; got dtype {input.dtype}. Use .float().")
    low, high = float(min), float(max)
    if low == high and input.size:
        low, high = float(input.min()), float(input.max())
    if low == high:
        low, high = low - 1, high + 1
    x = input[(input >= low) & (input <= high)]
    at = np.minimum(((x - low) / (high - low) * bins).astype(np.int64), bins - 1)
    return np.bincount(at.ravel(), minlength=bins).astype(input.dtype)


@op(name="searchsorted", differentiable=False)
def _searchsorted(sorted_sequence: Array, input: Array, right: bool, dtype: Any) -> Array:
    """Where each element would be put in; rows beside rows."""
    side: Any = "right" if right else "left"
    if sorted_sequence.ndim == 1:
        return np.asarray(np.searchsorted(sorted_sequence, input, side)).astype(dtype)
    found = np.empty(input.shape, dtype)
    for row in np.ndindex(input.shape[:-1]):
        found[row] = np.searchsorted(sorted_sequence[row], input[row], side)
    return found


@composite
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None,
) -> Tensor:  # fmt: skip
    """The index before which each element is to be put so that the sequence stays sorted.

    Parameters
    ----------
    sorted_sequence : (n,), or (..., n) with the leading sizes of `input`
    input : any shape, or a number
    right : bool
        After equal elements, not before; `side='right'` says the same.

    Returns
    -------
    The shape of `input`, int64 or int32.
    """
    x = input if isinstance(input, Tensor) else wrap(np.asarray(input))
    a, b = sorted_sequence._data.shape, x._data.shape
    if len(a) != 1 and a[:-1] != b[:-1]:
        raise ShapeError(
            "searchsorted: sorted_sequence must have one dim, or the leading sizes of input; got "
            f"sorted_sequence {a}, input {b}."
        )
    dtype = np.dtype("int32" if out_int32 else "int64")
    return _searchsorted(sorted_sequence, x, right or side == "right", dtype)


@composite
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Which interval between sorted boundaries each element is in: `searchsorted`, turned round."""
    if boundaries.ndim != 1:
        raise ShapeError(
            f"bucketize: boundaries must have one dim; got shape {tuple(boundaries._data.shape)}."
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
