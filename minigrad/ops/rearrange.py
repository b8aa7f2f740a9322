"""Entries repeated, flipped, rolled, and laid out as grids. Repeating without a copy is expand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim, wrap
from .gather import index_select
from .shape import _dims_of, as_ints, permute, reshape, takes_sizes, transpose, unsqueeze

__all__ = [
    "flip",
    "fliplr",
    "flipud",
    "meshgrid",
    "repeat",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
]


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
            f"repeat_interleave: repeats must be one number >= 0, or {n}, one per entry of dim "
            f"{d}; got {times.tolist()}."
        )
    times = np.broadcast_to(times.reshape(-1), (n,)) if times.size == 1 else times
    if output_size is not None and output_size != times.sum():
        raise ShapeError(
            f"repeat_interleave: output_size must be the sum of repeats, {times.sum()}; got "
            f"output_size {output_size}. Leave it out."
        )
    return index_select(input, d, wrap(np.repeat(np.arange(n), times)))


@op
def flip(input: Array, dims: Any) -> Array:
    """A copy with the order of entries reversed along `dims`."""
    return np.array(np.flip(input, _dims_of("flip", dims, input.ndim)), order="C").reshape(
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
    """Turned `k` times by 90 degrees from the first of two dims towards the second."""
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
