"""Samples of minigrad/ops/{norm,row_norm}.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from ._draws import args, of

EPS = 1e-2  # samples are tiny, and the curvature of 1/sqrt(var) large
SPREAD = {"distinct": True, "away_from": ()}


def _images(min_dims=2, **options):
    side = st.integers(2, 3)
    shape = st.integers(min_dims, 4).flatmap(lambda n: st.tuples(*[side] * n))
    return arrays(shape=shape, **SPREAD, **options)


def _maybe(n):
    return st.none() | arrays(shape=(n,))


def _per_channel(v, ndim):
    return v.reshape(-1, *[1] * (ndim - 2))


def _affine(y, w, b):
    y = y if w is None else y * _per_channel(w, y.ndim)
    return y if b is None else y + _per_channel(b, y.ndim)


def _whiten(x, dims, eps):
    return (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)


def _batch(x, w=None, b=None, mean=None, var=None, momentum=0.1, eps=EPS):
    return _affine(_whiten(x, (0, *range(2, x.ndim)), eps), w, b)


def _batch_grad(g, x, w=None, mean=None, rstd=None, eps=EPS):
    dims = (0, *range(2, x.ndim))
    xhat = _whiten(x, dims, eps)
    h = g if w is None else g * _per_channel(w, g.ndim)
    rstd = 1 / np.sqrt(x.var(dims, keepdims=True) + eps)
    gx = rstd * (h - h.mean(dims, keepdims=True) - xhat * (h * xhat).mean(dims, keepdims=True))
    return gx, (g * xhat).sum(dims), g.sum(dims)


def _row_grad(g, x, mean=None, rstd=None, eps=EPS):
    return _batch_grad(g.T, x.T, None, None, None, eps)[0].T


def _fixed(x, w, b, mean, rstd):
    n = x.ndim
    return _affine((x - _per_channel(mean, n)) * _per_channel(rstd, n), w, b)


def _public_batch(x, mean, var, w, b, training, momentum, eps):
    if training:
        return _batch(x, w, b, eps=eps)
    return _fixed(x, w, b, mean, 1 / np.sqrt(var + eps))


def _group(x, groups, w=None, b=None, eps=EPS):
    rows = x.reshape(x.shape[0], groups, -1)
    return _affine(_whiten(rows, 2, eps).reshape(x.shape), w, b)


def _layer(x, shape, w=None, b=None, eps=EPS):
    y = _whiten(x, tuple(range(-len(shape), 0)), eps)
    y = y if w is None else y * w
    return y if b is None else y + b


def _rms(x, shape, w=None, eps=EPS):
    dims = tuple(range(-len(shape), 0))
    y = x / np.sqrt((x * x).mean(dims, keepdims=True) + eps)
    return y if w is None else y * w


def _response(x, size, alpha, beta, k):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        y[:, c] = x[:, c] / (k + alpha / size * (near**2).sum(1)) ** beta
    return y


def _normalize(x, p, dim):
    return x / np.maximum((abs(x) ** p).sum(dim, keepdims=True) ** (1 / p), 1e-12)


def _divisors(n):
    return st.sampled_from([g for g in range(1, n + 1) if n % g == 0])


@st.composite
def _trailing(draw, bias=True):
    x = draw(_images())
    shape = x.shape[-draw(st.integers(1, x.ndim - 1)) :]
    parts = [draw(st.none() | arrays(shape=shape)) for _ in range(1 + bias)]
    return (x, shape, *parts, EPS), {}


VARIANCE = {"low": 0.5, "high": 2.0}
TRAINED = of(_images(), lambda x: (x, None, None, _maybe(x.shape[1]), _maybe(x.shape[1]), True, 0.1,
                                   EPS))  # fmt: skip
FIXED = of(_images(), lambda x: (x, arrays(shape=x.shape[1:2]), arrays(shape=x.shape[1:2],
           **VARIANCE), _maybe(x.shape[1]), _maybe(x.shape[1]), False, 0.1, EPS))  # fmt: skip
EVALUATED = of(_images(), lambda x: (x, _maybe(x.shape[1]), _maybe(x.shape[1]),
               arrays(shape=x.shape[1:2]), arrays(shape=x.shape[1:2], **VARIANCE)))  # fmt: skip
ROWS = arrays(shape=st.tuples(st.integers(1, 3), st.integers(2, 4)), **SPREAD)

CASES = {
    "_batch_norm": Case(
        of(_images(), lambda x: (x, _maybe(x.shape[1]), _maybe(x.shape[1]), None, None, 0.1, EPS)),
        _batch,
    ),
    "_batch_norm_relu": Case(
        of(_images(), lambda x: (x, _maybe(x.shape[1]), _maybe(x.shape[1]), None, None, 0.1, EPS)),
        lambda *args: np.maximum(_batch(*args), 0),
    ),
    "batch_norm_grad": Case(
        of(_images(), lambda x: (arrays(shape=x.shape), x, _maybe(x.shape[1]), None, None, EPS)),
        _batch_grad,
    ),
    "_batch_norm_fixed": Case(EVALUATED, _fixed, constants=(3, 4)),
    "batch_norm": Case(
        TRAINED | FIXED, _public_batch, "nn.functional.batch_norm", constants=(1, 2)
    ),
    "instance_norm": Case(
        of(_images(3), lambda x: (x, None, None, _maybe(x.shape[1]), _maybe(x.shape[1]), True, 0.1,
                                  EPS)),
        lambda x, m, v, w, b, use, momentum, eps: _affine(
            _whiten(x, tuple(range(2, x.ndim)), eps), w, b
        ),
        "nn.functional.instance_norm",
    ),
    "_row_norm": Case(args(ROWS, EPS), lambda x, eps: _whiten(x, 1, eps)),
    "row_norm_grad": Case(
        of(ROWS, lambda x: (arrays(shape=x.shape), x, None, None, EPS)), _row_grad
    ),
    "layer_norm": Case(_trailing(), _layer, "nn.functional.layer_norm"),
    "rms_norm": Case(_trailing(bias=False), _rms, "nn.functional.rms_norm"),
    "group_norm": Case(
        of(_images(), lambda x: (x, _divisors(x.shape[1]), arrays(shape=x.shape[1:2]),
                                 _maybe(x.shape[1]), EPS)),
        _group,
        "nn.functional.group_norm",
    ),
    "local_response_norm": Case(
        of(_images(3), lambda x: (x, st.integers(1, 4), 0.5, 0.75, 1.0)),
        _response,
        "nn.functional.local_response_norm",
    ),
    "normalize": Case(
        of(_images(), lambda x: (x + np.where(x < 0, -0.1, 0.1), st.sampled_from([1.0, 2.0, 3.0]),
                                 st.integers(0, x.ndim - 1))),
        _normalize,
        "nn.functional.normalize",
    ),
}  # fmt: skip
