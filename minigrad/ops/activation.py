"""Activations that bend smoothly. Piecewise linear ones are in piecewise.py, softmax in softmax.py.

tanh and sigmoid are in unary.py. Where PyTorch's function has `inplace`, so has ours.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..kernels.special import erf
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .arguments import floating, shape_of
from .piecewise import or_in_place
from .unary import sigmoid

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "logsigmoid",
    "mish",
    "ndtr",
    "selu",
    "silu",
    "softplus",
    "softsign",
    "tanhshrink",
]

_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)  # alpha, scale


@op(promote="float")
def logsigmoid(input: Array) -> Array:
    """log(1 / (1 + exp(−x))), exact for any x."""
    return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


logsigmoid.gradient("input", lambda g, input: g * sigmoid(-input))


@op(promote="float")
def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold."""
    scaled = input * input.dtype.type(beta)
    smooth = np.log1p(np.exp(-np.abs(scaled))) + np.maximum(scaled, 0)
    return np.where(scaled > threshold, input, smooth / input.dtype.type(beta))


@softplus.gradient("input")
def _softplus_slope(g: Tensor, input: Tensor, beta: float, threshold: float) -> Tensor:
    scaled = input * beta
    return g.where(scaled > threshold, g * sigmoid(scaled))


@op
def _elu(input: Array, alpha: float, scale: float = 1.0, rate: float = 1.0) -> Array:
    """scale · x where x > 0, scale · alpha · (exp(rate · x) − 1) elsewhere."""
    real = input.dtype.type
    low = np.expm1(np.minimum(input, 0) * real(rate)) * real(scale * alpha)
    return np.where(input > 0, input * real(scale), low)


@op
def _elu_slope(input: Array, positive: float, negative: float, rate: float) -> Array:
    """`positive` where x > 0, negative · exp(rate · x) elsewhere."""
    real = input.dtype.type
    low = np.exp(np.minimum(input, 0) * real(rate)) * real(negative)
    return np.where(input > 0, real(positive), low)


_elu.gradient(
    "input",
    lambda g, input, alpha, scale, rate: g * _elu_slope(input, scale, scale * alpha * rate, rate),
)
_elu_slope.gradient(
    "input", lambda g, input, negative, rate: g * _elu_slope(input, 0.0, negative * rate, rate)
)


def _checked(name: str, input: Tensor) -> Tensor:
    floating(name, input=input)
    return input


@or_in_place
@composite
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, alpha · (exp(x) − 1) elsewhere."""
    return _elu(_checked("elu", input), alpha)


@or_in_place
@composite
def selu(input: Tensor) -> Tensor:
    """`elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _elu(_checked("selu", input), *_SELU)


@or_in_place
@composite
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, alpha · (exp(x / alpha) − 1) elsewhere; smooth at 0 for any alpha."""
    if alpha == 0:
        raise ZeroDivisionError("celu: alpha must not be zero; got alpha 0.")
    return _elu(_checked("celu", input), alpha, 1.0, 1.0 / alpha)


@or_in_place
@op(promote="float")
def silu(input: Array) -> Array:
    """x · sigmoid(x), also called swish."""
    y = np.exp(-input)
    y += 1
    return np.divide(input, y)


@silu.gradient("input")
def _silu_slope(g: Tensor, input: Tensor) -> Tensor:
    s = sigmoid(input)
    return g * (s * (1 + input * (1 - s)))


@or_in_place
@op(promote="float")
def mish(input: Array) -> Array:
    """x · tanh(log(1 + exp(x)))."""
    return input * np.tanh(np.log1p(np.exp(-np.abs(input))) + np.maximum(input, 0))


@mish.gradient("input")
def _mish_slope(g: Tensor, input: Tensor) -> Tensor:
    t = softplus(input).tanh()
    return g * (t + input * (1 - t * t) * sigmoid(input))


@op(promote="float")
def ndtr(input: Array) -> Array:
    """Probability that a standard normal variable is at most x."""
    return 0.5 * (1 + erf(input * input.dtype.type(math.sqrt(0.5))))


ndtr.gradient("input", lambda g, input: g * _normal_density(input))


def _normal_density(x: Tensor) -> Tensor:
    return (x * x * -0.5).exp() * (1 / math.sqrt(2 * math.pi))


@op(promote="float", name="gelu")
def _gelu(input: Array) -> Array:
    """x · ndtr(x)."""
    return input * (0.5 * (1 + erf(input * input.dtype.type(math.sqrt(0.5)))))


_gelu.gradient("input", lambda g, input: g * (ndtr(input) + input * _normal_density(input)))

_GELU_TANH = (math.sqrt(2 / math.pi), 0.044715)


@op(promote="float", name="gelu")
def _gelu_tanh(input: Array) -> Array:
    """x · (1 + tanh(sqrt(2/π)·(x + 0.044715·x³))) / 2."""
    a, b = (input.dtype.type(v) for v in _GELU_TANH)
    return 0.5 * input * (1 + np.tanh(a * (input + b * input * input * input)))


@_gelu_tanh.gradient("input")
def _gelu_tanh_slope(g: Tensor, input: Tensor) -> Tensor:
    a, b = _GELU_TANH
    square = input * input
    t = (input * (square * b + 1) * a).tanh()
    return g * (0.5 * (1 + t) + input * (1 - t * t) * (square * (3 * b) + 1) * (0.5 * a))


@composite
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the probability that a standard normal variable is at most x.

    Parameters
    ----------
    approximate : {'none', 'tanh'}
        'tanh' uses x · (1 + tanh(sqrt(2/π)·(x + 0.044715·x³))) / 2.
    """
    floating("gelu", input=input)
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    raise ShapeError(
        f"gelu: approximate must be 'none' or 'tanh'; got approximate {approximate!r}."
    )


@op(promote="float")
def softsign(input: Array) -> Array:
    """x / (1 + |x|)."""
    return input / (1 + np.abs(input))


softsign.gradient("input", lambda g, input: g / (1 + input.abs()).square())


@composite
def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh(x)."""
    return input - input.tanh()


@composite
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """First half of `dim` times the sigmoid of the second half.

    Raises
    ------
    ValueError
        The size of `dim` is odd.
    """
    x = _checked("glu", input)
    d = check_dim("glu", dim, x.ndim)
    if not x.ndim or shape_of(x)[d] % 2:
        raise ShapeError(
            f"glu: the halved dim must have an even size; got dim {dim} of input {shape_of(x)}."
        )
    half = shape_of(x)[d] // 2
    return x.narrow(d, 0, half) * sigmoid(x.narrow(d, half, half))
