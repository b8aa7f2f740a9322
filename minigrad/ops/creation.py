"""Tensors made from sizes and numbers. Random ones are in random.py; from data: convert.tensor."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import dtypes
from ..complaints import taught
from ..errors import ShapeError
from ..op import composite
from ..tensor import Tensor, wrap
from ..values import device as check_device

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]


def sizes_of(op: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """`size` as typed, either numbers or one sequence of them, as a tuple of ints >= 0."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    elif len(size) == 1 and isinstance(size[0], (Tensor, np.ndarray)) and size[0].ndim:
        size = tuple(size[0].tolist())
    try:
        if any([isinstance(n, bool) for n in size]):
            raise TypeError
        shape = tuple([operator.index(n) for n in size])
    except TypeError:
        raise TypeError(
            f"{op}: sizes must be ints, or one sequence of ints; got {size!r}."
        ) from None
    if shape and min(shape) < 0:
        raise ShapeError(f"{op}: sizes must not be negative; got {shape}.")
    return shape


def finish(array: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    """The new leaf that holds `array`."""
    if device is not None:
        check_device(device)
    out = wrap(array)
    if requires_grad:
        out.requires_grad = True
    return out


def float_or(dtype: Any) -> np.dtype[Any]:
    """`dtype`, or the default float dtype for None."""
    return dtypes.get_default_dtype() if dtype is None else dtypes.to_dtype(dtype)


def refuse_out(op: str, out: Any) -> None:
    """`out=` is PyTorch's, and not supported."""
    if out is not None:
        raise NotImplementedError(f"{op}: out= is not supported. Use out.copy_({op}(...)).")


def _filled(
    op: str, size: tuple[Any, ...], value: float, names: Any, out: Any, dtype: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    refuse_out(op, out)
    if names is not None:
        size = size or (names,)
    shape = sizes_of(op, size)
    make = np.zeros if value == 0 else np.ones if value == 1 else np.empty
    return finish(make(shape, float_or(dtype)), device, requires_grad)


@composite
def zeros(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the given size: ints, or one sequence of them. Default dtype: default float."""
    return _filled("zeros", sizes, 0, size, out, dtype, device, requires_grad)


@composite
def ones(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the given size: ints, or one sequence of them. Default dtype: default float."""
    return _filled("ones", sizes, 1, size, out, dtype, device, requires_grad)


@taught
def empty(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of the given size whose elements are whatever the memory held."""
    return _filled("empty", sizes, math.nan, size, out, dtype, device, requires_grad)


@composite
def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`fill_value` everywhere; its type decides the dtype (bool, int64, default float)."""
    refuse_out("full", out)
    if isinstance(fill_value, (Tensor, np.ndarray, np.generic)):
        fill_value = fill_value.item()
    d = dtypes.default_for(fill_value) if dtype is None else dtypes.to_dtype(dtype)
    return finish(np.full(sizes_of("full", (size,)), fill_value, d), device, requires_grad)


def _like(
    name: str, input: Tensor, dtype: Any, device: Any, requires_grad: bool, value: Any
) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor; got {type(input).__name__}.")
    a = input._data
    d = a.dtype if dtype is None else dtypes.to_dtype(dtype)
    if value is None:
        return finish(np.empty(a.shape, d), device, requires_grad)
    made = np.zeros(a.shape, d) if value == 0 else np.full(a.shape, value, d)
    return finish(made, device, requires_grad)


@composite
def zeros_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Zeros with the shape and dtype of `input`."""
    return _like("zeros_like", input, dtype, device, requires_grad, 0)


@composite
def ones_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Ones with the shape and dtype of `input`."""
    return _like("ones_like", input, dtype, device, requires_grad, 1)


def empty_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor with the shape and dtype of `input` whose elements are not set."""
    return _like("empty_like", input, dtype, device, requires_grad, None)


@composite
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """`fill_value` everywhere, with the shape and dtype of `input`."""
    if isinstance(fill_value, (Tensor, np.ndarray, np.generic)):
        fill_value = fill_value.item()
    return _like("full_like", input, dtype, device, requires_grad, fill_value)


def _new_method(name: str, make: Any) -> None:
    def method(
        self: Tensor, *args: Any, dtype: Any = None, device: Any = None,
        requires_grad: bool = False, **rest: Any,
    ) -> Tensor:  # fmt: skip
        d = self.dtype if dtype is None else dtype
        return make(*args, dtype=d, device=device, requires_grad=requires_grad, **rest)

    method.__name__ = name
    method.__doc__ = f"As `minigrad.{make.__name__}`, with this tensor's dtype."
    setattr(Tensor, name, method)


for _make in (zeros, ones, empty, full):
    _new_method(f"new_{_make.__name__}", _make)


def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`data` copied into a new leaf with the dtype of `input`."""
    from ..convert import tensor

    d = input.dtype if dtype is None else dtype
    return tensor(data, dtype=d, device=device, requires_grad=requires_grad)


Tensor.new_tensor = new_tensor  # type: ignore[attr-defined]


def _number(op: str, name: str, value: Any) -> Any:
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"{op}: {name} must be a number; got {type(value).__name__}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ShapeError(f"{op}: {name} must be finite; got {value}.")
    return value


@composite
def arange(
    start: float, end: float | None = None, step: float = 1, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... below `end`: ceil((end - start) / step) numbers.

    One argument is the end. All ints give int64, a float the default float dtype.

    Raises
    ------
    ValueError
        `step` is 0, or leads away from `end`.
    """
    refuse_out("arange", out)
    if end is None:
        start, end = 0, start
    lo, hi, by = (
        _number("arange", n, v) for n, v in (("start", start), ("end", end), ("step", step))
    )
    if dtype is not None and dtypes.to_dtype(dtype).kind != "f":
        lo, hi, by = int(lo), int(hi), int(by)  # as PyTorch does
    if by == 0:
        raise ShapeError("arange: step must not be 0; got step 0.")
    if (hi - lo) * by < 0:
        raise ShapeError(
            f"arange: end must lie in the direction of step; got start {lo}, end {hi}, step {by}."
        )
    whole = all(isinstance(v, int) for v in (lo, hi, by))
    if dtype is None:
        d = dtypes.int64 if whole else dtypes.get_default_dtype()
    else:
        d = dtypes.to_dtype(dtype)
    count = -((lo - hi) // by) if whole else math.ceil((hi - lo) / by)
    steps = np.arange(count, dtype=np.int64 if whole else np.float64)
    array = lo + by * steps
    return finish(array.astype(d), device, requires_grad)


def _steps(op: str, steps: Any) -> int:
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(f"{op}: steps must be an int; got steps {steps!r}.")
    n = operator.index(steps)
    if n < 0:
        raise ShapeError(f"{op}: number of steps must not be negative; got steps {n}.")
    return n


@composite
def linspace(
    start: float, end: float, steps: int, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    refuse_out("linspace", out)
    lo, hi = _number("linspace", "start", start), _number("linspace", "end", end)
    array = np.linspace(lo, hi, _steps("linspace", steps))
    return finish(array.astype(float_or(dtype)), device, requires_grad)


@composite
def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base^start to base^end whose logarithms are evenly spaced."""
    refuse_out("logspace", out)
    lo, hi = _number("logspace", "start", start), _number("logspace", "end", end)
    array = np.power(float(base), np.linspace(lo, hi, _steps("logspace", steps)))
    return finish(array.astype(float_or(dtype)), device, requires_grad)


@composite
def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """(n, m) with ones on the diagonal; m = n by default."""
    refuse_out("eye", out)
    shape = sizes_of("eye", (n, n if m is None else m))
    return finish(np.eye(*shape, dtype=float_or(dtype)), device, requires_grad)


@composite
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """(2, K) rows and columns of the elements on and below a diagonal of a (row, col) matrix."""
    r, c = sizes_of("tril_indices", (row, col))
    array = np.stack(np.tril_indices(r, offset, c))
    return finish(
        array.astype(dtypes.int64 if dtype is None else dtypes.to_dtype(dtype)), device, False
    )


@composite
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """(2, K) rows and columns of the elements on and above a diagonal of a (row, col) matrix."""
    r, c = sizes_of("triu_indices", (row, col))
    array = np.stack(np.triu_indices(r, offset, c))
    return finish(
        array.astype(dtypes.int64 if dtype is None else dtypes.to_dtype(dtype)), device, False
    )
