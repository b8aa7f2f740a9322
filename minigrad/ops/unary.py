"""Functions of one tensor, element by element. Activations of networks are in activation.py."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import special
from ..op import Array, op
from ..tensor import Tensor
from .creation import zeros_like

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "nan_to_num",
    "neg",
    "negative",
    "positive",
    "reciprocal",
    "rsqrt",
    "sgn",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
]


@op(
    method="neg negative __neg__",
    inplace="neg_ negative_",
    promote="arithmetic",
    plain=np.negative,
)
def neg(input: Array) -> Array:
    """Negative of each element; bool tensors are a TypeError (use ~)."""
    return np.negative(input)


neg.gradient("input", lambda g: -g)
negative = neg


@op(method="positive __pos__", promote="arithmetic")
def positive(input: Array) -> Array:
    """The elements as they are; bool tensors are a TypeError."""
    return np.positive(input)


positive.gradient("input", lambda g: g)


@op(method="abs absolute __abs__", inplace="abs_ absolute_", promote="arithmetic")
def abs(input: Array) -> Array:
    """Absolute value; its gradient at 0 is 0."""
    return np.abs(input)


abs.gradient("input", lambda g, input: g * input.sign())
absolute = abs


@op(method="sign sgn", inplace="sign_ sgn_", promote="arithmetic")
def sign(input: Array) -> Array:
    """-1, 0 or 1 by the sign of each element (NaN gives 0). Its gradient is zero."""
    y = np.sign(input) if input.dtype.kind != "b" else input
    return np.where(np.isnan(input), 0, y).astype(y.dtype) if np.isnan(y).any() else y


sign.gradient("input", lambda g: zeros_like(g))
sgn = sign


@op(method="exp", inplace="exp_", promote="float", plain=np.exp)
def exp(input: Array) -> Array:
    """e to the power of each element."""
    return np.exp(input)


exp.gradient("input", lambda g, y: g * y)


@op(method="exp2", inplace="exp2_", promote="float")
def exp2(input: Array) -> Array:
    """2 to the power of each element."""
    return np.exp2(input)


exp2.gradient("input", lambda g, y: g * (y * math.log(2)))


@op(method="expm1", inplace="expm1_", promote="float")
def expm1(input: Array) -> Array:
    """exp(x) - 1, exact for small x."""
    return np.expm1(input)


expm1.gradient("input", lambda g, y: g * (y + 1))


@op(method="log", inplace="log_", promote="float", plain=np.log)
def log(input: Array) -> Array:
    """Natural logarithm: -inf at 0, NaN below."""
    return np.log(input)


log.gradient("input", lambda g, input: g / input)


@op(method="log2", inplace="log2_", promote="float")
def log2(input: Array) -> Array:
    """Logarithm to base 2."""
    return np.log2(input)


log2.gradient("input", lambda g, input: g / (input * math.log(2)))


@op(method="log10", inplace="log10_", promote="float")
def log10(input: Array) -> Array:
    """Logarithm to base 10."""
    return np.log10(input)


log10.gradient("input", lambda g, input: g / (input * math.log(10)))


@op(method="log1p", inplace="log1p_", promote="float")
def log1p(input: Array) -> Array:
    """log(1 + x), exact for small x."""
    return np.log1p(input)


log1p.gradient("input", lambda g, input: g / (input + 1))


@op(method="sqrt", inplace="sqrt_", promote="float", plain=np.sqrt)
def sqrt(input: Array) -> Array:
    """Square root; NaN below 0, infinite gradient at 0."""
    return np.sqrt(input)


sqrt.gradient("input", lambda g, y: g / (2 * y))


@op(method="rsqrt", inplace="rsqrt_", promote="float")
def rsqrt(input: Array) -> Array:
    """1 / sqrt(x)."""
    return 1 / np.sqrt(input)


rsqrt.gradient("input", lambda g, y: g * (-0.5 * y * y * y))


@op(method="square", inplace="square_", promote="arithmetic")
def square(input: Array) -> Array:
    """x · x."""
    return np.square(input) if input.dtype.kind != "b" else input.astype(np.int64)


square.gradient("input", lambda g, input: g * (2 * input))


@op(method="reciprocal", inplace="reciprocal_", promote="float")
def reciprocal(input: Array) -> Array:
    """1 / x."""
    return np.reciprocal(input)


reciprocal.gradient("input", lambda g, y: -g * (y * y))


@op(method="sin", inplace="sin_", promote="float", plain=np.sin)
def sin(input: Array) -> Array:
    """Sine of an angle in radians."""
    return np.sin(input)


sin.gradient("input", lambda g, input: g * input.cos())


@op(method="cos", inplace="cos_", promote="float", plain=np.cos)
def cos(input: Array) -> Array:
    """Cosine of an angle in radians."""
    return np.cos(input)


cos.gradient("input", lambda g, input: -g * sin(input))


@op(method="tan", inplace="tan_", promote="float")
def tan(input: Array) -> Array:
    """Tangent of an angle in radians."""
    return np.tan(input)


tan.gradient("input", lambda g, y: g * (1 + y * y))


@op(method="asin arcsin", inplace="asin_ arcsin_", promote="float")
def asin(input: Array) -> Array:
    """Angle in [-π/2, π/2] with this sine; NaN outside [-1, 1]."""
    return np.arcsin(input)


asin.gradient("input", lambda g, input: g * rsqrt(1 - input * input))


@op(method="acos arccos", inplace="acos_ arccos_", promote="float")
def acos(input: Array) -> Array:
    """Angle in [0, π] with this cosine; NaN outside [-1, 1]."""
    return np.arccos(input)


acos.gradient("input", lambda g, input: -g * rsqrt(1 - input * input))


@op(method="atan arctan", inplace="atan_ arctan_", promote="float")
def atan(input: Array) -> Array:
    """Angle in [-π/2, π/2] with this tangent."""
    return np.arctan(input)


atan.gradient("input", lambda g, input: g / (1 + input * input))


@op(method="sinh", inplace="sinh_", promote="float")
def sinh(input: Array) -> Array:
    """Hyperbolic sine."""
    return np.sinh(input)


sinh.gradient("input", lambda g, input: g * input.cosh())


@op(method="cosh", inplace="cosh_", promote="float")
def cosh(input: Array) -> Array:
    """Hyperbolic cosine."""
    return np.cosh(input)


cosh.gradient("input", lambda g, input: g * sinh(input))


@op(method="tanh", inplace="tanh_", promote="float", plain=np.tanh)
def tanh(input: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(input)


@op
def tanh_grad(grad: Array, y: Array) -> Array:
    """grad · (1 − y²), where y is the tanh."""
    slope = np.multiply(y, y)
    buffer = slope if slope.ndim else None
    return np.multiply(grad, np.subtract(_ONE.get(y.dtype, 1), slope, buffer), buffer)


_ONE = {np.dtype(d): np.ones((), d) for d in ("f2", "f4", "f8")}  # as arrays: 0.3 us less a call

tanh.gradient("input", tanh_grad)
tanh_grad.gradient("grad", tanh_grad)
tanh_grad.gradient("y", lambda g, grad, y: g * grad * (-2 * y))


@op(method="asinh arcsinh", inplace="asinh_ arcsinh_", promote="float")
def asinh(input: Array) -> Array:
    """Inverse hyperbolic sine."""
    return np.arcsinh(input)


asinh.gradient("input", lambda g, input: g * rsqrt(input * input + 1))


@op(method="acosh arccosh", inplace="acosh_ arccosh_", promote="float")
def acosh(input: Array) -> Array:
    """Inverse hyperbolic cosine; NaN below 1."""
    return np.arccosh(input)


acosh.gradient("input", lambda g, input: g * rsqrt(input * input - 1))


@op(method="atanh arctanh", inplace="atanh_ arctanh_", promote="float")
def atanh(input: Array) -> Array:
    """Inverse hyperbolic tangent; NaN outside [-1, 1]."""
    return np.arctanh(input)


atanh.gradient("input", lambda g, input: g / (1 - input * input))


@op(method="erf", inplace="erf_", promote="float")
def erf(input: Array) -> Array:
    """Error function: 2/√π · ∫_0^x exp(-t²) dt."""
    return special.erf(input)


@op(method="erfc", inplace="erfc_", promote="float")
def erfc(input: Array) -> Array:
    """1 - erf(x), exact where that difference would be lost."""
    return special.erfc(input)


def _bell(input: Tensor) -> Tensor:
    return exp(-(input * input)) * (2 / math.sqrt(math.pi))


erf.gradient("input", lambda g, input: g * _bell(input))
erfc.gradient("input", lambda g, input: -g * _bell(input))


@op(method="sigmoid", inplace="sigmoid_", promote="float")
def sigmoid(input: Array) -> Array:
    """Logistic function: 1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-input))


sigmoid.gradient("input", lambda g, y: g * (y * (1 - y)))


@op(method="nan_to_num", inplace="nan_to_num_", promote="arithmetic")
def nan_to_num(
    input: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """Replace NaN (by 0), inf and -inf (by the largest and smallest finite number).

    What was replaced gets gradient zero.
    """
    if input.dtype.kind != "f":
        return input.copy()
    return np.nan_to_num(input, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


nan_to_num.gradient("input", lambda g, input: g * input.isfinite())


arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh
