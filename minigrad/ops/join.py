"""Tensors joined, and cut into pieces. Repeating and reordering is in rearrange.py."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .section import narrow, select
from .shape import as_ints, reshape

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "split_with_sizes",
    "stack",
    "tensor_split",
    "unbind",
    "vsplit",
    "vstack",
]


def _skipped(shape: tuple[int, ...]) -> bool:
    return shape == (0,)  # PyTorch lets an empty 1-dim tensor join anything


@op(promote="arithmetic")
def cat(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors one after the other along an existing dim; other sizes must be equal.

    Dtypes are promoted. Tensors of shape (0,) are skipped.

    Raises
    ------
    ValueError
        No tensors, or sizes that differ in another dim.
    """
    parts = [a for a in tensors if not _skipped(a.shape)]
    if not parts:
        return tensors[0].copy()
    shapes = [a.shape for a in parts]
    ndim = len(shapes[0])
    if any(not s for s in shapes):
        raise ShapeError(f"cat: 0-dim tensors cannot be joined; got shapes {shapes}. Use stack.")
    d = check_dim("cat", dim, ndim)
    rest = shapes[0][:d] + shapes[0][d + 1 :]
    if any(len(s) != ndim or s[:d] + s[d + 1 :] != rest for s in shapes):
        raise ShapeError(f"cat: sizes must be equal except in dim {d}; got shapes {shapes}.")
    return np.concatenate(parts, d)


@cat.gradient("tensors")
def _(g: Tensor, tensors_shape: Any, dim: int) -> list[Tensor]:
    d, start, grads = check_dim("cat", dim, g._data.ndim), 0, []
    for shape in tensors_shape:
        if _skipped(shape):
            grads.append(g.new_zeros(shape))
            continue
        grads.append(narrow(g, d, start, shape[d]))
        start += shape[d]
    return grads


concat = concatenate = cat


@op(promote="arithmetic")
def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors, of one shape, along a new dim."""
    shapes = [a.shape for a in tensors]
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(f"stack: all tensors must have one shape; got shapes {shapes}.")
    return np.stack(tensors, check_dim("stack", dim, len(shapes[0]) + 1))


@stack.gradient("tensors")
def _(g: Tensor, dim: int) -> list[Tensor]:
    return list(unbind(g, dim))


@composite
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least 1 dim."""
    return _atleast(tensors, lambda x: reshape(x, (1,)) if not x.ndim else x)


@composite
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least 2 dims; new ones come first."""
    return _atleast(
        tensors, lambda x: reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x
    )


@composite
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least 3 dims: (n,) becomes (1, n, 1) and (n, m) becomes (n, m, 1)."""

    def grow(x: Tensor) -> Tensor:
        shapes = {0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}
        return reshape(x, shapes[x.ndim]) if x.ndim < 3 else x

    return _atleast(tensors, grow)


def _atleast(tensors: tuple[Any, ...], grow: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return grow(tensors[0])
    if len(tensors) == 1:
        tensors = tuple(tensors[0])
    return tuple([grow(x) for x in tensors])


@composite
def hstack(tensors: Any) -> Tensor:
    """Joined along dim 1 (dim 0 for vectors)."""
    parts = [atleast_1d(x) for x in tensors]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


@composite
def vstack(tensors: Any) -> Tensor:
    """Joined along dim 0; vectors become rows."""
    return cat([atleast_2d(x) for x in tensors], 0)


@composite
def dstack(tensors: Any) -> Tensor:
    """Joined along dim 2."""
    return cat([atleast_3d(x) for x in tensors], 2)


# pieces --------------------------------------------------------------------------------------


def _dim_to_cut(name: str, input: Tensor, dim: int) -> int:
    if not input._data.ndim:
        raise ShapeError(f"{name}: the tensor must have at least 1 dim; got a 0-dim tensor.")
    return check_dim(name, dim, input._data.ndim)


@composite(method="split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive pieces of the given sizes along a dim, as views."""
    d = _dim_to_cut("split", input, dim)
    sizes = as_ints("split", "split_sizes", split_sizes)
    size = input._data.shape[d]
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise ShapeError(
            f"split: sizes must not be negative and add up to {size}, the size of dim {d}; got "
            f"{sizes}."
        )
    starts = np.cumsum((0, *sizes)).tolist()
    return tuple([narrow(input, d, a, n) for a, n in zip(starts, sizes)])


@composite(method="split")
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along a dim, as views: of one size (the last may be smaller), or of given sizes."""
    if isinstance(split_size_or_sections, (list, tuple)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    n, d = operator.index(split_size_or_sections), _dim_to_cut("split", tensor, dim)
    size = tensor._data.shape[d]
    if n < 0 or (n == 0 and size):
        raise ShapeError(f"split: split_size must be positive; got {n} for dim {d} of size {size}.")
    if not size:
        return (tensor.narrow(d, 0, 0),)
    return tuple([narrow(tensor, d, a, min(n, size - a)) for a in range(0, size, n)])


@composite(method="chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces along a dim, all of size ceil(size / chunks) but the last."""
    d = _dim_to_cut("chunk", input, dim)
    if operator.index(chunks) < 1:
        raise ShapeError(f"chunk: chunks must be at least 1; got {chunks}.")
    size = input._data.shape[d]
    if not size:
        return tuple([narrow(input, d, 0, 0) for _ in range(chunks)])
    return split(input, max(1, math.ceil(size / chunks)), d)


MOST_SECTIONS = 1 << 20  # each is a Tensor


@composite(method="tensor_split")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along a dim: a number of nearly equal ones, or cut before the given indices."""
    d = _dim_to_cut("tensor_split", input, dim)
    size = input._data.shape[d]
    if isinstance(indices_or_sections, (list, tuple)):
        cuts = [0, *as_ints("tensor_split", "indices", indices_or_sections), size]
    elif isinstance(indices_or_sections, Tensor) and indices_or_sections.ndim:
        cuts = [0, *indices_or_sections.tolist(), size]
    else:
        n = operator.index(indices_or_sections)
        if n < 1:
            raise ShapeError(f"tensor_split: number of sections must be at least 1; got {n}.")
        if n > MOST_SECTIONS:
            raise ShapeError(
                f"tensor_split: number of sections must be at most {MOST_SECTIONS}; got {n}."
            )
        each, more = divmod(size, n)
        cuts = np.cumsum([0] + [each + (i < more) for i in range(n)]).tolist()
    bounds = [slice(a, b).indices(size) for a, b in pairwise(cuts)]
    return tuple([narrow(input, d, a, max(0, b - a)) for a, b, _ in bounds])


@composite(method="hsplit")
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 1 (dim 0 for vectors)."""
    return _split_evenly("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1)


@composite(method="vsplit")
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 0."""
    return _split_evenly("vsplit", input, indices_or_sections, 0)


def _split_evenly(op: str, input: Tensor, cuts: Any, dim: int) -> tuple[Tensor, ...]:
    size = input._data.shape[_dim_to_cut(op, input, dim)]
    if hasattr(cuts, "__index__") and int(cuts) > 0 and size % int(cuts):
        raise ShapeError(
            f"{op}: the number of sections must divide the size {size} of dim {dim}; got {cuts}. "
            "Use tensor_split for pieces of different sizes."
        )
    return tensor_split(input, cuts, dim)


@composite(method="unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All entries along a dim, without that dim, as views."""
    if not input._data.ndim:
        raise IndexError("unbind: the tensor must have at least 1 dim; got a 0-dim tensor.")
    d = check_dim("unbind", dim, input._data.ndim)
    return tuple([select(input, d, i) for i in range(input._data.shape[d])])
