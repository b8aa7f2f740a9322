"""Activations, element by element. Softmax is in softmax.py; tanh and sigmoid in unary.py.

Where PyTorch's function has `inplace`, so has ours; `relu_` and its like are the Tensor methods.
At a kink the gradient is PyTorch's: that of the side of the smaller input.
"""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..inplace import in_place
from ..kernels import activation as kernels
from ..kernels.special import erf
from ..op import Array, composite, op, registry
from ..tensor import Tensor, check_dim
from .arguments import shape_of, shown, tensor_of
from .unary import sigmoid

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "ndtr",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]

INF = math.inf
_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)  # alpha, scale


def _or_in_place(call: Any) -> Any:
    """`call` with one more parameter, `inplace`, which makes it change its input.

    `.in_place` of the result is the function that always does, PyTorch's `<name>_`.
    """
    signature = inspect.signature(call)
    last = inspect.Parameter("inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False)
    method, n = in_place(call, call.__name__ + "_"), len(signature.parameters)

    @functools.wraps(call)
    def either(*args: Any, **kwargs: Any) -> Any:
        inplace = kwargs.pop("inplace", False)
        if len(args) > n:
            *args, inplace = args  # type: ignore[assignment]
        return method(*args, **kwargs) if inplace else call(*args, **kwargs)

    either.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), last]
    )
    either.in_place = method  # type: ignore[attr-defined]
    registry[call.__name__] = either
    return either


# piecewise linear: every gradient is "let g pass where the input lies between two bounds" ---------


@op
def passing(
    grad: Array,
    input: Array,
    low: float,
    high: float,
    inside: float = 1.0,
    outside: float = 0.0,
) -> Array:
    """grad · inside where low < input < high, grad · outside elsewhere, in one pass."""
    return kernels.passing(grad, input, low, high, inside, outside)


passing.gradient(
    "grad",
    lambda g, input, low, high, inside, outside: passing(g, input, low, high, inside, outside),
)
passing.gradient("input", lambda g: None)


@_or_in_place
@op(method="relu", inplace="relu_", promote="arithmetic")
def relu(input: Array) -> Array:
    """max(x, 0). Its gradient needs, and keeps, the output alone."""
    return np.maximum(input, 0)


relu.gradient("input", lambda g, y: passing(g, y, 0.0, INF))


@_or_in_place
@op(promote="arithmetic")
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """x where x > 0, negative_slope · x elsewhere."""
    _refuse_integers("leaky_relu", input)
    return np.where(input > 0, input, input * input.dtype.type(negative_slope))


leaky_relu.gradient(
    "input", lambda g, input, negative_slope: passing(g, input, 0.0, INF, 1.0, negative_slope)
)


@_or_in_place
@op(promote="arithmetic")
def threshold(input: Array, threshold: float, value: float) -> Array:
    """x where x > threshold, `value` elsewhere."""
    return np.where(input > threshold, input, input.dtype.type(value))


threshold.gradient("input", lambda g, input, threshold: passing(g, input, threshold, INF))


@_or_in_place
@op(promote="arithmetic")
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x, but not below min_val nor above max_val."""
    if min_val > max_val:
        raise ShapeError(
            f"hardtanh: min_val must be at most max_val; got min_val {min_val}, max_val {max_val}."
        )
    return np.clip(input, input.dtype.type(min_val), input.dtype.type(max_val))


hardtanh.gradient("input", lambda g, input, min_val, max_val: passing(g, input, min_val, max_val))


@_or_in_place
@op(promote="arithmetic")
def relu6(input: Array) -> Array:
    """min(max(x, 0), 6)."""
    return np.clip(input, 0, 6)


relu6.gradient("input", lambda g, input: passing(g, input, 0.0, 6.0))


@_or_in_place
@op(promote="float")
def hardsigmoid(input: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6."""
    return np.clip(input + 3, 0, 6) / 6


hardsigmoid.gradient("input", lambda g, input: passing(g, input, -3.0, 3.0, 1 / 6))


@op(promote="arithmetic")
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """x where |x| > lambd, 0 elsewhere."""
    _refuse_integers("hardshrink", input)
    return np.where(np.abs(input) <= lambd, input.dtype.type(0), input)


