"""Combinations of whole tensors: products of sets, blocks, columns. Joining is in join.py."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import composite
from ..tensor import Tensor, wrap
from ..values import Size
from .join import cat, hstack, stack
from .rearrange import meshgrid
from .shape import broadcast_shapes as common_shape
from .shape import reshape

__all__ = [
    "block_diag",
    "broadcast_shapes",
    "cartesian_prod",
    "column_stack",
    "combinations",
]


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to."""
    return Size(common_shape(*[tuple(s) for s in shapes]))


@composite
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples with one element of each (n,) tensor, as rows; of one tensor, itself."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([m.reshape(-1) for m in meshgrid(*tensors, indexing="ij")], 1)


@composite
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to pick r elements of an (n,) tensor, in order, as rows."""
    if input.ndim != 1:
        raise ShapeError(f"combinations: input must have one dim; got {tuple(input._data.shape)}.")
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    at = np.array(list(pick(range(len(input)), r)), np.int64).reshape(-1, r)
    return reshape(input[wrap(at.reshape(-1))], at.shape)


@composite
def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal, zeros elsewhere; fewer dims count as rows of one."""
    blocks = [t if t.ndim == 2 else reshape(t, (1, -1)) for t in tensors]
    width, rows, before = sum(b.shape[1] for b in blocks), [], 0
    for b in blocks:
        h, w = b.shape
        after = width - before - w
        rows.append(cat([b.new_zeros(h, before), b, b.new_zeros(h, after)], 1))
        before += w
    return cat(rows, 0)


@composite
def column_stack(tensors: Any) -> Tensor:
    """Tensors side by side; those of fewer than 2 dims are columns."""
    return hstack([t if t.ndim > 1 else reshape(t, (-1, 1)) for t in tensors])
