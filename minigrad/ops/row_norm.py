"""Normalisation of each sample by itself: layer, group, root mean square, local, to unit length.

Batch and instance normalisation are in norm.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import norm as kernels
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import floating, ints, shape_of, shown
from .norm import _check_channels, normalised_grad
from .pad import pad
from .pool import avg_pool2d
from .second import pullback_of

__all__ = ["group_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]


@op(name="native_layer_norm", byproducts="mean rstd")
def _row_norm(input: Array, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """(x − mean) / sqrt(var + eps) of each row of (R, L)."""
    return kernels.row_norm(input, eps)


@op
def row_norm_grad(
    grad: Array, input: Array, mean: Any = None, rstd: Any = None, eps: float = 1e-5
) -> Array:
    """Gradient of `_row_norm`; mean and rstd are those of the rows, computed if not given."""
    if mean is None:
        _, mean, rstd = kernels.row_norm(input, eps)
    return kernels.row_norm_grad(grad, input, mean, rstd)


@_row_norm.gradient("input")
def _(g: Tensor, input: Tensor, mean: Tensor, rstd: Tensor, eps: float) -> Tensor:
    return row_norm_grad(g, input, mean, rstd, eps)


@row_norm_grad.gradient("grad", "input")
def _(g: Tensor, grad: Tensor, input: Tensor, eps: float) -> Any:
    def formula(grad: Tensor, input: Tensor) -> list[Tensor]:
        return [normalised_grad(grad, input, None, (1,), eps)[0]]

    return pullback_of(formula, (grad, input), (g,))


@composite
def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each sample over its last dims, then scale and shift element by element.

        y = (x − mean) / sqrt(var + eps) · weight + bias

    Parameters
    ----------
    input : (..., *normalized_shape) float
    normalized_shape : int or sequence of int
        The trailing dims over which mean and (biased) variance run.
    weight, bias : normalized_shape, optional

    Raises
    ------
    ValueError
        The trailing dims, weight or bias do not have `normalized_shape`.

    Ba, Kiros and Hinton 2016.
    """
    floating("layer_norm", input=input, weight=weight, bias=bias)
    shape = _trailing("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    length = math.prod(shape)
    rows = math.prod(shape_of(input)[: input.ndim - len(shape)])
    y = _row_norm(input.reshape(rows, length), eps).reshape(input.shape)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _trailing(op: str, x: Tensor, normalized_shape: Any, **given: Tensor | None) -> tuple[int, ...]:
    n = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    if n == 0:
        raise ShapeError(f"{op}: normalized_shape must have at least one dim; got ().")
    shape = ints(op, "normalized_shape", normalized_shape, n, 0)
    if shape_of(x)[-n:] != shape:
        raise ShapeError(
            f"{op}: the input's last dims must be normalized_shape; got {shown(input=x)}, "
            f"normalized_shape {shape}."
        )
    for name, t in given.items():
        if t is not None and shape_of(t) != shape:
            raise ShapeError(
                f"{op}: {name} must be normalized_shape {shape}; got {shown(**{name: t})}."
            )
    return shape


@composite
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each group of channels of each sample, then scale and shift each channel.

    Parameters
    ----------
    input : (N, C, ...) float
    num_groups : int
        Divides C.
    weight, bias : (C,), optional

    Raises
    ------
    ValueError
        num_groups does not divide C; sizes other than (C,); one value per group.

    Wu and He 2018.
    """
    floating("group_norm", input=input, weight=weight, bias=bias)
    if input.ndim < 2:
        raise ShapeError(f"group_norm: input must be (N, C, ...); got {shown(input=input)}.")
    _check_channels("group_norm", input, None, None, weight, bias)
    (groups,) = ints("group_norm", "num_groups", num_groups, 1, 1)
    n, c, *space = shape_of(input)
    if c % groups:
        raise ShapeError(
            f"group_norm: num_groups must divide the {c} channels; got num_groups {groups}, "
            f"{shown(input=input)}."
        )
    length = c // groups * math.prod(space)
    if n * length == 1:
        raise ShapeError(
            f"group_norm: expected more than 1 value per channel when training; got input "
            f"{shape_of(input)}."
        )
    y = _row_norm(input.reshape(n * groups, length), eps).reshape(input.shape)
    per_channel = (-1, *[1] * len(space)) if c else (0, *[1] * len(space))
    y = y if weight is None else y * weight.reshape(per_channel)
    return y if bias is None else y + bias.reshape(per_channel)


@composite
def rms_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide each sample by its root mean square over its last dims, then scale it.

    Parameters
    ----------
    input : (..., *normalized_shape) float
    normalized_shape : int or sequence of int
    weight : normalized_shape, optional
    eps : float
        Added to the mean square; the dtype's machine epsilon unless given.
    """
    floating("rms_norm", input=input, weight=weight)
    shape = _trailing("rms_norm", input, normalized_shape, weight=weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    dims = tuple(range(-len(shape), 0))
    y = input * ((input * input).mean(dims, True) + eps).rsqrt()
    return y if weight is None else y * weight


@composite
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide each channel by the energy of `size` channels around it.

        y[n,c] = x[n,c] / (k + alpha/size · sum_{c'=c−size//2}^{c+(size−1)//2} x[n,c']²)^beta

    Parameters
    ----------
    input : (N, C, ...) float, at least 3 dims
    size : int

    Krizhevsky et al. 2012, section 3.3.
    """
    floating("local_response_norm", input=input)
    (size,) = ints("local_response_norm", "size", size, 1, 1)
    if input.ndim < 3:
        raise ShapeError(
            f"local_response_norm: input must be (N, C, ...) with 3 dims or more; got "
            f"{shape_of(input)}."
        )
    if not input.numel():
        return input
    n, c, *space = shape_of(input)
    energy = (input * input).reshape(n, 1, c, math.prod(space))
    energy = pad(energy, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(energy, (size, 1), stride=1).reshape(input.shape)
    return input / (mean * alpha + k).pow(beta)


@composite
def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """Divide by the p-norm along `dim`, or by eps where that is greater.

    Parameters
    ----------
    input : any shape, float
    p : float
    dim : int or tuple of int
    """
    if out is not None:
        raise TypeError("normalize: out= is not supported. Use the result.")
    floating("normalize", input=input)
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)
