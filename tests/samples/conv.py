"""Samples of minigrad/ops/conv.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from . import _loops as loops

SMALL = st.integers(1, 2)


@st.composite
def _layer(draw, dims=2):
    """Sizes and settings of a convolution: x, w and g shapes, stride, padding, dilation, groups."""
    groups, n = draw(SMALL), draw(SMALL)
    c, f = groups * draw(SMALL), groups * draw(SMALL)
    k = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    s, p, d = (tuple(draw(v) for _ in range(dims))
               for v in (st.integers(1, 3), st.integers(0, 2), SMALL))  # fmt: skip
    out = tuple(draw(SMALL) for _ in range(dims))
    hw = []
    for o, ki, si, pi, di in zip(out, k, s, p, d):
        least = (o - 1) * si + di * (ki - 1) + 1 - 2 * pi
        hw.append(max(least, 1) + draw(st.integers(0, si - 1)))
    out = loops.outer_shape(hw, k, s, p, d)
    return (n, c, *hw), (f, c // groups, *k), (n, f, *out), s, p, d, groups


def _two(a, b):
    return st.tuples(arrays(shape=a), arrays(shape=b))


@st.composite
def _forward(draw, dims=2, bias=True, public=True):
    x, w, _, s, p, d, groups = draw(_layer(dims))
    if public and draw(st.booleans()):
        s, p = (1,) * dims, draw(st.sampled_from(["same", "valid"] if min(x[2:]) > 4 else [p]))
    if public and dims == 1 and not isinstance(p, str):
        s, p, d = s[0], p[0], d[0]
    b = draw(st.none() | arrays(shape=(w[0],))) if bias else None
    return (*draw(_two(x, w)), b, s, p, d, groups), {}


@st.composite
def _adjoint(draw, of_weight):
    x, w, g, s, p, d, groups = draw(_layer())
    first, second, size = (g, x, w[2:]) if of_weight else (g, w, x[2:])
    return (*draw(_two(first, second)), tuple(size), s, p, d, groups), {}


@st.composite
def _cotangent(draw):
    return (draw(arrays(shape=draw(_layer())[2])),), {}


@st.composite
def _transposed(draw, dims=2):
    x, w, g, s, p, d, groups = draw(_layer(dims))
    extra = tuple(draw(st.integers(0, max(si, di) - 1)) for si, di in zip(s, d))
    p = tuple(min(pi, di * (ki - 1) // 2) for pi, di, ki in zip(p, d, w[2:]))
    b = draw(st.none() | arrays(shape=(x[1],)))
    return (*draw(_two(g, w)), b, s, p, extra, groups, d), {}


def _conv(x, w, b, stride, padding, dilation, groups):
    dims = x.ndim - 2
    s, p, d = (v if isinstance(v, (tuple, str)) else (v,) * dims
               for v in (stride, padding, dilation))  # fmt: skip
    k = w.shape[2:]
    if isinstance(p, str):
        total = [di * (ki - 1) * (p == "same") for di, ki in zip(d, k)]
        x = np.pad(x, [(0, 0), (0, 0), *[(t // 2, t - t // 2) for t in total]])
        p = (0,) * dims
    if dims == 2:
        return loops.conv2d(x, w, b, s, p, d, groups)
    one = loops.conv2d(x[:, :, None], w[:, :, None], b, (1, *s), (0, *p), (1, *d), groups)
    return one[:, :, 0]


def _back(x, w, b, stride, padding, extra, groups, dilation):
    if x.ndim == 3:
        more = ((1, *stride), (0, *padding), (0, *extra), groups, (1, *dilation))
        return _back(x[:, :, None], w[:, :, None], b, *more)[:, :, 0]
    hw = [(h - 1) * s - 2 * p + d * (k - 1) + e + 1 for h, s, p, d, k, e in
          zip(x.shape[2:], stride, padding, dilation, w.shape[2:], extra)]  # fmt: skip
    y = loops.conv2d_input_grad(x, w, hw, stride, padding, dilation, groups)
    return y if b is None else y + b[:, None, None]


CASES = {
    "_conv2d": Case(_forward(public=False), loops.conv2d),
    "conv2d_input_grad": Case(_adjoint(False), loops.conv2d_input_grad),
    "conv2d_weight_grad": Case(_adjoint(True), loops.conv2d_weight_grad),
    "conv2d_bias_grad": Case(_cotangent(), lambda g: g.sum((0, 2, 3)), linear=True),
    "conv2d": Case(_forward(), _conv, "nn.functional.conv2d"),
    "conv1d": Case(_forward(dims=1), _conv, "nn.functional.conv1d"),
    "conv_transpose2d": Case(_transposed(), _back, "nn.functional.conv_transpose2d"),
    "conv_transpose1d": Case(_transposed(dims=1), _back, "nn.functional.conv_transpose1d"),
}
