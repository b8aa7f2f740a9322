"""Right ops dressed like the planted bugs, so that a checker that always complains shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.nn import functional as F

from .parts import (
    SIGNED,
    TIES,
    A,
    B,
    W,
    X,
    array,
    binary,
    convolution,
    distinct,
    gelu,
    gelu_rule,
    norm_rule,
    normed,
    pooled,
    softmax,
    unary,
)

__all__ = ["in_right_form"]


def in_right_form() -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Name: (a right op, arguments)."""
    first = pooled(lambda w: F.one_hot(w.argmax(-1), 2).to(w.dtype))
    return {
        "cos": (unary(np.cos, lambda g, input: -g * input.sin()), (A,)),
        "square": (unary(np.square, lambda g, input: 2 * g * input), (SIGNED,)),
        "exp": (unary(np.exp, lambda g, y: g * y), (SIGNED,)),
        "mul": (
            binary(np.multiply, lambda g, other: g * other, lambda g, input: g * input),
            (A, B),
        ),
        "sum": (unary(np.sum, lambda g, input_shape: g.expand(input_shape)), (A,)),
        "cumsum": (
            unary(lambda x: x.cumsum(1), lambda g: g.flip(1).cumsum(1).flip(1)),
            (A,),
        ),
        "matmul": (
            binary(np.matmul, lambda g, other: g @ other.t(), lambda g, input: input.t() @ g),
            (A, array(4, 2)),
        ),
        "softmax": (
            unary(softmax, lambda g, y: y * (g - (g * y).sum(-1, keepdim=True))),
            (A,),
        ),
        "gelu": (unary(gelu, gelu_rule(math.sqrt(2 / math.pi))), (SIGNED,)),
        "relu": (unary(lambda x: np.maximum(x, 0), lambda g, y: g * (y > 0)), (SIGNED,)),
        "relu at 0": (
            unary(lambda x: np.maximum(x, 0), lambda g, y: g * (y > 0)),
            (np.array([0.0, 1.0, -1.0]),),
        ),
        "conv": (convolution({})(), (X, W)),
        "conv, stride 2": (convolution({"stride": 2})(), (X, W)),
        "conv, padding 1": (convolution({"padding": 1})(), (X, W)),
        "max-pool": (first, (distinct(2, 6),)),
        "max-pool with ties": (first, (TIES,)),
        "layer norm": (unary(normed, norm_rule()), (A,)),
    }
