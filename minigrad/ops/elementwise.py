"""Arithmetic of two or more tensors, element by element. Functions of one are in unary.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.elementwise import apply
from ..op import Array, composite, op
from ..tensor import Tensor
from .creation import zeros_like
from .unary import sigmoid

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "arctan2",
    "atan2",
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "hypot",
    "lerp",
    "logaddexp",
    "mul",
    "multiply",
    "pow",
    "remainder",
    "rsub",
    "sub",
    "subtract",
    "true_divide",
    "xlogy",
]


@op(
    method="add __add__",
    reflected="__radd__",
    inplace="add_ __iadd__",
    promote="arithmetic",
    plain=np.add,
)
def add(input: Array, other: Array, *, alpha: float = 1) -> Array:
    """Sum, element by element: input + alpha · other."""
    other = other if alpha == 1 else _scaled(other, alpha)
    return apply(np.add, input, other)


def _scaled(other: Array, alpha: float) -> Array:
    if isinstance(alpha, float) and np.asarray(other).dtype.kind != "f":
        raise RuntimeError(f"add: alpha must be an int for integer tensors; got alpha {alpha}.")
    return np.multiply(other, alpha)


add.gradient("input", lambda g: g)
add.gradient("other", lambda g, alpha: g if alpha == 1 else g * alpha)


@op(
    method="sub subtract __sub__",
    reflected="__rsub__",
    inplace="sub_ subtract_ __isub__",
    promote="arithmetic",
    plain=np.subtract,
)
def sub(input: Array, other: Array, *, alpha: float = 1) -> Array:
    """Difference, element by element: input - alpha · other. Two bool tensors are a TypeError."""
    other = other if alpha == 1 else _scaled(other, alpha)
    return apply(np.subtract, input, other)


sub.gradient("input", lambda g: g)
sub.gradient("other", lambda g, alpha: -g if alpha == 1 else g * -alpha)
subtract = sub


@composite
def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Difference the other way round: other - alpha · input."""
    return sub(other, input, alpha=alpha)


@op(
    method="mul multiply __mul__",
    reflected="__rmul__",
    inplace="mul_ multiply_ __imul__",
    promote="arithmetic",
    plain=np.multiply,
)
def mul(input: Array, other: Array) -> Array:
    """Product, element by element."""
    return apply(np.multiply, input, other)


mul.gradient("input", lambda g, other: g * other)
mul.gradient("other", lambda g, input: g * input)
multiply = mul


@op(
    name="div",
    method="true_divide __truediv__",
    reflected="__rtruediv__",
    inplace="true_divide_ __itruediv__",
    promote="float",
    plain=np.true_divide,
)
def true_divide(input: Array, other: Array) -> Array:
    """Quotient, element by element; integers give the default float dtype."""
    return np.true_divide(input, other)


true_divide.gradient("input", lambda g, other: g / other)
true_divide.gradient("other", lambda g, input, other: -g * (input / other) / other)


def _divisor(name: str, input: Array, other: Array) -> None:
    if input.dtype.kind == "f":
        return
    if input.dtype.kind == "b":
        raise TypeError(f"{name}: not defined for bool tensors. Use .int() first.")
    if np.size(input) and not np.all(other):
        raise RuntimeError(
            f"{name}: ZeroDivisionError: integers cannot be divided by zero. Use floats for "
            "inf and nan, or mask the zeros."
        )


@op(
    method="floor_divide __floordiv__",
    reflected="__rfloordiv__",
    inplace="floor_divide_ __ifloordiv__",
    promote="arithmetic",
)
def floor_divide(input: Array, other: Array) -> Array:
    """Quotient rounded down. Its gradient is zero.

    Raises
    ------
    RuntimeError
        An integer is divided by zero.
    """
    _divisor("floor_divide", input, other)
    y = np.floor_divide(input, other)
    if y.dtype.kind == "f":  # NumPy gives nan where PyTorch has the infinity of a / 0
        y = np.where(np.equal(other, 0), np.true_divide(input, other), y)
    return y


floor_divide.gradient("input", lambda g: zeros_like(g))
floor_divide.gradient("other", lambda g: zeros_like(g))


@op(promote="arithmetic")
def _trunc_divide(input: Array, other: Array) -> Array:
    """Quotient rounded towards zero."""
    _divisor("div", input, other)
    if input.dtype.kind == "f":
        return np.trunc(np.true_divide(input, other))
    y = np.floor_divide(input, other)
    return y + ((np.remainder(input, other) != 0) & ((input < 0) != (other < 0))).astype(y.dtype)


_trunc_divide.gradient("input", lambda g: zeros_like(g))
_trunc_divide.gradient("other", lambda g: zeros_like(g))


@composite(method="div divide", inplace="div_ divide_")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient, element by element.

    `rounding_mode` None divides truly (integers give floats), 'floor' rounds down and 'trunc'
    towards zero; rounded quotients have zero gradient.
    """
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return _trunc_divide(input, other)
    raise ValueError(f"div: rounding_mode must be None, 'floor' or 'trunc'; got {rounding_mode!r}.")


divide = div


@op(
    method="remainder __mod__",
    reflected="__rmod__",
    inplace="remainder_ __imod__",
    promote="arithmetic",
)
def remainder(input: Array, other: Array) -> Array:
    """Remainder with the sign of the divisor, as Python's %: input - other · floor(input / other).

    Raises
    ------
    RuntimeError
        An integer is divided by zero.
    """
    _divisor("remainder", input, other)
    return np.remainder(input, other)


remainder.gradient("input", lambda g: g)
remainder.gradient("other", lambda g, input, other: -g * floor_divide(input, other))


@op(method="fmod", inplace="fmod_", promote="arithmetic")
def fmod(input: Array, other: Array) -> Array:
    """Remainder with the sign of the dividend, as C's fmod."""
    _divisor("fmod", input, other)
    return np.fmod(input, other)


