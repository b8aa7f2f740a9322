"""Copies, dtypes, and overwriting: to, clone, contiguous, copy_, fill_. From data: ..convert."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..engine import mode
from ..inplace import bump, check_in_place, concerns_graph, replace
from ..op import Array, composite, op
from ..tensor import Tensor, _refresh, wrap
from ..values import device as check_device

__all__ = ["clone", "contiguous", "is_floating_point", "numel", "to", "type_as"]


@op(name="_to_copy")
def _to_copy(input: Array, dtype: Any) -> Array:
    """A copy in another dtype; floats to integers are cut off towards zero."""
    return input.astype(dtype)


_to_copy.gradient("input", lambda g: g)  # the machinery casts it back


@op(method="clone")
def clone(input: Array, *, memory_format: Any = None) -> Array:
    """A copy with its own memory, laid out as `input` is (row-major if `memory_format` asks)."""
    return input.copy("K" if memory_format is None else "C")


clone.gradient("input", lambda g: g)


@composite(method="contiguous")
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """`input` itself if its elements lie in row-major order without gaps, else such a copy."""
    return input if input._data.flags.c_contiguous else clone(input, memory_format="contiguous")


def _is_device(value: Any) -> bool:
    return isinstance(value, check_device) or (
        isinstance(value, str) and value.split(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta")
    )


@composite(method="to")
def to(
    input: Tensor, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False,
    copy: bool = False, memory_format: Any = None, other: Any = None,
) -> Tensor:  # fmt: skip
    """`input` with another dtype: to(dtype), to(device), to(device, dtype) or to(other).

    Returns `input` itself if nothing changes and `copy` is False.
    """
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
    elif rest and (rest[0] is None or _is_device(rest[0])):
        device = rest.pop(0)
        if rest and not isinstance(rest[0], bool):
            dtype = rest.pop(0)
    elif rest:
        dtype = rest.pop(0)
    for value in rest[1:2]:
        copy = bool(value)
    if other is not None:
        dtype = other.dtype
    if device is not None:
        check_device(device)
    d = input._data.dtype if dtype is None else dtypes.to_dtype(dtype)
    if d != input._data.dtype:
        return _to_copy(input, d)
    return clone(input) if copy else input


@composite(method="type_as")
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` with the dtype of `other`."""
    return to(input, other.dtype)


def _dtype_method(name: str, dtype: Any) -> None:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return to(self, dtype)

    method.__name__ = name
    method.__doc__ = f"This tensor as {dtype}."
    setattr(Tensor, name, method)


for _name, _dtype in (
    ("float", dtypes.float32),
    ("double", dtypes.float64),
    ("half", dtypes.float16),
    ("long", dtypes.int64),
    ("int", dtypes.int32),
    ("short", dtypes.int16),
    ("char", dtypes.int8),
    ("byte", dtypes.uint8),
    ("bool", dtypes.bool_),
):
    _dtype_method(_name, _dtype)

_TYPE_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int",
    "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of this tensor's type, or this tensor as `dtype` (a dtype or such a name)."""
    if dtype is None:
        return f"minigrad.{_TYPE_NAMES[str(self.dtype)]}Tensor"
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        wanted = dtype.split(".")[-1].removesuffix("Tensor")
        dtype = next((k for k, v in _TYPE_NAMES.items() if v == wanted), dtype)
    return to(self, dtype)


def _cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor: it lives on the CPU already."""
    return self


def _cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """An error: there is one device, the CPU."""
    return to(self, "cuda")


Tensor.type, Tensor.cpu, Tensor.cuda = _type, _cpu, _cuda  # type: ignore[attr-defined]


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """Number of elements."""
    return input._data.size


# overwriting ---------------------------------------------------------------------------------


def _overlaps(a: Array) -> bool:
    return any(step == 0 and n > 1 for n, step in zip(a.shape, a.strides))


def writable(t: Tensor, name: str) -> Array:
    """The buffer of `t`, if every element has its own place in memory that may be written."""
    a = t._data
    if not a.flags.writeable or (0 in a.strides and _overlaps(a)):
        raise RuntimeError(
            f"{name}: several elements of this tensor share one memory location (it was expanded), "
            "or its memory is read-only. Use .clone() first."
        )
    return a


def overwrite(t: Tensor, value: Any, name: str) -> Tensor:
    """Set all of `t` to `value` (a number, an ndarray or Tensor that broadcasts); gradient: cut."""
    a = writable(t, name)
    if mode.recording and concerns_graph(t):
        check_in_place(t, name)
        _refresh(t)
        replace(t, wrap(np.broadcast_to(value, a.shape).astype(a.dtype)), name)
    else:
        with np.errstate(all="ignore"):
            np.copyto(a, value, casting="unsafe")
        bump(t, name)
    return t


def _fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to a number (or a 0-dim tensor); returns self."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_: value must be a number or a 0-dim tensor; got shape {tuple(value.shape)}. "
                "Use copy_()."
            )
        if value.requires_grad and mode.recording:
            return _copy_(self, value)
        value = value._data
    return overwrite(self, value, "fill_")


def _zero_(self: Tensor) -> Tensor:
    """Set every element to 0; returns self."""
    return overwrite(self, 0, "zero_")


def _copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy `src`, broadcast and cast, into this tensor; returns self. Gradients flow to `src`."""
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_: src must be a Tensor; got {type(src).__name__}.")
    a = writable(self, "copy_")
    if src._data.shape != a.shape:
        src = src.expand(a.shape)
    if mode.recording and (concerns_graph(self) or (src.requires_grad and a.dtype.kind == "f")):
        check_in_place(self, "copy_")
        _refresh(self)
        replace(self, to(src, a.dtype, copy=True), "copy_")
    else:
        with np.errstate(all="ignore"):
            np.copyto(a, src._data, casting="unsafe")
        bump(self, "copy_")
    return self


for _method in (_fill_, _zero_, _copy_):
    setattr(Tensor, _method.__name__[1:], _method)
