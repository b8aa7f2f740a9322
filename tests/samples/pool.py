"""Samples of minigrad/ops/{pool,adaptive_pool,unpool}.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, integers

from . import _loops as loops
from ._draws import args, of

SIDE = st.integers(2, 5)


def _images(dims=2, **options):
    return arrays(shape=st.tuples(*[st.integers(1, 2)] * 2, *[SIDE] * dims), **options)


def _size(h, k, s, p, d, ceil):
    out = (h + 2 * p - d * (k - 1) - 1 + (s - 1) * ceil) // s + 1
    return out - (ceil and (out - 1) * s >= h + p)


@st.composite
def _sliding(draw, dims=2, maximum=False, exact_form=False, grad=False):
    """Image and settings; in `exact_form` pairs with the size of the result, as internal ops."""
    x = draw(_images(dims, distinct=True, away_from=()))
    hw = x.shape[2:]
    k = tuple(draw(st.integers(1, min(3, h))) for h in hw)
    s = tuple(draw(st.integers(1, 3)) for _ in hw)
    p = tuple(draw(st.integers(0, ki // 2)) for ki in k)
    d = tuple(draw(st.integers(1, 2)) if h >= 2 * ki else 1 for h, ki in zip(hw, k))
    d = d if maximum else (1,) * dims
    ceil = draw(st.booleans())
    include, divisor = draw(st.booleans()), draw(st.sampled_from([None, 3]))
    if exact_form:
        out = tuple(_size(*one, ceil) for one in zip(hw, k, s, p, d))
        if maximum:
            return (x, k, s, p, d, out), {}
        if grad:
            g = draw(arrays(shape=(*x.shape[:2], *out)))
            return (g, hw, k, s, p, include, divisor), {}
        return (x, k, s, p, out, include, divisor), {}
    if dims == 1:
        k, s, p, d = k[0], s[0], p[0], d[0]
    more = (d, ceil, draw(st.booleans())) if maximum else (ceil, include)
    return (x, k, draw(st.sampled_from([s, None])), p, *more), {}


def _max(x, k, s, p, d, out):
    parts = list(loops.windows(x.shape[2:], k, s, p, out, d))
    y = loops.pool(x, parts, out, lambda v, _: v.max(0))
    idx = np.zeros(y.shape, np.int64)
    for (i, j), pixels, _ in parts:
        flat = np.array([r * x.shape[3] + c for r, c in pixels])
        values = np.stack([x[:, :, r, c] for r, c in pixels])
        idx[:, :, i, j] = flat[values.argmax(0)]
    return y, idx


@st.composite
def _taps(draw):
    """Cotangents of windows, and which tap of each has won."""
    (x, k, s, p, d, out), _ = draw(_sliding(maximum=True, exact_form=True))
    idx = _max(x, k, s, p, d, out)[1]
    row, col = np.indices(out)
    u = (idx // x.shape[3] - row * s[0] + p[0]) // d[0]
    v = (idx % x.shape[3] - col * s[1] + p[1]) // d[1]
    return (draw(arrays(shape=idx.shape)), u * k[1] + v, x.shape[2:], k, s, p, d), {}


def _max_grad(g, tap, hw, k, s, p, d):
    row, col = np.indices(g.shape[2:])
    r = row * s[0] - p[0] + tap // k[1] * d[0]
    return _scatter(g, r * hw[1] + col * s[1] - p[1] + tap % k[1] * d[1], hw)


def _avg(x, k, s, p, out, include=True, divisor=None):
    def mean(v, count):
        return v.sum(0) / (divisor or (count if include else len(v)))

    return loops.pool(x, loops.windows(x.shape[2:], k, s, p, out), out, mean)


def _avg_grad(g, hw, k, s, p, include=True, divisor=None):
    parts = loops.windows(hw, k, s, p, g.shape[2:])
    return loops.spread(g, parts, hw, lambda v, n: divisor or (n if include else len(v)))


def _public(core, dims, dilated):
    """`core` on pairs, from what a user writes."""

    def oracle(x, k, s, p, *more):
        d, ceil, last = more if dilated else (1, *more)
        if dims == 1:
            x, k = x[:, :, None], (1, k)
            s, p, d = (1, s or k[1]), (0, p), (1, d)
        s, d = s or k, d if isinstance(d, tuple) else (d, d)
        out = tuple(_size(*one, ceil) for one in zip(x.shape[2:], k, s, p, d))
        got = core(x, k, s, p, d, out) if dilated else (core(x, k, s, p, out, last),)
        if dims == 1:
            got = tuple(t[:, :, 0] for t in got)
        return got if dilated and last else got[0]

    return oracle


def _adaptive(how):
    def oracle(x, size, *more):
        flat = x.ndim == 3
        if flat:
            x, size = x[:, :, None], (1, size)
        parts = list(loops.tiles(x.shape[2:], size))
        y = loops.pool(x, parts, size, lambda v, _: getattr(v, how)(0))
        return y[:, :, 0] if flat else y

    return oracle


def _adaptive_max(x, size):
    parts = list(loops.tiles(x.shape[2:], size))
    idx = np.zeros((*x.shape[:2], *size), np.int64)
    for (i, j), pixels, _ in parts:
        flat = np.array([r * x.shape[3] + c for r, c in pixels])
        idx[:, :, i, j] = flat[np.stack([x[:, :, r, c] for r, c in pixels]).argmax(0)]
    return _adaptive("max")(x, size), idx


def _places(x, hw):
    """Places of the elements of x in planes hw, no two the same."""
    count, (n, c) = x.shape[2] * x.shape[3], x.shape[:2]
    planes = [integers((count,), 0, hw[0] * hw[1], distinct=True) for _ in range(n * c)]
    return st.tuples(*planes).map(lambda p: np.stack(p).reshape(x.shape))


def _scatter(g, idx, hw):
    gx = np.zeros((*g.shape[:2], hw[0] * hw[1]))
    for at in np.ndindex(*g.shape):
        gx[at[0], at[1], idx[at]] += g[at]
    return gx.reshape(*g.shape[:2], *hw)


def _gather(x, idx):
    y = np.zeros(idx.shape)
    for at in np.ndindex(*idx.shape):
        y[at] = x[at[0], at[1]].ravel()[idx[at]]
    return y


def _power_mean(x, p, k, s=None, ceil=False):
    flat = x.ndim == 3
    if flat:
        x, k = x[:, :, None], (1, k)
    s = s or k
    out = tuple(_size(h, ki, si, 0, 1, ceil) for h, ki, si in zip(x.shape[2:], k, s))
    parts = loops.windows(x.shape[2:], k, s, (0, 0), out)
    size = k[0] * k[1]
    y = loops.pool(x, parts, out, lambda v, n: (v**p).sum(0) / n * size) ** (1 / p)
    return y[:, :, 0] if flat else y


TILE = st.integers(1, 4)
TILES = st.tuples(TILE, TILE)
DISTINCT = {"distinct": True, "away_from": ()}
PLACES = of(_images(), lambda x: (x, integers((*x.shape[:2], 2, 3), 0, x[0, 0].size)))
POSITIVE = {"low": 0.3, "high": 2.0}

CASES = {
    "gather_plane": Case(PLACES, _gather),
    "scatter_plane": Case(of(_images(), lambda x: (x, integers(x.shape, 0, 12), (3, 4))), _scatter),
    "_max_pool2d": Case(_sliding(maximum=True, exact_form=True), lambda *a: _max(*a)[0]),
    "_max_pool2d_with_indices": Case(_sliding(maximum=True, exact_form=True), _max),
    "max_pool2d_input_grad": Case(_taps(), _max_grad, linear=True),
    "_avg_pool2d": Case(_sliding(exact_form=True), _avg, linear=True),
    "avg_pool2d_input_grad": Case(_sliding(exact_form=True, grad=True), _avg_grad, linear=True),
    "max_pool2d": Case(
        _sliding(maximum=True), _public(_max, 2, True), "nn.functional.max_pool2d"
    ),
    "max_pool1d": Case(
        _sliding(1, maximum=True), _public(_max, 1, True), "nn.functional.max_pool1d"
    ),
    "avg_pool2d": Case(_sliding(), _public(_avg, 2, False), "nn.functional.avg_pool2d"),
    "avg_pool1d": Case(_sliding(1), _public(_avg, 1, False), "nn.functional.avg_pool1d"),
    "_adaptive_max_pool2d": Case(args(_images(**DISTINCT), TILES), _adaptive_max),
    "_adaptive_avg_pool2d": Case(args(_images(), TILES), _adaptive("mean"), linear=True),
    "adaptive_avg_pool2d_input_grad": Case(
        args(_images(), st.tuples(SIDE, SIDE)),
        lambda g, hw: loops.spread(g, loops.tiles(hw, g.shape[2:]), hw, lambda v, n: n),
        linear=True,
    ),
    "adaptive_avg_pool2d": Case(
        args(_images(), TILES), _adaptive("mean"), "nn.functional.adaptive_avg_pool2d"
    ),
    "adaptive_avg_pool1d": Case(
        args(_images(1), TILE), _adaptive("mean"), "nn.functional.adaptive_avg_pool1d"
    ),
    "adaptive_max_pool2d": Case(
        args(_images(**DISTINCT), TILES), _adaptive("max"), "nn.functional.adaptive_max_pool2d"
    ),
    "adaptive_max_pool1d": Case(
        args(_images(1, **DISTINCT), TILE), _adaptive("max"), "nn.functional.adaptive_max_pool1d"
    ),
    "lp_pool2d": Case(
        args(_images(**POSITIVE), st.sampled_from([2.0, 3.0]), (2, 1), (1, 2), st.booleans()),
        _power_mean,
        "nn.functional.lp_pool2d",
    ),
    "lp_pool1d": Case(
        args(_images(1, **POSITIVE), st.sampled_from([2.0, 3.0]), 2), _power_mean,
        "nn.functional.lp_pool1d",
    ),
    "_unpool": Case(of(_images(), lambda x: (x, _places(x, (6, 6)), (6, 6))), _scatter),
    "max_unpool2d": Case(
        of(_images(), lambda x: (x, _places(x, (2 * x.shape[2], 2 * x.shape[3])), 2)),
        lambda x, idx, k: _scatter(x, idx, (2 * x.shape[2], 2 * x.shape[3])),
        "nn.functional.max_unpool2d",
    ),
}
