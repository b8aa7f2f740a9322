"""Oracles of the neural ops as nested loops: slow, and unlike the kernels in every way."""

from __future__ import annotations

import itertools

import numpy as np

__all__ = [
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "fold",
    "outer_shape",
    "pool",
    "spread",
    "tiles",
    "unfold",
    "windows",
]


def _two(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def outer_shape(hw, k, s, p, d):
    return tuple((h + 2 * pi - di * (ki - 1) - 1) // si + 1
                 for h, ki, si, pi, di in zip(hw, k, s, p, d))  # fmt: skip


def _meetings(hw, k, out, stride, padding, dilation):
    """Every window (i, j), tap (u, v) and pixel (h, w) that meet inside the image."""
    for i, j, u, v in itertools.product(*map(range, (*out, *k))):
        h = i * stride[0] + u * dilation[0] - padding[0]
        w = j * stride[1] + v * dilation[1] - padding[1]
        if 0 <= h < hw[0] and 0 <= w < hw[1]:
            yield i, j, u, v, h, w


def _filters(f, c, groups):
    """Every filter with the channels that it sees: filter, channel of the image, of the filter."""
    for a in range(f):
        for b in range(c // groups):
            yield a, a // (f // groups) * (c // groups) + b, b


def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    s, p, d = _two(stride), _two(padding), _two(dilation)
    (n, c, *hw), (f, _, *k) = x.shape, w.shape
    out = outer_shape(hw, k, s, p, d)
    y = np.zeros((n, f, *out))
    for (i, j, u, v, h, q), (a, e, z) in itertools.product(
        list(_meetings(hw, k, out, s, p, d)), list(_filters(f, c, groups))
    ):
        y[:, a, i, j] += x[:, e, h, q] * w[a, z, u, v]
    return y if b is None else y + b[:, None, None]


def conv2d_input_grad(g, w, hw, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    (n, f, *out), (_, cg, *k) = g.shape, w.shape
    gx = np.zeros((n, cg * groups, *hw))
    for (i, j, u, v, h, q), (a, e, z) in itertools.product(
        list(_meetings(hw, k, out, stride, padding, dilation)),
        list(_filters(f, cg * groups, groups)),
    ):
        gx[:, e, h, q] += g[:, a, i, j] * w[a, z, u, v]
    return gx


def conv2d_weight_grad(g, x, k, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    (_, f, *out), (_, c, *hw) = g.shape, x.shape
    gw = np.zeros((f, c // groups, *k))
    for (i, j, u, v, h, q), (a, e, z) in itertools.product(
        list(_meetings(hw, k, out, stride, padding, dilation)), list(_filters(f, c, groups))
    ):
        gw[a, z, u, v] += (g[:, a, i, j] * x[:, e, h, q]).sum()
    return gw


def unfold(x, k, stride, padding, dilation):
    n, c, *hw = x.shape
    out = outer_shape(hw, k, stride, padding, dilation)
    y = np.zeros((n, c, *k, *out))
    for i, j, u, v, h, w in _meetings(hw, k, out, stride, padding, dilation):
        y[:, :, u, v, i, j] = x[:, :, h, w]
    return y.reshape(n, c * k[0] * k[1], out[0] * out[1])


def fold(cols, hw, k, stride, padding, dilation):
    out = outer_shape(hw, k, stride, padding, dilation)
    taps = cols.reshape(cols.shape[0], -1, *k, *out)
    x = np.zeros((*taps.shape[:2], *hw))
    for i, j, u, v, h, w in _meetings(hw, k, out, stride, padding, dilation):
        x[:, :, h, w] += taps[:, :, u, v, i, j]
    return x


def windows(hw, k, stride, padding, out, dilation=(1, 1)):
    """Pixels of every window, and how many elements it has with and without the padding."""
    for i, j in itertools.product(*map(range, out)):
        rows, cols = (
            [z * s - p + u * d for u in range(n)]
            for z, n, s, p, d in zip((i, j), k, stride, padding, dilation)
        )
        padded = [sum(r < h + p for r in v) for v, h, p in zip((rows, cols), hw, padding)]
        pixels = [(r, c) for r in rows if 0 <= r < hw[0] for c in cols if 0 <= c < hw[1]]
        yield (i, j), pixels, padded[0] * padded[1]


def tiles(hw, out):
    """Pixels of windows that tile the plane into `out` parts."""
    for i, j in itertools.product(*map(range, out)):
        rows, cols = (range(z * h // o, -(-(z + 1) * h // o)) for z, h, o in zip((i, j), hw, out))
        pixels = [(r, c) for r in rows for c in cols]
        yield (i, j), pixels, len(pixels)


def pool(x, parts, out, how):
    """how(values of the pixels, count) of every window."""
    y = np.zeros((*x.shape[:2], *out))
    for at, pixels, count in parts:
        values = np.stack([x[:, :, r, c] for r, c in pixels]) if pixels else np.zeros((0, 1, 1))
        y[(slice(None), slice(None), *at)] = how(values, count)
    return y


def spread(g, parts, hw, divisor):
    """Adjoint of means: each window's share g / divisor(pixels, count) to all of its pixels."""
    gx = np.zeros((*g.shape[:2], *hw))
    for (i, j), pixels, count in parts:
        for r, c in pixels:
            gx[:, :, r, c] += g[:, :, i, j] / divisor(pixels, count)
    return gx
