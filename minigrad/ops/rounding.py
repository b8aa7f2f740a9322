"""Rounding, element by element, in every direction. All but the fraction have zero gradient."""

from __future__ import annotations

import numpy as np

from ..op import Array, op
from .creation import zeros_like

__all__ = ["ceil", "fix", "floor", "frac", "round", "trunc"]


@op(method="floor", inplace="floor_", promote="arithmetic")
def floor(input: Array) -> Array:
    """Largest whole number not above each element. Its gradient is zero."""
    return np.floor(input) if input.dtype.kind == "f" else input.copy()


@op(method="ceil", inplace="ceil_", promote="arithmetic")
def ceil(input: Array) -> Array:
    """Smallest whole number not below each element. Its gradient is zero."""
    return np.ceil(input) if input.dtype.kind == "f" else input.copy()


@op(method="trunc fix", inplace="trunc_ fix_", promote="arithmetic")
def trunc(input: Array) -> Array:
    """Whole part of each element. Its gradient is zero."""
    return np.trunc(input) if input.dtype.kind == "f" else input.copy()


fix = trunc


@op(method="round", inplace="round_", promote="arithmetic")
def round(input: Array, *, decimals: int = 0) -> Array:
    """Nearest value with `decimals` decimals; halves go to the even neighbour. Gradient zero."""
    if input.dtype.kind != "f":
        return input.copy()
    if not decimals:
        return np.rint(input)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    if decimals > 0:
        return np.rint(input * scale) / scale
    return np.rint(input / scale) * scale


for _step in (floor, ceil, trunc, round):
    _step.gradient("input", lambda g: zeros_like(g))


@op(method="frac", inplace="frac_", promote="arithmetic")
def frac(input: Array) -> Array:
    """Fractional part: x - trunc(x), with the sign of x."""
    return input - np.trunc(input)


frac.gradient("input", lambda g: g)
