"""Dropout: elements or whole channels set to zero at random. Other random ops are in random.py."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..inplace import in_place
from ..op import Array, composite, op
from ..random import default_generator
from ..tensor import Tensor, wrap
from .arguments import floating, shape_of

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"]


@op(name="dropout")
def _masked(input: Array, mask: Array, scale: float) -> Array:
    """x · scale where the mask (boolean, broadcast) is true, 0 elsewhere."""
    y = np.multiply(input, mask)
    return np.multiply(y, input.dtype.type(scale), out=y if y.ndim else None)


_masked.gradient("input", lambda g, mask, scale: _masked(g, mask, scale))


def _drop(op: str, input: Any, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    _check(op, input, p)
    if not training or not input.numel():
        return input
    shape = shape_of(input)
    if channels:
        shape = shape[:2] + (1,) * (input.ndim - 2)
    keep = _kept(shape, p)
    scale = 1 / (1 - p) if p < 1 else 0.0
    return (_masked_ if inplace else _masked)(input, keep, scale)


_masked_ = in_place(_masked, "dropout_")


def _check(op: str, input: Any, p: float) -> None:
    floating(op, input=input)
    if not 0 <= p <= 1:
        raise ShapeError(
            f"{op}: dropout probability has to be between 0 and 1; got p {p}. It is the fraction "
            "that is dropped."
        )


def _kept(shape: tuple[int, ...], p: float) -> Tensor:
    """A boolean mask, true with probability 1 − p, from the default generator."""
    return wrap(default_generator.numpy().random(shape, np.float32) >= p)


@composite
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to zero with probability p, and scale the others by 1/(1 − p).

    Without `training`, the input itself. `manual_seed` decides which elements.

    Parameters
    ----------
    input : any shape, float
    p : float in [0, 1]

    Srivastava et al. 2014.
    """
    return _drop("dropout", input, p, training, inplace, False)


@composite
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of signals.

    Parameters
    ----------
    input : (N, C, L) or (C, L) float
    p : float in [0, 1]
    """
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"dropout1d: input must be (N, C, L) or (C, L); got input {shape_of(input)}."
        )
    if input.ndim == 3:
        return _drop("dropout1d", input, p, training, inplace, True)
    _check("dropout1d", input, p)
    if not training or not input.numel():
        return input
    keep = _kept((input.shape[0], 1), p)
    return (_masked_ if inplace else _masked)(input, keep, 1 / (1 - p) if p < 1 else 0.0)


@composite
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of images.

    Parameters
    ----------
    input : (N, C, H, W) float
        Three dims are taken as (N, C, L), with a warning, as PyTorch does.
    p : float in [0, 1]
    """
    if input.ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: input should be (N, C, H, W); got input {shape_of(input)}. Use dropout.",
            UserWarning,
            stacklevel=2,
        )
    elif input.ndim == 3:
        warnings.warn(
            f"dropout2d: an input of 3 dims is taken as (N, C, L); got input {shape_of(input)}. "
            "Use dropout1d for signals, unsqueeze(0) for one image.",
            UserWarning,
            stacklevel=2,
        )
    return _drop("dropout2d", input, p, training, inplace, True)


@composite
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of volumes.

    Parameters
    ----------
    input : (N, C, D, H, W) float
    p : float in [0, 1]
    """
    return _drop("dropout3d", input, p, training, inplace, True)


@composite
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for `selu` (Klambauer et al. 2017).

    Parameters
    ----------
    input : any shape, float
    p : float in [0, 1]
    """
    _check("alpha_dropout", input, p)
    if not training or not input.numel():
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    low = -1.7580993408473766  # what selu tends to as x -> -inf: -scale · alpha
    a = 1 / math.sqrt((low * low * p + 1) * (1 - p))
    keep = _kept(shape_of(input), p)
    fill = wrap(np.where(keep._data, 0, low * a).astype(input.dtype))
    shift = wrap((fill._data - low * a * p).astype(input.dtype))
    if inplace:
        return _masked_(input, keep, a).add_(shift)
    return _masked(input, keep, a) + shift
