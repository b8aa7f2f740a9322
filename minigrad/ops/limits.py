"""The larger or smaller of two, and limits: element by element. Over dims: extremes.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Array, composite, op
from ..tensor import Tensor

__all__ = ["clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "maximum", "minimum"]


@op(method="minimum", promote="arithmetic")
def minimum(input: Array, other: Array) -> Array:
    """The smaller of two, NaN if either is; ties give half of the gradient to each."""
    return np.minimum(input, other)


@op(method="maximum", promote="arithmetic")
def maximum(input: Array, other: Array) -> Array:
    """The larger of two, NaN if either is; ties give half of the gradient to each."""
    return np.maximum(input, other)


def _share(g: Tensor, tie: Any, lost: Any) -> Tensor:
    return g * (1 - 0.5 * tie.to(g.dtype)).masked_fill(lost, 0.0)


minimum.gradient("input", lambda g, input, other: _share(g, input == other, input > other))
minimum.gradient("other", lambda g, input, other: _share(g, input == other, other > input))
maximum.gradient("input", lambda g, input, other: _share(g, input == other, input < other))
maximum.gradient("other", lambda g, input, other: _share(g, input == other, other < input))


@op(method="fmin", promote="arithmetic")
def fmin(input: Array, other: Array) -> Array:
    """The smaller of two, ignoring NaN where the other is a number; ties go to `input`."""
    return np.fmin(input, other)


@op(method="fmax", promote="arithmetic")
def fmax(input: Array, other: Array) -> Array:
    """The larger of two, ignoring NaN where the other is a number; ties go to `input`."""
    return np.fmax(input, other)


def _kept(g: Tensor, keep: Tensor) -> Tensor:
    return g.masked_fill(~keep, 0.0)


fmin.gradient("input", lambda g, input, other: _kept(g, (input <= other) | (other != other)))
fmin.gradient("other", lambda g, input, other: _kept(g, ~((input <= other) | (other != other))))
fmax.gradient("input", lambda g, input, other: _kept(g, (input >= other) | (other != other)))
fmax.gradient("other", lambda g, input, other: _kept(g, ~((input >= other) | (other != other))))


@op(name="clamp", promote="arithmetic")
def _clamp(input: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """`clamp` once its limits are known to be numbers or tensors."""
    y = input if min is None else np.maximum(input, min)
    y = y if max is None else np.minimum(y, max)
    return y


@_clamp.gradient("input")
def _(g: Tensor, input: Tensor, min: Any, max: Any) -> Tensor:
    if min is None:
        return _kept(g, input <= max)
    if max is None:
        return _kept(g, input >= min)
    return _kept(g, (input >= min) & (input <= max))


@_clamp.gradient("min")
def _(g: Tensor, input: Tensor, min: Tensor, max: Any) -> Tensor:
    below = input < min
    return _kept(g, below if max is None else below & (min < max))


@_clamp.gradient("max")
def _(g: Tensor, input: Tensor, min: Any, max: Tensor) -> Tensor:
    above = input > max
    return _kept(g, above if min is None else above | (max < min))


@composite(method="clamp clip", inplace="clamp_ clip_")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit values to [min, max]; either may be a number, a tensor or None.

    Gradients pass where min <= input <= max. Where min > max, the result is max.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given; got None for both.")
    return _clamp(input, min, max)


clip = clamp


@composite(method="clamp_min", inplace="clamp_min_")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Raise values below `min` to it."""
    return clamp(input, min)


@composite(method="clamp_max", inplace="clamp_max_")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Lower values above `max` to it."""
    return clamp(input, None, max)