fmod.gradient("input", lambda g: g)
fmod.gradient("other", lambda g, input, other: -g * _trunc_divide(input, other))


@op(
    method="pow __pow__",
    reflected="__rpow__",
    inplace="pow_ __ipow__",
    promote="arithmetic",
)
def pow(input: Array, exponent: Array) -> Array:
    """Power, element by element; either side may be a number.

    Where the exponent is zero its base gets gradient zero.

    Raises
    ------
    RuntimeError
        An integer to a negative integer power.
    """
    if isinstance(exponent, (int, float)):  # the common powers, without libm's pow
        if exponent == 2:
            return np.square(input)
        if exponent == 0.5:
            return np.sqrt(input)
        if exponent == 3:
            return input * input * input
        if exponent == -1:
            return np.reciprocal(input)
    elif input.dtype.kind in "iu" and (np.asarray(exponent) < 0).any():
        raise RuntimeError(
            "pow: integers to negative integer powers are not allowed; got an exponent below 0. "
            "Convert the base with .float()."
        )
    elif input.dtype.kind == "b":
        return np.logical_or(input, np.logical_not(exponent))
    return np.power(input, exponent)


@pow.gradient("input")
def _(g: Tensor, input: Any, exponent: Any) -> Tensor:
    if not isinstance(exponent, Tensor):
        return zeros_like(g) if exponent == 0 else g * (exponent * input ** (exponent - 1))
    slope = exponent * input ** (exponent - 1)
    return g * slope.masked_fill(exponent == 0, 0.0)


@pow.gradient("exponent")
def _(g: Tensor, input: Any, exponent: Any, y: Tensor) -> Tensor:
    if not isinstance(input, Tensor):
        input = y.new_full((), input)
    slope = y * input.log()
    return g * slope.masked_fill((input == 0) & (exponent >= 0), 0.0)


@op(method="atan2 arctan2", inplace="atan2_ arctan2_", promote="float")
def atan2(input: Array, other: Array) -> Array:
    """Angle of the point (other, input) to the first axis, in radians, in [-π, π]."""
    return np.arctan2(input, other)


@atan2.gradient("input", "other")
def _(g: Tensor, input: Any, other: Any) -> tuple[Tensor, Tensor]:
    a, b = input.to(g.dtype), other.to(g.dtype)  # squares of integers could wrap around
    scaled = g / (a * a + b * b)
    return scaled * b, -scaled * a


arctan2 = atan2


@op(method="hypot", inplace="hypot_", promote="float")
def hypot(input: Array, other: Array) -> Array:
    """Length of the hypotenuse: sqrt(input² + other²), without overflow."""
    return np.hypot(input, other)


hypot.gradient("input", lambda g, input, y: g * (input / y))
hypot.gradient("other", lambda g, other, y: g * (other / y))


@op(method="logaddexp", promote="float")
def logaddexp(input: Array, other: Array) -> Array:
    """log(exp(input) + exp(other)), without overflow."""
    return np.logaddexp(input, other)


logaddexp.gradient("input", lambda g, input, other: g * sigmoid(input - other))
logaddexp.gradient("other", lambda g, input, other: g * sigmoid(other - input))


@op(method="xlogy", inplace="xlogy_", promote="float")
def xlogy(input: Array, other: Array) -> Array:
    """input · log(other), and 0 where input is 0 (unless other is NaN)."""
    return np.where((input == 0) & ~np.isnan(other), 0, input * np.log(other)).astype(
        np.result_type(input, other), copy=False
    )


@xlogy.gradient("input")
def _(g: Tensor, input: Any, other: Any) -> Tensor:
    if not isinstance(other, Tensor):
        other = input.new_full((), other)
    return g * other.log().masked_fill((input == 0) & (other <= 0), 0.0)


xlogy.gradient("other", lambda g, input, other: g * (input / other))


@op(method="lerp", inplace="lerp_", promote="arithmetic")
def lerp(input: Array, end: Array, weight: Array) -> Array:
    """Between two tensors: input + weight · (end - input); weight is a number or a tensor."""
    step = end - input
    return np.where(np.abs(weight) < 0.5, input + weight * step, end - step * (1 - weight))


lerp.gradient("input", lambda g, weight: g * (1 - weight))
lerp.gradient("end", lambda g, weight: g * weight)
lerp.gradient("weight", lambda g, input, end: g * (end - input))


@op(method="addcmul", inplace="addcmul_", promote="arithmetic")
def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """input + value · tensor1 · tensor2."""
    product = tensor1 * tensor2
    return input + (product if value == 1 else product * value)


addcmul.gradient("input", lambda g: g)
addcmul.gradient("tensor1", lambda g, tensor2, value: g * (tensor2 * value))
addcmul.gradient("tensor2", lambda g, tensor1, value: g * (tensor1 * value))


@op(method="addcdiv", inplace="addcdiv_", promote="arithmetic")
def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """input + value · tensor1 / tensor2; integers are a TypeError."""
    if input.dtype.kind != "f":
        raise TypeError(
            f"addcdiv: tensors must be floating; got dtype {input.dtype}. Use .float() first."
        )
    return input + value * (tensor1 / tensor2)


addcdiv.gradient("input", lambda g: g)
addcdiv.gradient("tensor1", lambda g, tensor2, value: g * (value / tensor2))
addcdiv.gradient(
    "tensor2", lambda g, tensor1, tensor2, value: -g * (value * tensor1 / (tensor2 * tensor2))
)
