"""Tensors joined, cut into pieces, repeated, flipped and rolled. Repeating dims is expand."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .section import narrow, select
from .shape import _dims_of, as_ints, permute, reshape, takes_sizes, transpose, unsqueeze

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "repeat",
    "repeat_interleave",
    "roll",
    "rot90",
    "split",
    "split_with_sizes",
    "stack",
    "tensor_split",
    "tile",
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
    if not tensors:
        raise ShapeError("cat: needs at least one tensor; got an empty list.")
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
    if not tensors:
        raise ShapeError("stack: needs at least one tensor; got an empty list.")
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
    """Pieces along a dim, as views: all of one size (the last may be smaller), or of given sizes."""
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
        each, more = divmod(size, n)
        cuts = np.cumsum([0] + [each + (i < more) for i in range(n)]).tolist()
    bounds = [slice(a, b).indices(size) for a, b in zip(cuts[:-1], cuts[1:])]
    return tuple([narrow(input, d, a, max(0, b - a)) for a, b, _ in bounds])


@composite(method="hsplit")
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 1 (dim 0 for vectors)."""
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


@composite(method="vsplit")
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along dim 0."""
    return tensor_split(input, indices_or_sections, 0)


@composite(method="unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All entries along a dim, without that dim, as views."""
    d = _dim_to_cut("unbind", input, dim)
    return tuple([select(input, d, i) for i in range(input._data.shape[d])])


# repeated and rearranged ---------------------------------------------------------------------


def _repeats(name: str, repeats: Any, ndim: int) -> tuple[int, ...]:
    times = as_ints(name, "repeats", repeats)
    if len(times) < ndim or min(times, default=0) < 0:
        raise ShapeError(
            f"{name}: needs one number >= 0 per dim, or more; got {times} for {ndim} dims."
        )
    return times


@op
def repeat(input: Array, repeats: Any) -> Array:
    """The whole tensor again and again along each dim; extra numbers make new dims in front."""
    return np.tile(input, _repeats("repeat", repeats, input.ndim))


@repeat.gradient("input")
def _(g: Tensor, input_shape: Any, repeats: Any) -> Tensor:
    times = _repeats("repeat", repeats, len(input_shape))
    shape = (1,) * (len(times) - len(input_shape)) + tuple(input_shape)
    pairs = [n for pair in zip(times, shape) for n in pair]
    if not pairs:
        return g
    return reshape(reshape(g, pairs).sum(tuple(range(0, len(pairs), 2))), input_shape)


takes_sizes(repeat, "repeat")


@composite
def tile(input: Tensor, dims: Any) -> Tensor:
    """As `repeat`, but missing numbers in front count as 1."""
    times = as_ints("tile", "dims", dims)
    return repeat(input, (1,) * (input._data.ndim - len(times)) + times)


takes_sizes(tile, "tile")


@composite(method="repeat_interleave")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each entry along a dim (or of the flattened tensor) `repeats` times in a row.

    `repeats` is a number or one per entry. Alone, it gives the indices that would be repeated.
    """
    from ..tensor import wrap
    from .index import index_select

    if repeats is None:
        return wrap(np.repeat(np.arange(len(input._data)), input._data))
    if dim is None:
        input, dim = input.flatten(), 0
    d = check_dim("repeat_interleave", dim, input._data.ndim)
    input = input if input._data.ndim else reshape(input, (1,))
    times = repeats._data if isinstance(repeats, Tensor) else np.asarray(repeats)
    n = input._data.shape[d]
    if times.ndim > 1 or (times.size not in (1, n)) or (times < 0).any():
        raise ShapeError(
            f"repeat_interleave: repeats must be one number >= 0, or {n}, one per entry of dim {d}; "
            f"got {times.tolist()}."
        )
    times = np.broadcast_to(times.reshape(-1), (n,)) if times.size == 1 else times
    return index_select(input, d, wrap(np.repeat(np.arange(n), times)))


@op
def flip(input: Array, dims: Any) -> Array:
    """A copy with the order of entries reversed along `dims`."""
    return np.ascontiguousarray(np.flip(input, _dims_of("flip", dims, input.ndim))).reshape(
        input.shape
    )


flip.gradient("input", lambda g, dims: flip(g, dims))
takes_sizes(flip, "flip")


@composite(method="fliplr")
def fliplr(input: Tensor) -> Tensor:
    """`flip` along dim 1."""
    return flip(input, (1,))


@composite(method="flipud")
def flipud(input: Tensor) -> Tensor:
    """`flip` along dim 0."""
    return flip(input, (0,))


@op(method="roll")
def roll(input: Array, shifts: Any, dims: Any = None) -> Array:
    """Entries moved `shifts` places along `dims`; what leaves at the end comes in in front.

    Without `dims`, the flattened tensor is rolled.
    """
    by = as_ints("roll", "shifts", shifts)
    if dims is None or dims == ():
        if len(by) != 1:
            raise ShapeError(f"roll: without dims, shifts must be one int; got {by}.")
        return np.roll(input, by[0])
    axes = tuple([check_dim("roll", d, input.ndim) for d in as_ints("roll", "dims", dims)])
    if len(axes) != len(by):
        raise ShapeError(
            f"roll: shifts and dims must have one length; got shifts {by}, dims {axes}."
        )
    return np.roll(input, by, axes) if input.ndim else input.copy()


@roll.gradient("input")
def _(g: Tensor, shifts: Any, dims: Any) -> Tensor:
    return roll(g, tuple(-s for s in as_ints("roll", "shifts", shifts)), dims)


@composite(method="rot90")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned `k` times by 90 degrees in the plane of two dims, from the first towards the second."""
    a, b = _dims_of("rot90", dims, input._data.ndim)
    k = k % 4
    if k == 0:
        return input.clone()
    if k == 2:
        return flip(input, (a, b))
    return transpose(flip(input, (b,)), a, b) if k == 1 else flip(transpose(input, a, b), (b,))


@composite
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: tensor i repeated along all dims but the i-th.

    `indexing` 'xy' swaps the first two dims, as images have them.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy'; got {indexing!r}.")
    if any(x.ndim > 1 for x in tensors):
        raise ShapeError(
            f"meshgrid: tensors must have at most 1 dim; got {[tuple(x.shape) for x in tensors]}."
        )
    flat = [reshape(x, (-1,)) for x in tensors]
    shape = tuple([x._data.size for x in flat])
    n = len(flat)
    grids = []
    for i, x in enumerate(flat):
        for d in range(n):
            if d != i:
                x = unsqueeze(x, d)
        grids.append(x.expand(shape))
    if indexing == "xy" and n > 1:
        grids = [permute(x, (1, 0, *range(2, n))) for x in grids]
    return tuple(grids)
