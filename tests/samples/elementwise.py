"""Samples of minigrad/ops/{elementwise,limits,unary,rounding}.py."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, broadcastable, integers

from ._draws import args, pair

NUMBER = st.floats(-2, 2).map(lambda v: round(v, 2) or 0.5)


def _unary(oracle, torch, low=-2.0, high=2.0, away=(0.0,), **options):
    return Case(args(arrays(low=low, high=high, away_from=away)), oracle, torch, **options)


def _binary(oracle, torch, **options):
    fields = {k: options.pop(k) for k in ("linear", "order", "grad") if k in options}
    number = args(arrays(**options), NUMBER) if options.pop("numbers", True) else st.nothing()
    return Case(pair(**options) | number, oracle, torch, **fields)


HALVES = tuple(np.arange(-4, 4.5, 0.5).tolist())
WHOLES = tuple(np.arange(-4.0, 5.0).tolist())
erf, erfc = np.vectorize(math.erf, [float]), np.vectorize(math.erfc, [float])


def _clamp(input, min=None, max=None):
    y = input if min is None else np.where(input < min, min, input)
    return y if max is None else np.where(y > max, max, y)


def _torch_clamp(x, min=None, max=None):
    import torch

    if isinstance(min, torch.Tensor):  # torch 2.13 fails for a 0-dim x and limits of shape (1,)
        x, min, max = torch.broadcast_tensors(x, min, max)
    return torch.clamp(x, min, max)


def _torch_floor(a, b):  # floor_divide itself has no derivative in torch
    import torch

    return torch.div(a, b, rounding_mode="floor")


TRIPLE = broadcastable(3, distinct=True).map(lambda t: (t, {}))
LIMITS = TRIPLE | args(arrays(away_from=(-1.0, 1.0)), -1.0, 1.0) | args(
    arrays(away_from=(0.5,)), max=0.5
)  # fmt: skip
POWERS = (
    pair(low=0.2)
    | args(arrays(low=0.2), NUMBER)
    | args(arrays(), st.sampled_from([0, 1, 2, 3, -1, -2, 2.0]))
    | args(st.just(1.5), arrays())
)

CASES: dict[str, Case] = {
    "add": Case(
        pair() | args(arrays(), arrays(shape=()), alpha=0.5),
        lambda a, b, alpha=1: a + alpha * b,
        "add",
        linear=True,
    ),
    "sub": Case(
        pair() | args(arrays(), arrays(shape=()), alpha=2),
        lambda a, b, alpha=1: a - alpha * b,
        "sub",
        linear=True,
    ),
    "rsub": Case(pair(), lambda a, b: b - a, "rsub", linear=True),
    "mul": _binary(lambda a, b: a * b, "mul"),
    "true_divide": _binary(lambda a, b: a / b, "true_divide"),
    "div": Case(
        pair(low=0.3)
        | args(
            arrays(low=0.1, away_from=WHOLES),
            0.5,
            rounding_mode=st.sampled_from(["floor", "trunc"]),
        ),
        lambda a, b, rounding_mode=None: {None: lambda v: v, "floor": np.floor, "trunc": np.trunc}[
            rounding_mode
        ](a / b),
        "div",
    ),
    "floor_divide": Case(
        args(arrays(away_from=WHOLES), st.sampled_from([1.0, -0.5, 2.0]))
        | args(integers((3, 2), -9, 9), integers((2,), 1, 5)),
        lambda a, b: a // b,
        _torch_floor,
    ),
    "_trunc_divide": Case(
        args(arrays(away_from=WHOLES), st.sampled_from([np.array(1.0), np.array(-1.0)]))
        | args(integers((3, 2), -9, 9), integers((2,), 1, 5)),
        lambda a, b: np.trunc(np.asarray(a) / b).astype(np.asarray(a).dtype),
        None,
    ),
    "remainder": Case(
        args(arrays(low=0.1, high=0.9), st.sampled_from([1.0, -1.0, 1.5]))
        | args(integers((3, 2), -9, 9), integers((2,), 1, 5)),
        np.mod,
        "remainder",
    ),
    "fmod": Case(
        args(arrays(away_from=(-1.0, 0.0, 1.0)), st.sampled_from([1.0, -1.0]))
        | args(integers((3, 2), -9, 9), integers((2,), 1, 5)),
        np.fmod,
        "fmod",
    ),
    "pow": Case(POWERS, lambda a, b: np.power(a, np.asarray(b, np.float64)), "pow"),
    "atan2": Case(pair(), np.arctan2, "atan2"),
    "hypot": Case(pair(), lambda a, b: np.sqrt(a * a + b * b), "hypot"),
    "logaddexp": Case(pair(), lambda a, b: np.log(np.exp(a) + np.exp(b)), "logaddexp"),
    "xlogy": Case(pair(low=0.2), lambda a, b: a * np.log(b), "xlogy"),
    "lerp": Case(
        TRIPLE | args(arrays(shape=(2, 3)), arrays(shape=(2, 3)), st.sampled_from([0.25, 0.75])),
        lambda a, b, w: (1 - w) * a + w * b,
        "lerp",
    ),
    "addcmul": Case(
        st.tuples(broadcastable(3), st.fixed_dictionaries({"value": st.sampled_from([1, 0.5])})),
        lambda a, b, c, value: a + value * b * c,
        "addcmul",
    ),
    "addcdiv": Case(
        st.tuples(broadcastable(3), st.fixed_dictionaries({"value": st.sampled_from([1, 0.5])})),
        lambda a, b, c, value: a + value * b / c,
        "addcdiv",
    ),
    "minimum": Case(pair(distinct=True), lambda a, b: np.where(a < b, a, b), "minimum", exact=True),
    "maximum": Case(pair(distinct=True), lambda a, b: np.where(a > b, a, b), "maximum", exact=True),
    "fmin": Case(pair(distinct=True), lambda a, b: np.where(a < b, a, b), "fmin", exact=True),
    "fmax": Case(pair(distinct=True), lambda a, b: np.where(a > b, a, b), "fmax", exact=True),
    "_clamp": Case(TRIPLE, _clamp, _torch_clamp),
    "clamp": Case(LIMITS, _clamp, _torch_clamp),
    "clamp_min": Case(args(arrays(away_from=(0.3,)), 0.3), lambda x, m: _clamp(x, m), "clamp_min"),
    "clamp_max": Case(
        args(arrays(away_from=(0.3,)), 0.3), lambda x, m: _clamp(x, None, m), "clamp_max"
    ),
    # unary
    "neg": _unary(lambda x: -x, "neg", linear=True, exact=True),
    "positive": _unary(lambda x: x, "positive", linear=True, exact=True),
    "abs": _unary(lambda x: np.where(x < 0, -x, x), "abs", exact=True),
    "sign": _unary(lambda x: np.where(x < 0, -1.0, 1.0), "sign", exact=True),
    "exp": _unary(lambda x: math.e**x, "exp"),
    "exp2": _unary(lambda x: 2.0**x, "exp2"),
    "expm1": _unary(lambda x: math.e**x - 1, "expm1"),
    "log": _unary(np.log, "log", 0.2, 3),
    "log2": _unary(lambda x: np.log(x) / math.log(2), "log2", 0.2, 3),
    "log10": _unary(lambda x: np.log(x) / math.log(10), "log10", 0.2, 3),
    "log1p": _unary(lambda x: np.log(1 + x), "log1p", -0.7, 3),
    "sqrt": _unary(lambda x: x**0.5, "sqrt", 0.2, 3),
    "rsqrt": _unary(lambda x: x**-0.5, "rsqrt", 0.2, 3),
    "square": _unary(lambda x: x * x, "square"),
    "reciprocal": _unary(lambda x: 1 / x, "reciprocal"),
    "sin": _unary(np.vectorize(math.sin, [float]), "sin"),
    "cos": _unary(np.vectorize(math.cos, [float]), "cos"),
    "tan": _unary(np.vectorize(math.tan, [float]), "tan", -1.2, 1.2),
    "asin": _unary(np.vectorize(math.asin, [float]), "asin", -0.9, 0.9),
    "acos": _unary(np.vectorize(math.acos, [float]), "acos", -0.9, 0.9),
    "atan": _unary(np.vectorize(math.atan, [float]), "atan"),
    "sinh": _unary(np.vectorize(math.sinh, [float]), "sinh"),
    "cosh": _unary(np.vectorize(math.cosh, [float]), "cosh"),
    "tanh": _unary(np.vectorize(math.tanh, [float]), "tanh"),
    "asinh": _unary(np.vectorize(math.asinh, [float]), "asinh"),
    "acosh": _unary(np.vectorize(math.acosh, [float]), "acosh", 1.2, 3),
    "atanh": _unary(np.vectorize(math.atanh, [float]), "atanh", -0.9, 0.9),
    "erf": _unary(erf, "erf", -5, 5, ()),
    "erfc": _unary(erfc, "erfc", -5, 5, ()),
    "sigmoid": _unary(lambda x: 1 / (1 + np.exp(-x)), "sigmoid", -9, 9),
    "floor": _unary(np.vectorize(math.floor, [float]), "floor", away=WHOLES, exact=True),
    "ceil": _unary(np.vectorize(math.ceil, [float]), "ceil", away=WHOLES, exact=True),
    "trunc": _unary(np.vectorize(math.trunc, [float]), "trunc", away=WHOLES, exact=True),
    "round": Case(
        args(arrays(away_from=HALVES))
        | args(arrays(low=0.51, high=0.54, away_from=()), decimals=1),
        lambda x, decimals=0: np.round(x, decimals),
        "round",
    ),
    "frac": _unary(lambda x: np.modf(x)[0], "frac", away=WHOLES),
    "nan_to_num": Case(args(arrays(), posinf=3.0), lambda x, posinf: x, "nan_to_num"),
}
