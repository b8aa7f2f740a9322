"""Random tensors, and tensors filled with random numbers. The Generator is in ..random."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import dtypes
from ..complaints import taught
from ..errors import ShapeError
from ..random import Generator, numpy_generator
from ..tensor import Tensor, wrap
from .convert import overwrite
from .creation import finish, float_or, refuse_out, sizes_of

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]


def _uniform(rng: np.random.Generator, shape: Any, d: np.dtype[Any]) -> np.ndarray:
    """Values in [0, 1) in a floating dtype; never 1, which rounding to float16 could give."""
    if d == np.float16:
        return (rng.integers(0, 1 << 11, shape) / (1 << 11)).astype(d)
    return np.asarray(rng.random(shape, d))


def _gauss(rng: np.random.Generator, shape: Any, d: np.dtype[Any]) -> np.ndarray:
    wide = np.float32 if d == np.float16 else d
    return np.asarray(rng.standard_normal(shape, wide)).astype(d, copy=False)


def _float_dtype(op: str, dtype: Any) -> np.dtype[Any]:
    d = float_or(dtype)
    if d.kind != "f":
        raise RuntimeError(f"{op}: dtype must be floating; got {d}. Use randint for integers.")
    return d


@taught
def rand(
    *sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform on [0, 1)."""
    refuse_out("rand", out)
    shape = sizes_of("rand", sizes or (size,))
    made = _uniform(numpy_generator(generator), shape, _float_dtype("rand", dtype))
    return finish(made, device, requires_grad)


