"""Distances between rows: one by one, all of one tensor, all of two. Norms are in distance.py."""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import floating, shape_of, shown, tensor_of
from .creation import triu_indices
from .distance import vector_norm

__all__ = ["cdist", "pairwise_distance", "pdist"]


@composite
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dim.

    Parameters
    ----------
    x1, x2 : (..., D) float
        They broadcast.
    """
    floating("pairwise_distance", x1=x1, x2=x2)
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@composite
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm of every row of x1 minus every row of x2; its gradient at 0 is 0.

    Parameters
    ----------
    x1 : (..., P, D) float
    x2 : (..., R, D) float

    Returns
    -------
    (..., P, R) float
    """
    floating("cdist", x1=x1, x2=x2)
    if x1.ndim < 2 or x2.ndim < 2 or shape_of(x1)[-1] != shape_of(x2)[-1]:
        raise ShapeError(
            "cdist: x1 must be (..., P, D) and x2 (..., R, D) with one D; got "
            f"{shown(x1=x1, x2=x2)}."
        )
    a, b = shape_of(x1), shape_of(x2)
    many = a[-2] > 25 or b[-2] > 25  # then, as in PyTorch, one product, a little less exact
    if many and p == 2 and a[:-2] == b[:-2] and compute_mode != "donot_use_mm_for_euclid_dist":
        return _euclidean(x1, x2)
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@op(name="cdist")
def _euclidean(x1: Array, x2: Array) -> Array:
    """sqrt(|a|² + |b|² − 2·a·b) of all rows a of x1 and b of x2."""
    squares = np.square(x1).sum(-1)[..., None] + np.square(x2).sum(-1)[..., None, :]
    squares -= 2 * (x1 @ np.swapaxes(x2, -1, -2))
    return np.sqrt(np.maximum(squares, 0))


@_euclidean.gradient("x1", "x2")
def _(g: Tensor, x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    share = g / y.masked_fill(y == 0, math.inf)
    return (
        x1 * share.sum(-1).unsqueeze(-1) - share @ x2,
        x2 * share.sum(-2).unsqueeze(-1) - share.transpose(-1, -2) @ x1,
    )


@composite
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm of row i minus row j for all i < j; its gradient at 0 is 0.

    Parameters
    ----------
    input : (N, D) float

    Returns
    -------
    (N·(N−1)/2,) float, ordered by i, then j.
    """
    x = tensor_of("pdist", "input", input)
    floating("pdist", input=x)
    if x.ndim != 2:
        raise ShapeError(f"pdist: input must be (N, D); got {shown(input=x)}.")
    i, j = triu_indices(x.shape[0], x.shape[0], 1)
    return vector_norm(x[i] - x[j], p, -1)