hardshrink.gradient("input", lambda g, input, lambd: g.where(input.abs() > lambd, 0.0))


@op(promote="arithmetic")
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """x moved by lambd towards 0, and 0 where it would pass it."""
    _refuse_integers("softshrink", input)
    if lambd < 0:
        raise ShapeError(f"softshrink: lambd must not be negative; got lambd {lambd}.")
    return input - np.clip(input, input.dtype.type(-lambd), input.dtype.type(lambd))


softshrink.gradient("input", lambda g, input, lambd: g.where(input.abs() > lambd, 0.0))


# exponentials ------------------------------------------------------------------------------------


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


@_or_in_place
@composite
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, alpha · (exp(x) − 1) elsewhere."""
    return _elu(_floating("elu", input), alpha)


@_or_in_place
@composite
def selu(input: Tensor) -> Tensor:
    """`elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _elu(_floating("selu", input), *_SELU)


@_or_in_place
@composite
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, alpha · (exp(x / alpha) − 1) elsewhere; smooth at 0 for any alpha."""
    if alpha == 0:
        raise ZeroDivisionError("celu: alpha must not be zero; got alpha 0.")
    return _elu(_floating("celu", input), alpha, 1.0, 1.0 / alpha)


def _floating(name: str, input: Any) -> Tensor:
    x = tensor_of(name, "input", input)
    _refuse_integers(name, x._data)
    return x


def _refuse_integers(name: str, x: Array) -> None:
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name}: input must be floating; got input of dtype {x.dtype}. Use input.float()."
        )


@_or_in_place
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


@_or_in_place
@op(promote="float")
def mish(input: Array) -> Array:
    """x · tanh(log(1 + exp(x)))."""
    return input * np.tanh(np.log1p(np.exp(-np.abs(input))) + np.maximum(input, 0))


@mish.gradient("input")
def _mish_slope(g: Tensor, input: Tensor) -> Tensor:
    t = softplus(input).tanh()
    return g * (t + input * (1 - t * t) * sigmoid(input))


@_or_in_place
@op(promote="float")
def hardswish(input: Array) -> Array:
    """x · min(max(x + 3, 0), 6) / 6."""
    return input * np.clip(input + 3, 0, 6) / 6


@hardswish.gradient("input")
def _hardswish_slope(g: Tensor, input: Tensor) -> Tensor:
    bent = passing(g * (input / 3 + 0.5), input, -3.0, 3.0)
    return bent + passing(g, input, -INF, 3.0, 0.0, 1.0)


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
    _floating("gelu", input)
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    raise ShapeError(
        f"gelu: approximate must be 'none' or 'tanh'; got approximate {approximate!r}."
    )


# rational and composed ---------------------------------------------------------------------------


@op(promote="float")
def softsign(input: Array) -> Array:
    """x / (1 + |x|)."""
    return input / (1 + np.abs(input))


softsign.gradient("input", lambda g, input: g / (1 + input.abs()).square())


@composite
def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh(x)."""
    return input - input.tanh()


@composite(method="prelu")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, weight · x elsewhere; the weight is learned.

    Parameters
    ----------
    input : (N, C, ...) or any shape
    weight : (C,), (1,) or ()
        One slope per channel, or one for all.

    Raises
    ------
    ValueError
        The weight has neither one element nor one per channel.
    """
    x, w = _floating("prelu", input), _floating("prelu", weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.ndim > 1 or w.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: weight must be (1,) or ({channels},), one slope per channel; got "
            f"{shown(input=x, weight=w)}."
        )
    if w.ndim and w.numel() > 1:
        w = w.reshape(-1, *[1] * (x.ndim - 2))
    elif x.ndim == 0:
        w = w.reshape(())
    return x.where(x > 0, x * w)


@composite
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """First half of `dim` times the sigmoid of the second half.

    Raises
    ------
    ValueError
        The size of `dim` is odd.
    """
    x = _floating("glu", input)
    d = check_dim("glu", dim, x.ndim)
    if not x.ndim or shape_of(x)[d] % 2:
        raise ShapeError(
            f"glu: the halved dim must have an even size; got dim {dim} of input {shape_of(x)}."
        )
    half = shape_of(x)[d] // 2
    return x.narrow(d, 0, half) * sigmoid(x.narrow(d, half, half))
