"""Losses between two tensors. Cross-entropy is in cross_entropy.py, margins in margin_loss.py."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor
from .activation import logsigmoid
from .arguments import floating, shape_of, shown, tensor_of
from .reduction import reduced, reduction_of

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]


@composite
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared difference, (x − t)².

    Parameters
    ----------
    input, target : one shape; others broadcast, with a warning
    weight : the input's shape, optional
        'mean' then divides by its sum.
    reduction : {'mean', 'sum', 'none'}
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    d = _difference("mse_loss", input, target)
    return _weighted("mse_loss", d * d, weight, input, reduction)


@composite
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute difference, |x − t|.

    Parameters
    ----------
    input, target : one shape; others broadcast, with a warning
    weight : the input's shape, optional
        'mean' then divides by its sum.
    reduction : {'mean', 'sum', 'none'}
    """
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    d = _difference("l1_loss", input, target).abs()
    return _weighted("l1_loss", d, weight, input, reduction)


def _weighted(op: str, loss: Tensor, weight: Any, input: Tensor, reduction: str) -> Tensor:
    if weight is None:
        return reduced(loss, reduction)
    if shape_of(weight) != shape_of(input):
        raise ShapeError(
            f"{op}: weight must have the input's shape; got {shown(input=input, weight=weight)}."
        )
    if reduction == "mean":
        return (loss * weight).sum() / weight.sum()
    return reduced(loss * weight, reduction)


@composite
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d²/(2·beta) where d = |x − t| < beta, d − beta/2 elsewhere.

    Parameters
    ----------
    input, target : one shape; others broadcast, with a warning
    beta : float
        Not negative; 0 gives `l1_loss`.
    reduction : {'mean', 'sum', 'none'}
    """
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise ShapeError(f"smooth_l1_loss: beta must not be negative; got beta {beta}.")
    d = _difference("smooth_l1_loss", input, target)
    a = d.abs()
    if beta == 0:
        return reduced(a, reduction)
    return reduced((d * d * (0.5 / beta)).where(a < beta, a - 0.5 * beta), reduction)


@composite
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d²/2 where d = |x − t| ≤ delta, delta·(d − delta/2) elsewhere.

    Parameters
    ----------
    input, target : one shape; others broadcast, with a warning
    delta : float
        Positive.
    weight : the input's shape, optional
    reduction : {'mean', 'sum', 'none'}
    """
    reduction = reduction_of("huber_loss", reduction)
    if delta <= 0:
        raise ShapeError(f"huber_loss: delta must be positive; got delta {delta}.")
    d = _difference("huber_loss", input, target)
    a = d.abs()
    loss = (d * d * 0.5).where(a <= delta, (a - 0.5 * delta) * delta)
    if weight is not None:
        if shape_of(weight) != shape_of(input):
            raise ShapeError(
                "huber_loss: weight must have the input's shape; got "
                f"{shown(input=input, weight=weight)}."
            )
        loss = loss * weight
    return reduced(loss, reduction)


def _difference(op: str, input: Any, target: Any) -> Tensor:
    """input − target; shapes that differ are most often a mistake, so they get a warning."""
    x, t = tensor_of(op, "input", input), tensor_of(op, "target", target)
    if shape_of(x) != shape_of(t):
        warnings.warn(
            f"{op}: input and target should have one shape, else they broadcast against each other;"
            f" got {shown(input=x, target=t)}. Use target.reshape(input.shape).",
            UserWarning,
            stacklevel=4,
        )
    return x - t


@op(name="binary_cross_entropy")
def _bce(input: Array, target: Array) -> Array:
    """−t·log(x) − (1−t)·log(1−x) of each element, with logarithms of at least −100."""
    with_floor = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
    return (target - 1) * with_floor[1] - target * with_floor[0]


_bce.gradient(
    "input",
    lambda g, input, target: g * (input - target) / ((1 - input) * input).clamp(min=1e-12),
)
_bce.gradient(
    "target",
    lambda g, input: g * ((-input).log1p().clamp(min=-100) - input.log().clamp(min=-100)),
)


@composite
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−t·log(x) − (1−t)·log(1−x), with logarithms of at least −100.

    Parameters
    ----------
    input : any shape, probabilities in [0, 1]
    target : the input's shape, float in [0, 1]
    weight : broadcasts to the input, optional
    reduction : {'mean', 'sum', 'none'}

    Raises
    ------
    ValueError
        Shapes differ; a value is outside [0, 1].
    """
    name = "binary_cross_entropy"
    reduction = reduction_of(name, reduction, size_average, reduce)
    floating(name, input=input, target=target)
    if shape_of(input) != shape_of(target):
        raise ShapeError(
            f"{name}: input and target must have one shape; got "
            f"{shown(input=input, target=target)}."
        )
    for which, values in (("input", input._data), ("target", target._data)):
        inside = (values >= 0) & (values <= 1)
        if not inside.all():
            raise ShapeError(
                f"{name}: all elements of {which} should be between 0 and 1; got "
                f"{values[~inside].flat[0]}. For scores use binary_cross_entropy_with_logits."
            )
    loss = _bce(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@composite
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of scores: −p·t·log σ(x) − (1−t)·log(1 − σ(x)), exact for any x.

    Parameters
    ----------
    input : any shape, scores
    target : the input's shape, in [0, 1]
    weight, pos_weight : broadcast to the input, optional
        Weight of each element; and p, that of positive targets.
    reduction : {'mean', 'sum', 'none'}
    """
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, reduction, size_average, reduce)
    x, t = tensor_of(name, "input", input), tensor_of(name, "target", target)
    if shape_of(x) != shape_of(t):
        raise ShapeError(
            f"{name}: input and target must have one shape; got {shown(input=x, target=t)}. Use "
            "target.reshape(input.shape)."
        )
    if x._data.dtype.kind != "f":
        raise TypeError(f"{name}: input must be floating; got input of dtype {x.dtype}.")
    certain = logsigmoid(x)
    if pos_weight is not None:
        extra = tensor_of(name, "pos_weight", pos_weight).to(x.dtype) - 1
        certain = certain * (t * extra + 1)
    loss = (1 - t) * x - certain
    return reduced(loss if weight is None else loss * weight, reduction)


@composite
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of each element, t·(log t − x); 0 where t is 0.

    Parameters
    ----------
    input : any shape
        Log-probabilities.
    target : the input's shape
        Probabilities, or their logarithms with `log_target`.
    reduction : {'mean', 'batchmean', 'sum', 'none'}
        'batchmean' divides the sum by the first dim, which is the mathematical definition.
    """
    reduction = reduction_of("kl_div", reduction, size_average, reduce, ("batchmean",))
    x, t = tensor_of("kl_div", "input", input), tensor_of("kl_div", "target", target)
    loss = t.exp() * (t - x) if log_target else t.xlogy(t) - t * x
    if reduction == "batchmean":
        return loss.sum() / x.shape[0] if x.ndim else loss.sum()
    return reduced(loss, reduction)
