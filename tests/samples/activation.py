"""Samples of minigrad/ops/{activation,piecewise,softmax}.py."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from ._draws import args, of, with_dim

FAR = {"low": -5.0, "high": 5.0}
KINKS = (-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0)
erf = np.vectorize(math.erf, [float])


def _act(oracle, torch, *settings, away=KINKS, **options):
    x = arrays(away_from=away, **{**FAR, **options})
    return Case(args(x, *settings), oracle, torch and f"nn.functional.{torch}")


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.log(1 + np.exp(np.minimum(x * beta, 50))) / beta)


def _elu(x, alpha=1.0, scale=1.0, rate=1.0):
    return scale * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0) * rate) - 1))


def _passing(g, x, low, high, inside=1.0, outside=0.0):
    return g * np.where((x > low) & (x < high), inside, outside)


def _gelu(x, approximate="none"):
    if approximate == "none":
        return x * (1 + erf(x / math.sqrt(2))) / 2
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def _glu(x, dim=-1):
    a, b = np.split(x, 2, dim)
    return a * _sigmoid(b)


def _softmax(x, dim=None, **options):
    e = np.exp(x - x.max(dim, keepdims=True)) if x.ndim else np.exp(x - x)
    return e / (e.sum(dim, keepdims=True) if x.ndim else e)


def _log_softmax(x, dim=None, **options):
    return np.log(_softmax(x, dim))


def _prelu(x, w):
    if w.ndim and w.size > 1:
        w = w.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, x * w.reshape(w.shape if w.size > 1 else ()))


POSITIVE, ANY = st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([-0.5, 0.01, 0.2])
PRELU = of(
    arrays(min_dims=2, **FAR),
    lambda x: (x, arrays(shape=st.sampled_from([(), (1,), (x.shape[1],)]))),
)
GLU = of(
    arrays(min_dims=1).map(lambda x: np.concatenate([x, x[::-1] + 0.5])), lambda x: (x, 0)
)

def _same_shape(*more, **options):
    """Two arrays of one shape, and `more`."""
    first = arrays(min_dims=1, **options)
    return of(first, lambda x: (x, arrays(shape=x.shape, away_from=KINKS, **FAR), *more))


SAME_WITH_DIM = of(
    arrays(min_dims=1),
    lambda x: (x, arrays(shape=x.shape), st.integers(0, x.ndim - 1)),
)

CASES = {
    "passing": Case(_same_shape(-1.0, st.sampled_from([1.0, math.inf]), 2.0, ANY), _passing),
    "relu_grad": Case(_same_shape(), lambda g, y: _passing(g, y, 0.0, math.inf)),
    "tanh_grad": Case(_same_shape(), lambda g, y: g * (1 - y * y)),
    "relu": _act(lambda x: np.maximum(x, 0), "relu"),
    "relu6": _act(lambda x: np.clip(x, 0, 6), "relu6", low=-8, high=8, away=(0.0, 6.0)),
    "leaky_relu": _act(lambda x, a: np.where(x > 0, x, a * x), "leaky_relu", ANY),
    "threshold": _act(
        lambda x, t, v: np.where(x > t, x, v), "threshold", st.sampled_from([-1.0, 0.5]), 2.0
    ),
    "hardtanh": _act(np.clip, "hardtanh", -1.0, st.sampled_from([0.5, 3.0])),
    "hardsigmoid": _act(lambda x: np.clip(x + 3, 0, 6) / 6, None),  # torch lacks its 2nd order
    "hardswish": _act(lambda x: x * np.clip(x + 3, 0, 6) / 6, "hardswish"),
    "hardshrink": _act(
        lambda x, a: np.where(abs(x) > a, x, 0), "hardshrink", st.sampled_from([0.5, 3.0])
    ),
    "softshrink": _act(
        lambda x, a: np.sign(x) * np.maximum(abs(x) - a, 0),
        "softshrink",
        st.sampled_from([0.5, 3.0]),
    ),
    "logsigmoid": _act(lambda x: np.log(_sigmoid(x)), "logsigmoid"),
    "softplus": _act(
        _softplus, "softplus", POSITIVE, st.sampled_from([20.0, 3.3]), away=(1.65, 3.3, 6.6)
    ),
    "_elu": _act(_elu, None, POSITIVE, POSITIVE, POSITIVE),
    "_elu_slope": _act(
        lambda x, a, b, k: np.where(x > 0, a, b * np.exp(k * np.minimum(x, 0))),
        None,
        POSITIVE,
        ANY,
        POSITIVE,
    ),
    "elu": _act(_elu, "elu", POSITIVE),
    "selu": _act(lambda x: _elu(x, 1.6732632423543772, 1.0507009873554805), "selu"),
    "celu": _act(lambda x, a: _elu(x, a, 1.0, 1 / a), "celu", POSITIVE),
    "silu": _act(lambda x: x * _sigmoid(x), "silu", away=()),
    "mish": _act(lambda x: x * np.tanh(_softplus(x)), "mish", away=()),
    "ndtr": Case(
        args(arrays(away_from=(), **FAR)), lambda x: (1 + erf(x / math.sqrt(2))) / 2,
        "special.ndtr",
    ),
    "_gelu": _act(_gelu, None, away=()),
    "_gelu_tanh": _act(lambda x: _gelu(x, "tanh"), None, away=()),
    "gelu": Case(
        args(arrays(away_from=(), **FAR), approximate=st.sampled_from(["none", "tanh"])),
        _gelu,
        "nn.functional.gelu",
    ),
    "softsign": _act(lambda x: x / (1 + abs(x)), "softsign"),
    "tanhshrink": _act(lambda x: x - np.tanh(x), "tanhshrink"),
    "prelu": Case(PRELU, _prelu, "nn.functional.prelu"),
    "glu": Case(GLU, _glu, "nn.functional.glu"),
    "_softmax": Case(with_dim(), _softmax),
    "softmax_grad": Case(
        SAME_WITH_DIM, lambda g, y, dim: y * (g - (g * y).sum(dim, keepdims=True))
    ),
    "_log_softmax": Case(with_dim(), _log_softmax),
    "log_softmax_grad": Case(
        SAME_WITH_DIM, lambda g, y, dim: g - np.exp(y) * g.sum(dim, keepdims=True)
    ),
    "softmax": Case(with_dim(), _softmax, "nn.functional.softmax"),
    "log_softmax": Case(with_dim(), _log_softmax, "nn.functional.log_softmax"),
    "softmin": Case(with_dim(), lambda x, dim: _softmax(-x, dim), "nn.functional.softmin"),
    "gumbel_softmax": Case(args(arrays(min_dims=1), POSITIVE), random=True),
}
