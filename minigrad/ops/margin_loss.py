"""Losses that ask for a margin, and the cosine between vectors. Other losses are in loss.py."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..op import composite
from ..tensor import Tensor, wrap
from .activation import logsigmoid
from .arguments import floating, shape_of, shown, tensor_of
from .cross_entropy import check_class_weight, check_classes
from .distance import vector_norm
from .pairwise import pairwise_distance
from .reduction import reduced, reduction_of
from .shape import broadcast_tensors

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


@composite
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Multiclass hinge (SVM) loss: the right score must exceed every other by the margin.

        loss[n] = 1/C · Σ_{c≠t_n} w[t_n] · max(0, margin − x[n,t_n] + x[n,c])^p

    Parameters
    ----------
    input : (N, C) or (C,) float
        Scores.
    target : (N,) or () int64 in [0, C)
    p : 1 or 2
    margin : float
    weight : (C,) float, optional
    reduction : {'mean', 'sum', 'none'}
    """
    name = "multi_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    x, t = tensor_of(name, "input", input), tensor_of(name, "target", target)
    floating(name, input=x, weight=weight)
    if p not in (1, 2):
        raise ShapeError(f"{name}: p must be 1 or 2; got p {p}.")
    if x.ndim not in (1, 2) or 0 in shape_of(x)[-1:]:
        raise ShapeError(f"{name}: input must be (N, C) or (C,); got {shown(input=x, target=t)}.")
    alone = x.ndim == 1
    if alone:
        x, t = x.unsqueeze(0), t.reshape(-1)
    check_class_weight(name, x, weight)
    check_classes(name, x, t, None)
    classes = t._data.astype(np.int64)
    others = np.ones(shape_of(x), bool)
    others[np.arange(len(classes)), classes] = False
    excess = (x - x.gather(1, wrap(classes[:, None])) + margin).clamp(min=0)
    if p == 2:
        excess = excess * excess
    loss = excess.where(wrap(others), 0.0).sum(1) / x.shape[1]
    if weight is not None:
        loss = loss * wrap(weight._data[classes])
    loss = loss.squeeze(0) if alone else loss
    if reduction == "mean" and not loss.numel():
        reduction = "sum"  # 0 for an empty batch, as PyTorch has it for this loss alone
    return reduced(loss, reduction)


@composite
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1.

    Parameters
    ----------
    input : any shape, distances
    target : the input's shape, of 1 and −1
    reduction : {'mean', 'sum', 'none'}
    """
    name = "hinge_embedding_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    x, t = tensor_of(name, "input", input), tensor_of(name, "target", target)
    far = (margin - x).clamp(min=0)
    loss = far.where(t != 1, 0.0) + x.where(t != -1, 0.0)
    return reduced(loss, reduction)


@composite
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along `dim`: x1·x2 / max(|x1|·|x2|, eps²).

    Parameters
    ----------
    x1, x2 : shapes that broadcast
    dim : int
    eps : float
        Least length of each vector.
    """
    if not isinstance(dim, int):
        raise TypeError(f"cosine_similarity: dim must be an int; got dim {dim!r}.")
    if x1.shape != x2.shape:  # a dim of 1 stands for as many equal elements
        x1, x2 = broadcast_tensors(x1, x2)
    a, b = _length(x1, dim, eps), _length(x2, dim, eps)
    return ((x1 / a) * (x2 / b)).sum(dim)


def _length(x: Tensor, dim: int, eps: float) -> Tensor:
    """|x| along a dim, at least eps; its gradient is that of |x| everywhere, and 0 at 0."""
    n = vector_norm(x, 2, dim, True)
    return n + wrap((n.clamp(min=eps) - n)._data)


@composite
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 − cos(x1, x2) where the target is 1, max(0, cos(x1, x2) − margin) where it is −1.

    Parameters
    ----------
    input1, input2 : (N, D) or (D,) float
    target : (N,) or (), of 1 and −1
    reduction : {'mean', 'sum', 'none'}
    """
    name = "cosine_embedding_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if input1.ndim not in (1, 2) or target.ndim != input1.ndim - 1:
        raise ShapeError(
            f"{name}: inputs must be (N, D) with target (N,), or (D,) with target (); got "
            f"{shown(input1=input1, input2=input2, target=target)}."
        )
    dim = input1.ndim - 1
    squares = [(v * v).sum(dim) + 1e-12 for v in (input1, input2)]
    cos = (input1 * input2).sum(dim) / (squares[0] * squares[1]).sqrt()
    apart = (cos - margin).clamp(min=0)
    loss = (1 - cos).where(target == 1, apart.where(target == -1, 0.0))
    return reduced(loss, reduction)


@composite
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin − t·(x1 − x2)): where t is 1, x1 is to be the larger; where −1, x2.

    Parameters
    ----------
    input1, input2, target : they broadcast
    reduction : {'mean', 'sum', 'none'}
    """
    name = "margin_ranking_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    floating(name, input1=input1, input2=input2)
    t = tensor_of(name, "target", target)
    if not input1.ndim == input2.ndim == t.ndim:
        raise ShapeError(
            f"{name}: all inputs must have as many dims; got "
            f"{shown(input1=input1, input2=input2, target=t)}."
        )
    return reduced((margin - t * (input1 - input2)).clamp(min=0), reduction)


@composite
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(−t·x)), for targets 1 and −1.

    Parameters
    ----------
    input, target : one shape
    reduction : {'mean', 'sum', 'none'}
    """
    name = "soft_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    floating(name, input=input)
    t = tensor_of(name, "target", target)
    return reduced(-logsigmoid(t * input), reduction)


@composite
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, |anchor − positive| − |anchor − negative| + margin), with `pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : (N, D) or (D,) float
    swap : bool
        Take |positive − negative| where it is the smaller distance to the negative.
    reduction : {'mean', 'sum', 'none'}
    """
    name = "triplet_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    floating(name, anchor=anchor, positive=positive, negative=negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{name}: the anchor, positive, and negative must have as many dims; got "
            f"{shown(anchor=anchor, positive=positive, negative=negative)}."
        )
    if margin <= 0:
        raise ShapeError(f"{name}: margin must be positive; got margin {margin}.")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced((margin + near - far).clamp(min=0), reduction)
