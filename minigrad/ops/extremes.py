"""Largest and smallest elements and their places. Sorting is in scan.py; sums in reduce.py."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .convert import to
from .limits import maximum, minimum
from .reduce import check_dims, spread

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]

Max = namedtuple("max", "values indices")  # type: ignore[name-match]
Min = namedtuple("min", "values indices")  # type: ignore[name-match]
Aminmax = namedtuple("aminmax", "min max")  # type: ignore[name-match]


def _not_empty(
    name: str, a: Array, dims: tuple[int, ...], given: Any, error: type[Exception] = IndexError
) -> None:
    if any(a.shape[d] == 0 for d in dims) or (not dims and not a.size):
        raise error(
            f"{name}: of nothing there is no extreme: the reduced dims must not be empty; got "
            f"shape {a.shape}, dim {given}. Check that the tensor has elements first."
        )


def _even(g: Tensor, input: Tensor, y: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """`g` shared evenly among the elements that equal the extreme."""
    shape = input._data.shape
    same = spread(y.detach(), shape, dim, keepdim)
    hit = (input.detach() == same) | (input.isnan() & same.isnan())
    share = to(hit, g.dtype)
    dims = check_dims("amax", dim, len(shape))
    count = share.sum(dims, True) if dims else share
    return spread(g, shape, dim, keepdim) * (share / count)


@op(method="amax")
def amax(input: Array, dim: Any = (), keepdim: bool = False) -> Array:
    """Largest element over one dim, several, or all; ties share the gradient evenly."""
    dims = check_dims("amax", dim, input.ndim)
    _not_empty("amax", input, dims, dim, ShapeError if dim in ((), None) else IndexError)
    return input.max(dims, keepdims=keepdim)


@op(method="amin")
def amin(input: Array, dim: Any = (), keepdim: bool = False) -> Array:
    """Smallest element over one dim, several, or all; ties share the gradient evenly."""
    dims = check_dims("amin", dim, input.ndim)
    _not_empty("amin", input, dims, dim, ShapeError if dim in ((), None) else IndexError)
    return input.min(dims, keepdims=keepdim)


amax.gradient("input", _even)
amin.gradient("input", _even)


@composite(method="aminmax")
def aminmax(input: Tensor, *, dim: Any = None, keepdim: bool = False) -> Any:
    """(min, max) over one dim or all."""
    d = () if dim is None else dim
    return Aminmax(amin(input, d, keepdim), amax(input, d, keepdim))


def _take(a: Array, index: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    if not a.ndim:
        return a.copy(), np.zeros((), np.int64)
    values = np.take_along_axis(a, index, dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


@op(name="max", outputs="values indices")
def _max_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """Largest element along a dim, and where it stands (the first of several)."""
    d = check_dim("max", dim, input.ndim)
    _not_empty("max", input, (d,) if input.ndim else (), dim)
    return _take(input, np.argmax(input, d if input.ndim else None, keepdims=True), d, keepdim)


@op(name="min", outputs="values indices")
def _min_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """Smallest element along a dim, and where it stands (the first of several)."""
    d = check_dim("min", dim, input.ndim)
    _not_empty("min", input, (d,) if input.ndim else (), dim)
    return _take(input, np.argmin(input, d if input.ndim else None, keepdims=True), d, keepdim)


def scatter_back(
    g: Tensor, indices: Tensor, input_shape: Any, dim: int, keepdim: bool = True
) -> Tensor:
    """Zeros of the input's shape with `g` at the places along `dim` that it was selected from."""
    if not keepdim and len(input_shape):
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return g.new_zeros(input_shape).scatter(dim, indices, g)


_max_dim.gradient("input", scatter_back)
_min_dim.gradient("input", scatter_back)


def _overloads(name: str, input: Tensor, dim: Any, keepdim: bool, other: Any) -> Any:
    all_, pair, along, result = (
        (amax, maximum, _max_dim, Max) if name == "max" else (amin, minimum, _min_dim, Min)
    )
    if other is None and isinstance(dim, Tensor):
        other, dim = dim, None
    if other is not None:
        return pair(input, other)
    if dim is None:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: input must be a Tensor; got {type(input).__name__}.")
        _not_empty(name, input._data, (), None, ShapeError)
        return all_(input)
    return result(*along(input, dim, keepdim))


@composite(method="max")
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; along a dim (values, indices); or of two tensors, element by element.

    Over all elements, ties share the gradient evenly; along a dim, the returned one gets it.

    Raises
    ------
    ValueError, IndexError
        There are no elements.
    """
    return _overloads("max", input, dim, keepdim, other)


@composite(method="min")
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; along a dim (values, indices); or of two tensors, element by element.

    Over all elements, ties share the gradient evenly; along a dim, the returned one gets it.
    """
    return _overloads("min", input, dim, keepdim, other)


def _arg(name: str, find: Any, input: Array, dim: Any, keepdim: bool) -> Array:
    if dim is None:
        _not_empty(name, input, (), None)
        y = np.asarray(find(input), np.int64)
        return y.reshape((1,) * input.ndim) if keepdim else y
    d = check_dim(name, dim, input.ndim)
    _not_empty(name, input, (d,) if input.ndim else (), dim)
    return find(input, d, keepdims=keepdim) if input.ndim else np.zeros((), np.int64)


@op(method="argmax", differentiable=False)
def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """Place of the largest element along a dim or of all; the first of several."""
    return _arg("argmax", np.argmax, input, dim, keepdim)


@op(method="argmin", differentiable=False)
def argmin(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """Place of the smallest element along a dim or of all; the first of several."""
    return _arg("argmin", np.argmin, input, dim, keepdim)