@taught
def randn(
    *sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal with mean 0 and standard deviation 1."""
    refuse_out("randn", out)
    shape = sizes_of("randn", sizes or (size,))
    made = _gauss(numpy_generator(generator), shape, _float_dtype("randn", dtype))
    return finish(made, device, requires_grad)


def _like_dtype(op: str, input: Tensor, dtype: Any) -> np.dtype[Any]:
    if not isinstance(input, Tensor):
        raise TypeError(f"{op}: input must be a Tensor; got {type(input).__name__}.")
    return input._data.dtype if dtype is None else dtypes.to_dtype(dtype)


@taught
def rand_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Uniform on [0, 1), with the shape and dtype of `input`."""
    d = _float_dtype("rand_like", _like_dtype("rand_like", input, dtype))
    made = _uniform(numpy_generator(generator), input._data.shape, d)
    return finish(made, device, requires_grad)


@taught
def randn_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal with mean 0 and standard deviation 1, with the shape and dtype of `input`."""
    d = _float_dtype("randn_like", _like_dtype("randn_like", input, dtype))
    made = _gauss(numpy_generator(generator), input._data.shape, d)
    return finish(made, device, requires_grad)


def _integers(
    op: str, rng: np.random.Generator, low: int, high: int, shape: Any, d: np.dtype[Any]
) -> np.ndarray:
    lo, hi = operator.index(low), operator.index(high)
    if lo >= hi:
        raise ShapeError(f"{op}: low must be below high; got low {lo}, high {hi}.")
    return np.asarray(rng.integers(lo, hi, shape)).astype(d)


@taught
def randint(
    *args: Any, low: int = 0, high: int | None = None, size: Any = None,
    generator: Generator | None = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers with low <= value < high: randint(high, size) or randint(low, high, size)."""
    refuse_out("randint", out)
    rest = list(args)
    if rest and size is None and not hasattr(rest[-1], "__index__"):
        size = rest.pop()
    if len(rest) == 2:
        low, high = rest
    elif len(rest) == 1:
        low, high = (low, rest[0]) if high is None else (rest[0], high)
    if high is None or size is None or len(rest) > 2:
        raise TypeError(
            f"randint: needs (high, size) or (low, high, size), size a tuple; got {args}."
        )
    d = dtypes.int64 if dtype is None else dtypes.to_dtype(dtype)
    shape = sizes_of("randint", (size,))
    made = _integers("randint", numpy_generator(generator), low, high, shape, d)
    return finish(made, device, requires_grad)


@taught
def randint_like(
    input: Tensor, *args: int, low: int = 0, high: int | None = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Integers with low <= value < high, with the shape and dtype of `input`."""
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (low, args[0]) if high is None else (args[0], high)
    if high is None:
        raise TypeError("randint_like: needs high, or low and high.")
    d = _like_dtype("randint_like", input, dtype)
    rng = numpy_generator(generator)
    made = _integers("randint_like", rng, low, high, input._data.shape, d)
    return finish(made, device, requires_grad)


@taught
def randperm(
    n: int, *, generator: Generator | None = None, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """0 to n - 1 in random order."""
    refuse_out("randperm", out)
    (n,) = sizes_of("randperm", (n,))
    d = dtypes.int64 if dtype is None else dtypes.to_dtype(dtype)
    made = numpy_generator(generator).permutation(n).astype(d)
    return finish(made, device, requires_grad)


def _probabilities(op: str, p: Any) -> np.ndarray:
    a = p._data if isinstance(p, Tensor) else np.asarray(p)
    if a.dtype.kind != "f" and isinstance(p, Tensor):
        raise RuntimeError(f"{op}: probabilities must be floating; got dtype {a.dtype}.")
    if not ((a >= 0) & (a <= 1)).all():
        wrong = a[~((a >= 0) & (a <= 1))].flat[0] if a.ndim else a
        raise RuntimeError(f"{op}: probabilities must be in [0, 1]; got {wrong}.")
    return a


@taught
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Any = None
) -> Tensor:
    """1 with the probability that stands in `input` (or `p` everywhere), else 0; in its dtype."""
    refuse_out("bernoulli", out)
    chance = _probabilities("bernoulli", input if p is None else p)
    draws = numpy_generator(generator).random(input._data.shape)
    return wrap(np.asarray(draws < chance).astype(input._data.dtype))


@taught
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with probabilities proportional to the rows of `input`.

    Parameters
    ----------
    input : (K,) or (N, K) float, weights >= 0
    num_samples : int, at most the number of weights above 0 without `replacement`

    Returns
    -------
    (num_samples,) or (N, num_samples) int64
    """
    refuse_out("multinomial", out)
    a = input._data.astype(np.float64)
    n = operator.index(num_samples)
    if a.ndim not in (1, 2) or not a.shape[-1] or n < 1:
        raise ShapeError(
            f"multinomial: input must be (K,) or (N, K) and num_samples at least 1; got input "
            f"{a.shape}, num_samples {n}."
        )
    if not (np.isfinite(a).all() and (a >= 0).all() and (a.sum(-1) > 0).all()):
        raise RuntimeError(
            "multinomial: weights must be finite, not negative, and not all 0 in a row."
        )
    if not replacement and ((a > 0).sum(-1) < n).any():
        raise ShapeError(
            f"multinomial: cannot draw {n} different samples from {int((a > 0).sum(-1).min())} "
            "weights above 0. Use replacement=True."
        )
    rng = numpy_generator(generator)
    rows = np.atleast_2d(a)
    if replacement:
        steps = np.cumsum(rows, 1)
        at = rng.random((len(rows), n)) * steps[:, -1:]
        picks = np.stack([np.searchsorted(s, x, "right") for s, x in zip(steps, at)])
        picks = np.minimum(picks, rows.shape[1] - 1)
    else:  # the n smallest of exponential variables with these rates
        waits = np.where(rows > 0, rng.exponential(size=rows.shape), np.inf)
        waits /= np.where(rows > 0, rows, 1)
        picks = np.argsort(waits, 1)[:, :n]
    picks = np.ascontiguousarray(picks, np.int64)
    return wrap(picks if a.ndim == 2 else picks[0])


@taught
def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
    out: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal with the given means and standard deviations, numbers (with `size`) or tensors."""
    refuse_out("normal", out)
    m, s = (v._data if isinstance(v, Tensor) else v for v in (mean, std))
    if np.any(np.less(s, 0)):
        raise RuntimeError(f"normal: std must not be negative; got {np.min(s)}.")
    rng = numpy_generator(generator)
    if size is not None:
        d, shape = float_or(dtype), sizes_of("normal", (size,))
    elif isinstance(m, np.ndarray) or isinstance(s, np.ndarray):
        d = m.dtype if isinstance(m, np.ndarray) else s.dtype
        shape = np.broadcast_shapes(np.shape(m), np.shape(s))
    else:
        raise TypeError("normal: needs size if mean and std are numbers.")
    made = (_gauss(rng, shape, d) * s + m).astype(d)
    return finish(np.asarray(made), device, requires_grad)


@taught
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson counts with the rates that stand in `input`, in its dtype."""
    if (input._data < 0).any():
        raise RuntimeError(f"poisson: rates must not be negative; got {input._data.min()}.")
    made = numpy_generator(generator).poisson(input._data)
    return wrap(np.asarray(made).astype(input._data.dtype))


# in place ------------------------------------------------------------------------------------


def _filler(draw: Any) -> None:
    draw.__name__ = draw.__name__[1:]
    setattr(Tensor, draw.__name__, taught(draw))


def _range(name: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ShapeError(f"{name}: from must not exceed to; got from {low}, to {high}.")


def _need_float(name: str, t: Tensor) -> None:
    if t._data.dtype.kind != "f":
        raise NotImplementedError(f"{name}: the tensor must be floating; got dtype {t.dtype}.")


def _uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None,
    **old: float,
) -> Tensor:  # fmt: skip
    """Fill with uniform numbers in [from, to); returns self."""
    a = old.pop("from", from_)
    if old:
        raise TypeError(f"uniform_: unexpected argument {next(iter(old))!r}.")
    _need_float("uniform_", self)
    _range("uniform_", a, to)
    drawn = _uniform(numpy_generator(generator), self._data.shape, self._data.dtype)
    return overwrite(
        self, drawn * self._data.dtype.type(to - a) + self._data.dtype.type(a), "uniform_"
    )


def _normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers of the given mean and standard deviation; returns self."""
    _need_float("normal_", self)
    if not std >= 0:
        raise RuntimeError(f"normal_: std must not be negative; got {std}.")
    drawn = _gauss(numpy_generator(generator), self._data.shape, self._data.dtype)
    return overwrite(
        self, drawn * self._data.dtype.type(std) + self._data.dtype.type(mean), "normal_"
    )


def _bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with 1 with probability p (a number or tensor), else 0; returns self."""
    chance = _probabilities("bernoulli_", p)
    draws = numpy_generator(generator).random(self._data.shape)
    return overwrite(self, np.asarray(draws < chance).astype(self._data.dtype), "bernoulli_")


def _exponential_(
    self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with exponential numbers of rate `lambd`; returns self."""
    _need_float("exponential_", self)
    if not lambd > 0:
        raise RuntimeError(f"exponential_: lambd must be positive; got {lambd}.")
    drawn = numpy_generator(generator).standard_exponential(self._data.shape)
    return overwrite(self, drawn / lambd, "exponential_")


_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}  # bytes of a float: largest n to which all ints are exact


def _random_(
    self: Tensor, from_: int = 0, to: int | None = None, *, generator: Generator | None = None,
    **old: int,
) -> Tensor:  # fmt: skip
    """Fill with integers in [from, to), or up to the dtype's largest; one argument is `to`."""
    a = old.pop("from", from_)
    if old:
        raise TypeError(f"random_: unexpected argument {next(iter(old))!r}.")
    d = self._data.dtype
    if to is None and a != 0:
        a, to = 0, a
    if to is None:
        to = _EXACT[d.itemsize] + 1 if d.kind == "f" else 2 if d.kind == "b" else np.iinfo(d).max
    rng = numpy_generator(generator)
    return overwrite(self, _integers("random_", rng, a, to, self._data.shape, d), "random_")


for _draw in (_uniform_, _normal_, _bernoulli_, _exponential_, _random_):
    _filler(_draw)

Tensor.bernoulli = bernoulli  # type: ignore[attr-defined]
Tensor.multinomial = multinomial  # type: ignore[attr-defined]
