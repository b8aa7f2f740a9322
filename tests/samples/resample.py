"""Samples of minigrad/ops/{pad,resample}.py."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from . import _loops as loops
from ._draws import args, of

SIDE = st.integers(2, 5)
F = "nn.functional."


def _images(dims=2, side=SIDE, **options):
    return arrays(shape=st.tuples(*[st.integers(1, 2)] * 2, *[side] * dims), **options)


def _crop_or_pad(x, widths, value):
    y = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in widths], constant_values=value)
    return y[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(y.shape, widths))]


def _pad(x, pad, mode="constant", value=0.0):
    widths = [(0, 0)] * (x.ndim - len(pad) // 2)
    widths += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if mode == "constant":
        return _crop_or_pad(x, widths, value)
    return np.pad(x, widths, {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])


def _pick(x, picks):
    for dim, idx in enumerate(picks):
        if idx is not None:
            x = np.stack([x.take(i, dim) for i in idx], dim)
    return x


def _unpick(g, picks, shape):
    x = np.zeros(shape)
    sources = [range(n) if p is None else p for p, n in zip(picks, shape)]
    for at in np.ndindex(*g.shape):
        x[tuple(s[i] for s, i in zip(sources, at))] += g[at]
    return x


@st.composite
def _blocks(draw, folded, public):
    """An image or its columns, and how windows slide over it."""
    x = draw(_images())
    hw = x.shape[2:]
    k = tuple(draw(st.integers(1, 2)) for _ in hw)
    s, p = (tuple(draw(st.integers(a, 2)) for _ in hw) for a in (1, 0))
    d = tuple(draw(st.integers(1, 2)) if h > 2 else 1 for h in hw)
    if folded:
        length = math.prod(loops.outer_shape(hw, k, s, p, d))
        x = draw(arrays(shape=(x.shape[0], x.shape[1] * math.prod(k), length)))
    settings = (k, d, p, s) if public else (k, s, p, d)
    return (x, *([hw] if folded else []), *settings), {}


def _public(core):
    def oracle(x, *rest):
        *size, k, d, p, s = rest
        return core(x, *size, k, s, p, d)

    return oracle


def _axis(n, out, scale, align_corners):
    """For each result the two sources and the weight of the second."""
    for i in range(out):
        if align_corners:
            at = i * (n - 1) / (out - 1) if out > 1 else 0.0
        else:
            at = max((i + 0.5) * (1 / scale if scale else n / out) - 0.5, 0.0)
        lo = min(int(at), n - 1)
        yield i, lo, min(lo + 1, n - 1), at - lo


def _matrix(n, out, scale, mode, align_corners=False):
    m = np.zeros((out, n))
    if mode in ("nearest", "nearest-exact"):
        for i in range(out):
            step = np.float32(1 / scale) if scale else np.float32(n) / np.float32(out)
            half = np.float32(0.5 * (mode == "nearest-exact"))
            m[i, min(math.floor((np.float32(i) + half) * step), n - 1)] = 1
    elif mode == "area":
        for i in range(out):
            a, b = i * n // out, -(-(i + 1) * n // out)
            m[i, a:b] = 1 / (b - a)
    else:
        for i, lo, hi, weight in _axis(n, out, scale, align_corners):
            m[i, lo] += 1 - weight
            m[i, hi] += weight
    return m


def _resize(x, out, mode, align_corners=False, scales=(None, None)):
    rows, cols = (_matrix(n, o, s, mode, align_corners)
                  for n, o, s in zip(x.shape[2:], out, scales))  # fmt: skip
    return rows @ x @ cols.T


def _unresize(g, hw, mode, align_corners=False, scales=(None, None)):
    rows, cols = (_matrix(n, o, s, mode, align_corners)
                  for n, o, s in zip(hw, g.shape[2:], scales))  # fmt: skip
    return rows.T @ g @ cols


def _interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None):
    flat = x.ndim == 3
    x = x[:, :, None] if flat else x
    hw = x.shape[2:]
    if size is not None:
        out, scales = size if isinstance(size, tuple) else (size, size), (None, None)
    else:
        scales = (scale_factor, scale_factor)
        out = tuple(int(h * scale_factor) for h in hw)
        scales = (None, None) if mode == "area" else scales
    if flat:
        out, scales = (1, out[1]), (None, scales[1])
    y = _resize(x, out, mode, bool(align_corners), scales)
    return y[:, :, 0] if flat else y


@st.composite
def _interpolated(draw):
    flat = draw(st.booleans())
    modes = ["nearest", "nearest-exact", "area", "linear" if flat else "bilinear"]
    mode = draw(st.sampled_from(modes))
    more = {"mode": mode}
    if mode in ("linear", "bilinear"):
        more["align_corners"] = draw(st.sampled_from([None, False, True]))
    if draw(st.booleans()):
        more["scale_factor"] = draw(st.sampled_from([0.5, 1.5, 2.0]))
    else:
        more["size"] = draw(st.integers(1, 6))
    return (draw(_images(1 if flat else 2)),), more


OUT = st.tuples(st.integers(1, 6), st.integers(1, 6))
HW = st.tuples(SIDE, SIDE)
WIDTH = st.integers(-1, 3)
WIDTHS = st.tuples(st.tuples(WIDTH, WIDTH), st.tuples(WIDTH, WIDTH))
PICKS = st.sampled_from([(None, (1, 0, 1, 1)), ((0, 0), (1,)), (None, None)])
TWO = arrays(min_dims=2, max_dims=2, min_side=2)
FILL = st.sampled_from([0.0, 1.5])
ABOUT = st.tuples(*[st.integers(0, 2)] * 4)
CORNERS = st.booleans()


def _shuffle(x, r):
    n, c, h, w = x.shape
    y = np.zeros((n, c // r**2, h * r, w * r))
    for a, i, j in np.ndindex(*y.shape[1:]):
        y[:, a, i, j] = x[:, a * r * r + i % r * r + j % r, i // r, j // r]
    return y


def _unshuffle(x, r):
    n, c, h, w = x.shape
    y = np.zeros((n, c * r**2, h // r, w // r))
    for a, i, j in np.ndindex(*x.shape[1:]):
        y[:, a * r * r + i % r * r + j % r, i // r, j // r] = x[:, a, i, j]
    return y


CASES = {
    "_constant_pad": Case(args(TWO, WIDTHS, FILL), _crop_or_pad, exact=True),
    "_pick": Case(args(TWO, PICKS), _pick, linear=True, exact=True),
    "_unpick": Case(args(arrays(shape=(2, 4)), (None, (0, 2, 0, 1)), (2, 3)), _unpick, linear=True),
    "pad": Case(
        args(_images(), st.tuples(*[st.integers(-1, 3)] * 4), "constant", FILL)
        | args(_images(side=st.integers(3, 5)), ABOUT,
               st.sampled_from(["reflect", "replicate", "circular"])),
        _pad,
        F + "pad",
        exact=True,
    ),
    "_unfold": Case(_blocks(False, False), loops.unfold, linear=True, exact=True),
    "_fold": Case(_blocks(True, False), loops.fold, linear=True),
    "unfold": Case(_blocks(False, True), _public(loops.unfold), F + "unfold", exact=True),
    "fold": Case(_blocks(True, True), _public(loops.fold), F + "fold"),
    "_nearest": Case(args(_images(), OUT), lambda x, o: _resize(x, o, "nearest"), linear=True),
    "nearest_grad": Case(
        args(_images(), HW), lambda g, hw: _unresize(g, hw, "nearest"), linear=True
    ),
    "_bilinear": Case(
        args(_images(), OUT, CORNERS), lambda x, o, a: _resize(x, o, "bilinear", a), linear=True
    ),
    "bilinear_grad": Case(
        args(_images(), HW, CORNERS), lambda g, hw, a: _unresize(g, hw, "bilinear", a), linear=True
    ),
    "interpolate": Case(_interpolated(), _interpolate, F + "interpolate"),
    "pixel_shuffle": Case(
        args(arrays(shape=st.tuples(st.integers(1, 2), st.sampled_from([4, 8]), SIDE, SIDE)), 2),
        _shuffle, F + "pixel_shuffle", exact=True,
    ),
    "pixel_unshuffle": Case(
        of(_images(side=st.integers(1, 2)), lambda x: (np.tile(x, (1, 1, 2, 2)), 2)),
        _unshuffle, F + "pixel_unshuffle", exact=True,
    ),
}  # fmt: skip
