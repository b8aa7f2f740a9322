"""Activations made of straight pieces: relu and its like. Smooth ones are in activation.py.

Every gradient here is "let it pass where the input lies between two bounds", the op `passing`. At a
kink the gradient is PyTorch's: that of the side of the smaller input.
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
from ..op import Array, composite, op, registry
from ..tensor import Tensor
from .arguments import floating, refuse_integers, shown

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "or_in_place",
    "passing",
    "prelu",
    "relu",
    "relu6",
    "softshrink",
    "threshold",
]

INF = math.inf


def or_in_place(call: Any) -> Any:
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
    if grad.shape != input.shape:
        raise ShapeError(f"passing: shapes must agree; got {grad.shape} and {input.shape}.")
    return kernels.passing(grad, input, low, high, inside, outside)


passing.gradient(
    "grad",
    lambda g, input, low, high, inside, outside: passing(g, input, low, high, inside, outside),
)
passing.gradient("input", lambda g: None)


SMALL = 2048  # elements up to which copying and zeroing beats the call of a kernel


@op(promote="arithmetic")
def relu_grad(grad: Array, y: Array) -> Array:
    """grad where y > 0, 0 elsewhere."""
    if grad.shape != y.shape:
        grad, y = np.broadcast_arrays(grad, y)
    if grad.size > SMALL:
        return kernels.passing(grad, y, 0.0, INF)
    out = grad.copy()
    out[y <= kernels.ZERO[y.dtype]] = 0
    return out


relu_grad.gradient("grad", relu_grad)
relu_grad.gradient("y", lambda g: None)


@or_in_place
@op(method="relu", inplace="relu_", promote="arithmetic")
def relu(input: Array) -> Array:
    """max(x, 0). Its gradient needs, and keeps, the output alone."""
    return kernels.relu(input)


relu.gradient("input", relu_grad)


@or_in_place
@op(promote="arithmetic")
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """x where x > 0, negative_slope · x elsewhere."""
    refuse_integers("leaky_relu", input)
    return np.where(input > 0, input, input * input.dtype.type(negative_slope))


leaky_relu.gradient(
    "input", lambda g, input, negative_slope: passing(g, input, 0.0, INF, 1.0, negative_slope)
)


@or_in_place
@op(promote="arithmetic")
def threshold(input: Array, threshold: float, value: float) -> Array:
    """x where x > threshold, `value` elsewhere."""
    return np.where(input <= threshold, input.dtype.type(value), input)  # NaN stays


threshold.gradient("input", lambda g, input, threshold: passing(g, input, threshold, INF))


@or_in_place
@op(promote="arithmetic")
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x, but not below min_val nor above max_val."""
    if min_val > max_val:
        raise ShapeError(
            f"hardtanh: min_val must be at most max_val; got min_val {min_val}, max_val {max_val}."
        )
    return np.clip(input, input.dtype.type(min_val), input.dtype.type(max_val))


hardtanh.gradient("input", lambda g, input, min_val, max_val: passing(g, input, min_val, max_val))


@or_in_place
@op(promote="arithmetic")
def relu6(input: Array) -> Array:
    """min(max(x, 0), 6)."""
    return np.clip(input, 0, 6)


relu6.gradient("input", lambda g, input: passing(g, input, 0.0, 6.0))


@or_in_place
@op(promote="float")
def hardsigmoid(input: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6."""
    return np.clip(input + 3, 0, 6) / 6


hardsigmoid.gradient("input", lambda g, input: passing(g, input, -3.0, 3.0, 1 / 6))


@op(promote="arithmetic")
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """x where |x| > lambd, 0 elsewhere."""
    refuse_integers("hardshrink", input)
    return np.where(np.abs(input) <= lambd, input.dtype.type(0), input)


hardshrink.gradient("input", lambda g, input, lambd: g.where(input.abs() > lambd, 0.0))


@op(promote="arithmetic")
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """x moved by lambd towards 0, and 0 where it would pass it."""
    refuse_integers("softshrink", input)
    if lambd < 0:
        raise ShapeError(f"softshrink: lambd must not be negative; got lambd {lambd}.")
    return input - np.clip(input, input.dtype.type(-lambd), input.dtype.type(lambd))


softshrink.gradient("input", lambda g, input, lambd: g.where(input.abs() > lambd, 0.0))


@or_in_place
@op(promote="float")
def hardswish(input: Array) -> Array:
    """x · min(max(x + 3, 0), 6) / 6."""
    return input * np.clip(input + 3, 0, 6) / 6


@hardswish.gradient("input")
def _hardswish_slope(g: Tensor, input: Tensor) -> Tensor:
    bent = passing(g * (input / 3 + 0.5), input, -3.0, 3.0)
    return bent + passing(g, input, -INF, 3.0, 0.0, 1.0)


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
    floating("prelu", input=input, weight=weight)
    x, w = input, weight
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
