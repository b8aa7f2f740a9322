"""Comparisons, logic and bits: results are bool (or integer) and never enter a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Array, composite, op
from ..tensor import Tensor

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
    "signbit",
]


@op(method="eq", inplace="eq_", promote="arithmetic", differentiable=False)
def eq(input: Array, other: Array) -> Array:
    """input == other, element by element."""
    return np.equal(input, other)


@op(method="ne not_equal", inplace="ne_", promote="arithmetic", differentiable=False)
def ne(input: Array, other: Array) -> Array:
    """input != other, element by element."""
    return np.not_equal(input, other)


@op(method="lt less __lt__", inplace="lt_", promote="arithmetic", differentiable=False)
def lt(input: Array, other: Array) -> Array:
    """input < other, element by element."""
    return np.less(input, other)


@op(method="le less_equal __le__", inplace="le_", promote="arithmetic", differentiable=False)
def le(input: Array, other: Array) -> Array:
    """input <= other, element by element."""
    return np.less_equal(input, other)


@op(method="gt greater __gt__", inplace="gt_", promote="arithmetic", differentiable=False)
def gt(input: Array, other: Array) -> Array:
    """input > other, element by element."""
    return np.greater(input, other)


@op(method="ge greater_equal __ge__", inplace="ge_", promote="arithmetic", differentiable=False)
def ge(input: Array, other: Array) -> Array:
    """input >= other, element by element."""
    return np.greater_equal(input, other)


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def _equals(self: Tensor, other: Any) -> Any:
    try:
        return eq(self, other)
    except TypeError:  # x == None, x == "a": not a tensor's business
        return NotImplemented


def _differs(self: Tensor, other: Any) -> Any:
    try:
        return ne(self, other)
    except TypeError:
        return NotImplemented


def _contains(self: Tensor, value: Any) -> bool:
    return bool(eq(self, value).any())


for _name, _method in (("__eq__", _equals), ("__ne__", _differs), ("__contains__", _contains)):
    setattr(Tensor, _name, _method)


@op(method="logical_and", inplace="logical_and_", promote="arithmetic", differentiable=False)
def logical_and(input: Array, other: Array) -> Array:
    """Whether both are nonzero."""
    return np.logical_and(input, other)


@op(method="logical_or", inplace="logical_or_", promote="arithmetic", differentiable=False)
def logical_or(input: Array, other: Array) -> Array:
    """Whether at least one is nonzero."""
    return np.logical_or(input, other)


@op(method="logical_xor", inplace="logical_xor_", promote="arithmetic", differentiable=False)
def logical_xor(input: Array, other: Array) -> Array:
    """Whether exactly one is nonzero."""
    return np.logical_xor(input, other)


@op(method="logical_not", inplace="logical_not_", promote="arithmetic", differentiable=False)
def logical_not(input: Array) -> Array:
    """Whether each element is zero."""
    return np.logical_not(input)


def _bits(name: str, *arrays: Array) -> None:
    if any(np.asarray(a).dtype.kind == "f" for a in arrays):
        raise TypeError(
            f"{name}: tensors must be bool or integer; got {np.asarray(arrays[0]).dtype}. Compare "
            "first, as in (x > 0) & (y > 0)."
        )


@op(
    method="bitwise_and __and__",
    reflected="__rand__",
    inplace="bitwise_and_ __iand__",
    promote="arithmetic",
    differentiable=False,
)
def bitwise_and(input: Array, other: Array) -> Array:
    """Bits set in both; for bool tensors, whether both are true."""
    _bits("bitwise_and", input, other)
    return np.bitwise_and(input, other)


@op(
    method="bitwise_or __or__",
    reflected="__ror__",
    inplace="bitwise_or_ __ior__",
    promote="arithmetic",
    differentiable=False,
)
def bitwise_or(input: Array, other: Array) -> Array:
    """Bits set in either; for bool tensors, whether at least one is true."""
    _bits("bitwise_or", input, other)
    return np.bitwise_or(input, other)


@op(
    method="bitwise_xor __xor__",
    reflected="__rxor__",
    inplace="bitwise_xor_ __ixor__",
    promote="arithmetic",
    differentiable=False,
)
def bitwise_xor(input: Array, other: Array) -> Array:
    """Bits set in exactly one; for bool tensors, whether exactly one is true."""
    _bits("bitwise_xor", input, other)
    return np.bitwise_xor(input, other)


@op(
    method="bitwise_not __invert__",
    inplace="bitwise_not_",
    promote="arithmetic",
    differentiable=False,
)
def bitwise_not(input: Array) -> Array:
    """All bits flipped; for bool tensors, the opposite."""
    _bits("bitwise_not", input)
    return np.invert(input)


def _shifts(name: str, input: Array, other: Array) -> None:
    _bits(name, input, other)
    if input.dtype.kind == "b":
        raise TypeError(f"{name}: not defined for bool tensors. Use .int() first.")


@op(
    method="bitwise_left_shift __lshift__",
    inplace="bitwise_left_shift_ __ilshift__",
    promote="arithmetic",
    differentiable=False,
)
def bitwise_left_shift(input: Array, other: Array) -> Array:
    """input · 2^other for integers."""
    _shifts("bitwise_left_shift", input, other)
    return np.left_shift(input, other)


@op(
    method="bitwise_right_shift __rshift__",
    inplace="bitwise_right_shift_ __irshift__",
    promote="arithmetic",
    differentiable=False,
)
def bitwise_right_shift(input: Array, other: Array) -> Array:
    """floor(input / 2^other) for integers."""
    _shifts("bitwise_right_shift", input, other)
    return np.right_shift(input, other)


@op(method="isnan", promote="arithmetic", differentiable=False)
def isnan(input: Array) -> Array:
    """Whether each element is NaN."""
    return np.isnan(input)


@op(method="isinf", promote="arithmetic", differentiable=False)
def isinf(input: Array) -> Array:
    """Whether each element is an infinity."""
    return np.isinf(input)


@op(method="isfinite", promote="arithmetic", differentiable=False)
def isfinite(input: Array) -> Array:
    """Whether each element is neither NaN nor an infinity."""
    return np.isfinite(input)


@op(method="isposinf", promote="arithmetic", differentiable=False)
def isposinf(input: Array) -> Array:
    """Whether each element is +inf."""
    return np.isinf(input) & (input > 0)


@op(method="isneginf", promote="arithmetic", differentiable=False)
def isneginf(input: Array) -> Array:
    """Whether each element is -inf."""
    return np.isinf(input) & (input < 0)


@op(method="signbit", promote="arithmetic", differentiable=False)
def signbit(input: Array) -> Array:
    """Whether the sign is set: below 0, or -0.0."""
    return np.signbit(input) if input.dtype.kind == "f" else np.less(input, 0)


@op(method="isclose", differentiable=False)
def isclose(
    input: Array, other: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether |input - other| <= atol + rtol · |other|, element by element.

    Raises
    ------
    RuntimeError
        The dtypes differ.
    """
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"isclose: both tensors must have one dtype; got {input.dtype} and {other.dtype}. "
            "Convert one with .to(other)."
        )
    near = np.equal(input, other)
    if input.dtype.kind == "f":
        near |= np.isfinite(input) & (np.abs(input - other) <= atol + rtol * np.abs(other))
        near &= ~(np.isinf(other) & (input != other))
        if equal_nan:
            near |= np.isnan(input) & np.isnan(other)
    else:
        x, y = input.astype(np.float64), other.astype(np.float64)
        near |= np.abs(x - y) <= atol + rtol * np.abs(y)
    return near


@composite(method="allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, in the sense of `isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@composite(method="equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both tensors have one shape and the same elements."""
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise TypeError(f"equal: other must be a Tensor; got {type(other).__name__}. Use ==.")
    return bool(np.array_equal(input._data, other._data))


@composite
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False):  # type: ignore[no-untyped-def]
    """Whether each of `elements` occurs among `test_elements`."""
    from ..convert import as_tensor
    from ..tensor import wrap

    found = np.isin(as_tensor(elements)._data, as_tensor(test_elements)._data, invert=invert)
    return wrap(np.asarray(found))
