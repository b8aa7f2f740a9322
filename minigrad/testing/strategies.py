"""Hypothesis strategies for arrays on which gradients can be checked. No checks live here.

Structure (shapes, which dims broadcast) is drawn by Hypothesis and shrinks; the values come from a
drawn seed, which is quick, and are exact in float32, so that every dtype sees the same numbers.
Finite differences lie at a kink (relu at 0) and at a tie (max of two equal numbers): `away_from`
keeps values off the first, `distinct` makes the second impossible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["arrays", "broadcastable", "integers", "one_of_dims", "shapes", "well_scaled"]

Shape = tuple[int, ...]


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> SearchStrategy[Shape]:
    """Shapes with `min_dims` to `max_dims` dims of `min_side` to `max_side` each."""
    side = st.integers(min_side, max_side)
    return st.lists(side, min_size=min_dims, max_size=max_dims).map(tuple)


def one_of_dims(ndim: int) -> SearchStrategy[int]:
    """A valid dim of a tensor with `ndim` dims, counted from the front or (negative) the back."""
    n = max(ndim, 1)
    return st.integers(0, n - 1) | st.integers(-n, -1)


@st.composite
def arrays(
    draw: Any,
    shape: Shape | SearchStrategy[Shape] | None = None,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 1,
    max_side: int = 4,
    low: float = -2.0,
    high: float = 2.0,
    away_from: Sequence[float] = (0.0,),
    gap: float = 0.1,
    distinct: bool = False,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Floating arrays with values in [low, high], none within `gap` of a point in `away_from`.

    Parameters
    ----------
    shape : tuple of int, strategy for one, or None
        None draws `shapes(min_dims, max_dims, min_side, max_side)`.
    distinct : bool
        All values differ, by at least half of the even spacing.
    dtype : dtype
        Values are rounded to float32 first, whatever the dtype.
    """
    if shape is None:
        shape = shapes(min_dims, max_dims, min_side, max_side)
    sizes: Shape = draw(shape) if isinstance(shape, SearchStrategy) else tuple(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return _values(rng, sizes, low, high, away_from, gap, distinct).astype(dtype)


@st.composite
def broadcastable(
    draw: Any,
    n: int = 2,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 1,
    max_side: int = 4,
    low: float = -2.0,
    high: float = 2.0,
    away_from: Sequence[float] = (0.0,),
    gap: float = 0.1,
    distinct: bool = False,
    dtype: Any = np.float64,
) -> tuple[np.ndarray, ...]:
    """`n` arrays whose shapes broadcast together; leading dims are missing or sizes 1 at random.

    `distinct` makes values differ across the arrays as well, so that `maximum` meets no tie.
    """
    full = draw(shapes(min_dims, max_dims, min_side, max_side))
    parts: list[Shape] = []
    for _ in range(n):
        keep = draw(st.integers(min_dims, len(full)))
        tail = full[len(full) - keep :]
        parts.append(tuple(s if draw(st.booleans()) else 1 for s in tail))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = [int(np.prod(p)) for p in parts]
    flat = _values(rng, (sum(sizes),), low, high, away_from, gap, distinct).astype(dtype)
    cuts = np.cumsum(sizes)[:-1]
    return tuple(v.reshape(p).copy() for v, p in zip(np.split(flat, cuts), parts))


@st.composite
def integers(
    draw: Any,
    shape: Shape | SearchStrategy[Shape] = (),
    low: int = 0,
    high: int = 10,
    distinct: bool = False,
    dtype: Any = np.int64,
) -> np.ndarray:
    """Integer arrays with low <= value < high, as PyTorch's randint; `distinct` without repeats."""
    if high <= low:
        raise ValueError(f"integers: low must be below high; got low {low}, high {high}.")
    sizes: Shape = draw(shape) if isinstance(shape, SearchStrategy) else tuple(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if distinct:
        size = int(np.prod(sizes))
        if size > high - low:
            raise ValueError(f"integers: {size} distinct values do not fit in [{low}, {high}).")
        return (low + rng.permutation(high - low)[:size]).reshape(sizes).astype(dtype)
    return rng.integers(low, high, sizes).astype(dtype)


@st.composite
def well_scaled(
    draw: Any,
    shape: Shape | SearchStrategy[Shape] | None = None,
    small: float = 1e-2,
    large: float = 1e2,
    positive: bool = False,
) -> np.ndarray:
    """Arrays whose sizes are spread evenly over the decades from `small` to `large`.

    For ops that should work at any scale; either sign, unless `positive`.
    """
    sizes: Shape = draw(shape if isinstance(shape, SearchStrategy) else _given(shape))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    a = np.exp(rng.uniform(np.log(small), np.log(large), sizes))
    a = a if positive else a * rng.choice([-1.0, 1.0], sizes)
    return np.asarray(a).astype(np.float32).astype(np.float64)


def _given(shape: Shape | None) -> SearchStrategy[Shape]:
    return shapes() if shape is None else st.just(tuple(shape))


def _values(
    rng: np.random.Generator,
    shape: Shape,
    low: float,
    high: float,
    away_from: Sequence[float],
    gap: float,
    distinct: bool,
) -> np.ndarray:
    """Uniform over what is left of [low, high] when the gaps are cut out; exact in float32."""
    size = int(np.prod(shape))
    if distinct:  # one value in each of `size` equal cells, off the cell's edges
        where = (rng.permutation(size) + rng.uniform(0.25, 0.75, size)) / max(size, 1)
    else:
        where = rng.uniform(0.0, 1.0, size)
    left = _allowed(low, high, away_from, gap)
    lengths = np.array([b - a for a, b in left])
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    at = where * edges[-1]
    piece = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(left) - 1)
    values = np.array([a for a, _ in left])[piece] + at - edges[piece]
    return values.astype(np.float32).astype(np.float64).reshape(shape)


def _allowed(
    low: float, high: float, away_from: Sequence[float], gap: float
) -> list[tuple[float, float]]:
    """The parts of [low, high] at least `gap` away from every point of `away_from`."""
    parts = [(float(low), float(high))]
    for k in away_from:
        cut = []
        for a, b in parts:
            cut += [(a, min(b, k - gap)), (max(a, k + gap), b)]
        parts = [(a, b) for a, b in cut if a < b]
    if not parts:
        raise ValueError(
            f"arrays: nothing is left of [{low}, {high}] at a distance of {gap} from {away_from}."
        )
    return parts
