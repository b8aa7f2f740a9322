"""Normalisation by the batch's own statistics or by running ones. Over rows: see row_norm.py.

`_batch_norm` and its gradient are one pass each over a fused kernel. The gradient's own rule, for
second derivatives, differentiates the same formula written with plain ops.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import mode
from ..errors import ShapeError
from ..inplace import bump
from ..kernels import norm as kernels
from ..op import Array, composite, op
from ..tensor import Tensor, wrap
from . import piecewise as activations
from .arguments import floating, shape_of, shown
from .piecewise import relu_grad
from .second import pullback_of

__all__ = ["batch_norm", "batch_norm_relu", "instance_norm", "normalised_grad"]


def _normalise(
    input: Array, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float,
    eps: float, relu: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Normalise (N, C, ...) by the statistics of the batch, and note them in the running ones."""
    running = running_mean, running_var
    y, mean, _, rstd = kernels.batch_norm(input, eps, weight, bias, relu, running, momentum)
    return y, mean, rstd


@op(name="batch_norm", byproducts="mean rstd")
def _batch_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    running_mean: Any = None,
    running_var: Any = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """`batch_norm` of a batch that was checked, in training."""
    return _normalise(input, weight, bias, running_mean, running_var, momentum, eps, False)


@op(name="batch_norm_relu", byproducts="mean rstd")
def _batch_norm_relu(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    running_mean: Any = None,
    running_var: Any = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """`relu` of `_batch_norm`, in one pass."""
    return _normalise(input, weight, bias, running_mean, running_var, momentum, eps, True)


@op(outputs="gx gw gb")
def batch_norm_grad(
    grad: Array,
    input: Array,
    weight: Array | None = None,
    mean: Any = None,
    rstd: Any = None,
    eps: float = 1e-5,
    shift: Any = None,
    relu: bool = False,
    spare: bool = False,
) -> tuple[Array, Array, Array]:
    """Gradients of batch_norm in input, weight and bias.

    mean and rstd are those of the input; what is not given is computed. With `relu`, `grad` is that
    of what a relu made of the result, and `shift` the bias; that is not differentiable again. If
    `grad` is `spare`, the first result takes its place in memory.
    """
    if mean is None:
        _, mean, _, rstd = kernels.batch_norm(input, eps, None, None)
    return kernels.batch_norm_grad(grad, input, mean, rstd, weight, shift, relu, spare)


@_batch_norm.gradient("input", "weight", "bias")
def _(
    g: Tensor, input: Tensor, weight: Any, mean: Tensor, rstd: Tensor, eps: float, spare: bool
) -> Any:
    return batch_norm_grad(g, input, weight, mean, rstd, eps, None, False, spare)


@_batch_norm_relu.gradient("input", "weight", "bias")
def _batch_norm_relu_rule(
    g: Tensor, input: Tensor, weight: Any, bias: Any, mean: Tensor, rstd: Tensor, eps: float,
    spare: bool,
) -> Any:  # fmt: skip
    y = batch_norm(input.detach(), None, None, weight, bias, True, 0.0, eps)
    return batch_norm_grad(relu_grad(g, y.detach()), input, weight, mean, rstd, eps)


_batch_norm_relu_rule.on_arrays = (  # type: ignore[attr-defined]
    lambda g, input, weight, bias, mean, rstd, eps, spare: batch_norm_grad(
        g, input, weight, mean, rstd, eps, bias, True, spare
    )
)


@batch_norm_grad.gradient("grad", "input", "weight")
def _(g: Any, grad: Tensor, input: Tensor, weight: Tensor | None, eps: float) -> Any:
    dims = (0, *range(2, input.ndim))

    def formula(grad: Tensor, input: Tensor, weight: Tensor | None) -> Any:
        scale = None if weight is None else weight.reshape(-1, *[1] * (input.ndim - 2))
        return normalised_grad(grad, input, scale, dims, eps)

    return pullback_of(formula, (grad, input, weight), g)


def normalised_grad(
    g: Tensor, x: Tensor, scale: Tensor | None, dims: tuple[int, ...], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of scale·(x − mean)/sqrt(var + eps) in x, in scale, and in what is added after.

    Mean and (biased) variance are those of x over `dims`.
    """
    centred = x - x.mean(dims, True)
    rstd = ((centred * centred).mean(dims, True) + eps).rsqrt()
    xhat = centred * rstd
    h = g if scale is None else g * scale
    gx = rstd * (h - h.mean(dims, True) - xhat * (h * xhat).mean(dims, True))
    return gx, (g * xhat).sum(dims), g.sum(dims)


@op(name="batch_norm")
def _batch_norm_fixed(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    mean: Any = None,
    rstd: Any = None,
    relu: bool = False,
) -> Array:
    """Normalise (N, C, ...) by statistics that are constants; `relu` only where none records."""
    return kernels.batch_norm_apply(input, mean, rstd, weight, bias, relu)


@_batch_norm_fixed.gradient("input")
def _(g: Tensor, weight: Tensor | None, rstd: Array) -> Tensor:
    scale = wrap(rstd) if weight is None else weight * wrap(rstd)
    return g * _per_channel(scale, g.ndim)


@_batch_norm_fixed.gradient("weight")
def _(g: Tensor, input: Tensor, mean: Array, rstd: Array) -> Tensor:
    xhat = (input - _per_channel(wrap(mean), g.ndim)) * _per_channel(wrap(rstd), g.ndim)
    return (g * xhat).sum((0, *range(2, g.ndim)))


_batch_norm_fixed.gradient("bias", lambda g: g.sum((0, *range(2, g.ndim))))


def _per_channel(v: Tensor, ndim: int) -> Tensor:
    return v.reshape(-1, *[1] * (ndim - 2))


@composite
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel over batch and space, then scale and shift it.

        y = (x − mean) / sqrt(var + eps) · weight + bias

    In training, mean and (biased) variance are those of the batch, and the running statistics move
    towards them in place: running = (1 − momentum)·running + momentum·batch, where the running
    variance takes the unbiased one. Otherwise the running statistics are used.

    Parameters
    ----------
    input : (N, C, ...) float
    running_mean, running_var, weight, bias : (C,) float, or None
        The first two may be None only in training.
    momentum : float
        0 leaves the running statistics as they are.

    Returns
    -------
    the input's shape

    Raises
    ------
    ValueError
        In training, if a channel has one value only; sizes other than (C,).

    Ioffe and Szegedy 2015, algorithms 1 and 2.
    """
    return _checked_batch_norm(
        "batch_norm", input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def batch_norm_relu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """relu(batch_norm(...)) of the same arguments, in one pass over memory each way."""
    return _checked_batch_norm(
        "batch_norm", input, running_mean, running_var, weight, bias, training, momentum, eps, True
    )


def _checked_batch_norm(
    name: str,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    relu: bool = False,
) -> Tensor:
    if not _plainly_right(input, running_mean, running_var, weight, bias):
        floating(name, input=input, weight=weight, bias=bias)
        if input.ndim < 2:
            raise ShapeError(f"{name}: input must be (N, C, ...); got {shown(input=input)}.")
        _check_channels(name, input, running_mean, running_var, weight, bias)
    n, _, *space = shape_of(input)
    if training and n * math.prod(space) == 1:
        raise ShapeError(
            f"{name}: expected more than 1 value per channel when training; got input "
            f"{shape_of(input)}. Use a larger batch, drop_last=True in the DataLoader, or "
            "model.eval()."
        )
    if training and not eps > 0:
        raise ShapeError(f"{name}: eps must be positive when training; got eps {eps!r}. Try 1e-5.")
    if not training and (running_mean is None or running_var is None):
        raise ShapeError(
            f"{name}: running_mean and running_var are needed unless training; got "
            f"running_mean {running_mean}, running_var {running_var}."
        )
    if not input.numel():
        y = _nothing(input, weight, bias)
        return activations.relu(y) if relu else y
    if not training:
        assert running_mean is not None and running_var is not None
        rstd = 1 / np.sqrt(running_var._data + eps)
        dtype = input._data.dtype
        now = running_mean._data.astype(dtype, copy=mode.recording)  # as a gradient needs it
        fixed = (now, rstd.astype(dtype, copy=False))
        if relu and mode.recording:
            return activations.relu(_batch_norm_fixed(input, weight, bias, *fixed))
        return _batch_norm_fixed(input, weight, bias, *fixed, relu)
    call = _batch_norm_relu if relu else _batch_norm
    y = call(input, weight, bias, running_mean, running_var, momentum, eps)
    for running in (running_mean, running_var):
        if running is not None:
            bump(running, "batch_norm's running statistics", line=False)  # 2 us to find
    return y


def _plainly_right(input: Any, *vectors: Any) -> bool:
    """Whether all are there, of one floating dtype and as many channels: the common case."""
    if input.__class__ is not Tensor or input._data.ndim < 2 or input._data.dtype.kind != "f":
        return False
    dtype, shape = input._data.dtype, input._data.shape[1:2]
    for v in vectors:
        if not isinstance(v, Tensor) or v._data.dtype != dtype or v._data.shape != shape:
            return False
    return True


def _nothing(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """An empty result that hangs on all parameters, so that they get gradients of zeros."""
    y = x * 1
    if weight is not None:
        y = y * _per_channel(weight, x.ndim)
    return y if bias is None else y + _per_channel(bias, x.ndim)


def _check_channels(
    op: str,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
) -> None:
    given = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    c = x.shape[1]
    for name, t in given.items():
        if t is not None and shape_of(t) != (c,):
            raise ShapeError(
                f"{op}: {name} must be ({c},), one per channel; got {shown(input=x, **{name: t})}. "
                f"Give the layer {c} features, or check that channels come second."
            )
    for name in ("running_mean", "running_var"):
        t = given[name]
        if t is not None and t._rg:
            raise ShapeError(f"{op}: {name} must not require grad. Use {name}.detach().")


@composite
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each image over space, then scale and shift it.

    As `batch_norm` with every image a batch of its own; the running statistics take the average
    over the images.

    Parameters
    ----------
    input : (N, C, ...) float
    running_mean, running_var, weight, bias : (C,) float, optional
    use_input_stats : bool
        False uses the running statistics instead.

    Raises
    ------
    ValueError
        A channel of an image has one value only; sizes other than (C,).
    """
    name = "instance_norm"
    floating(name, input=input, weight=weight, bias=bias)
    if input.ndim < 2:
        raise ShapeError(f"{name}: input must be (N, C, ...); got {shown(input=input)}.")
    _check_channels(name, input, running_mean, running_var, weight, bias)
    n, c, *space = shape_of(input)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if math.prod(space) == 1:
        raise ShapeError(
            f"{name}: expected more than 1 spatial element when training; got input "
            f"{shape_of(input)}."
        )
    if not input.numel():
        return _nothing(input, weight, bias)
    parts = [None if t is None else wrap(np.tile(t._data, n)) for t in (running_mean, running_var)]
    scale, shift = (None if t is None else t.repeat(n) for t in (weight, bias))
    one = input.reshape(1, n * c, *space)
    y = batch_norm(one, parts[0], parts[1], scale, shift, True, momentum, eps)
    for running, part in zip((running_mean, running_var), parts):
        if running is not None and part is not None:
            running._data[...] = part._data.reshape(n, c).mean(0)
            bump(running, "instance_norm's running statistics")
    return y.reshape(input.shape)
