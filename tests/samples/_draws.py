"""Shorthands for the tables of this folder: arguments that depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from minigrad.testing.strategies import arrays, broadcastable, integers, one_of_dims

__all__ = ["args", "bools", "dims_of", "fixed", "of", "pair", "rounded", "with_dim", "with_dims"]


def args(*values: Any, **kwargs: Any) -> SearchStrategy[Any]:
    """Each argument is a strategy or a value."""
    positional = [v if isinstance(v, SearchStrategy) else st.just(v) for v in values]
    named = {k: v if isinstance(v, SearchStrategy) else st.just(v) for k, v in kwargs.items()}
    return st.tuples(st.tuples(*positional), st.fixed_dictionaries(named))


def of(source: SearchStrategy[Any], then: Callable[[Any], Any]) -> SearchStrategy[Any]:
    """Arguments (as a tuple of strategies and values) that are a function of a first draw."""
    return source.flatmap(lambda x: args(*then(x)))


def pair(**options: Any) -> SearchStrategy[Any]:
    """Two arrays that broadcast."""
    return broadcastable(2, **options).map(lambda p: (p, {}))


def fixed(*samples: Any) -> SearchStrategy[Any]:
    """One of these tuples of arguments."""
    return st.sampled_from([(s, {}) for s in samples])


def with_dim(*more: Any, source: Any = None, **options: Any) -> SearchStrategy[Any]:
    """An array with at least one dim, one of its dims, and `more` arguments."""
    options.setdefault("min_dims", 1)
    return of(
        arrays(**options) if source is None else source, lambda x: (x, one_of_dims(x.ndim), *more)
    )


def dims_of(ndim: int) -> SearchStrategy[Any]:
    """None, one dim, or several different ones."""
    several = st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True).map(tuple)
    return st.none() | one_of_dims(ndim) | several


def with_dims(*more: Any, **options: Any) -> SearchStrategy[Any]:
    """An array, what to reduce over, and `more` arguments."""
    options.setdefault("min_dims", 1)
    return of(arrays(**options), lambda x: (x, dims_of(x.ndim), *more))


def rounded(a: np.ndarray) -> np.ndarray:
    """Whole numbers, with ties."""
    return np.asarray(np.round(a))


def bools(shape: Any) -> SearchStrategy[np.ndarray]:
    """Masks of a shape."""
    return integers(shape, 0, 2, dtype=np.bool_)
