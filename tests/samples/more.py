"""Samples of minigrad/ops/{buckets,combine,grid,pairwise,windows}.py, and of quantile."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, integers

from ._draws import args, bools, of

F = "nn.functional."
P = st.sampled_from([1, 2, 3])


def _norm(d, p, axis=-1):
    return (np.abs(d) ** p).sum(axis) ** (1 / p)


def _rows(shape, n):
    """Arrays of one shape whose differences are away from 0, so that no norm has a kink."""
    apart = arrays(shape=(n, *shape), distinct=True, gap=0.3, low=-20, high=20)
    return apart.map(lambda a: tuple(a))


def _windows(x, dim, size, step):
    n = (x.shape[dim] - size) // step + 1
    cut = [np.take(x, range(k * step, k * step + size), dim) for k in range(n)]
    return np.stack([np.moveaxis(c, dim, -1) for c in cut], dim)


def _windows_grad(g, shape, dim, size, step):
    out = np.zeros(shape)
    moved, gm = np.moveaxis(out, dim, 0), np.moveaxis(g, dim, 0)
    for k in range(len(gm)):
        for u in range(size):
            moved[k * step + u] += gm[k][..., u]
    return out


@st.composite
def _window_args(draw, adjoint=False):
    shape = draw(st.lists(st.integers(2, 4), min_size=1, max_size=3).map(tuple))
    dim = draw(st.integers(0, len(shape) - 1))
    size, step = draw(st.integers(1, shape[dim])), draw(st.integers(1, 3))
    if not adjoint:
        return (draw(arrays(shape=shape)), dim, size, step), {}
    n = (shape[dim] - size) // step + 1
    g = draw(arrays(shape=(*shape[:dim], n, *shape[dim + 1 :], size)))
    return (g, shape, dim, size, step), {}


@st.composite
def _grid_args(draw):
    """An image and places that are away from pixel centres, where bilinear sampling has kinks."""
    h, w = draw(st.integers(2, 4)), draw(st.integers(2, 4))
    oh, ow = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    n, corners = draw(st.integers(1, 2)), draw(st.booleans())
    pixel = draw(integers((n, oh, ow, 2), -2, 5)) + draw(arrays((n, oh, ow, 2), low=0.1, high=0.4))
    sizes = np.array([w, h])
    grid = pixel / (sizes - 1) * 2 - 1 if corners else (pixel + 0.5) / sizes * 2 - 1
    x = draw(arrays(shape=(n, 2, h, w)))
    padding = draw(st.sampled_from(["zeros", "border", "reflection"]))
    return (x, grid, draw(st.sampled_from(["bilinear", "nearest"])), padding, corners), {}


def _reflected(v, n, corners):
    low, high = (0, n - 1) if corners else (-0.5, n - 0.5)
    while high > low and not low <= v <= high:
        v = 2 * low - v if v < low else 2 * high - v
    return v


def _grid_sample(x, grid, mode, padding, corners):
    n, c, h, w = x.shape
    out = np.zeros((n, c, *grid.shape[1:3]))
    for b, i, j in np.ndindex(*grid.shape[:3]):
        at = []
        for g, size in zip(grid[b, i, j], (w, h)):
            v = (g + 1) / 2 * (size - 1) if corners else ((g + 1) * size - 1) / 2
            if padding == "reflection":
                v = _reflected(v, size, corners)
            at.append(v if padding == "zeros" else min(max(v, 0), size - 1))
        if mode == "nearest":
            near = [(round(at[0]), round(at[1]), 1.0)]
        else:
            u, v = int(np.floor(at[0])), int(np.floor(at[1]))
            near = [
                (p, q, (1 - abs(at[0] - p)) * (1 - abs(at[1] - q)))
                for p, q in itertools.product((u, u + 1), (v, v + 1))
            ]
        for p, q, share in near:
            if 0 <= p < w and 0 <= q < h:
                out[b, :, i, j] += share * x[b, :, q, p]
    return out


def _affine_grid(theta, size, corners):
    n, _, h, w = size
    out = np.zeros((n, h, w, 2))
    for b, i, j in np.ndindex(n, h, w):
        x, y = (
            (0 if m == 1 else -1 + 2 * k / (m - 1)) if corners else (2 * k + 1) / m - 1
            for k, m in ((j, w), (i, h))
        )
        out[b, i, j] = theta[b] @ np.array([x, y, 1.0])
    return out


def _bucket(values, edges, right):
    return (edges <= values[..., None] if right else edges < values[..., None]).sum(-1)


def _block_diag(*blocks):
    blocks = [np.atleast_2d(b) for b in blocks]
    out = np.zeros(tuple(np.sum([b.shape for b in blocks], 0)))
    i = j = 0
    for b in blocks:
        out[i : i + b.shape[0], j : j + b.shape[1]] = b
        i, j = i + b.shape[0], j + b.shape[1]
    return out


_SORTED = arrays(shape=(5,)).map(np.sort)
_TARGET = bools((3,)).map(lambda m: np.where(m, 1, -1))

CASES = {
    "windows": Case(_window_args(), _windows, torch=lambda x, *a: x.unfold(*a), linear=True),
    "quantile": Case(
        args(arrays(shape=(5, 2), distinct=True), st.sampled_from([0.0, 0.3, 0.5, 1.0]), 0),
        np.quantile,
        torch="quantile",
    ),
    "windows_grad": Case(_window_args(adjoint=True), _windows_grad, linear=True),
    "pairwise_distance": Case(
        of(_rows((3, 2), 2), lambda r: (*r, P)),
        lambda a, b, p: _norm(a - b + 1e-6, p),
        torch=F + "pairwise_distance",
    ),
    "cdist": Case(
        of(_rows((3, 2), 2), lambda r: (*r, P)),
        lambda a, b, p: np.array([[_norm(u - v, p) for v in b] for u in a]),
        torch="cdist",
    ),
    "_euclidean": Case(
        of(_rows((3, 2), 2), lambda r: r),
        lambda a, b: np.array([[_norm(u - v, 2) for v in b] for u in a]),
    ),
    "pdist": Case(
        of(_rows((3, 2), 1), lambda r: (r[0], P)),
        lambda x, p: np.array([_norm(u - v, p) for u, v in itertools.combinations(x, 2)]),
        torch=F + "pdist",
    ),
    "margin_ranking_loss": Case(
        of(_rows((3,), 2), lambda r: (*r, _TARGET, 0.05)),
        lambda a, b, t, m: np.maximum(0, m - t * (a - b)).mean(),
        torch=F + "margin_ranking_loss",
    ),
    "soft_margin_loss": Case(
        args(arrays(shape=(3,)), _TARGET),
        lambda x, t: np.log1p(np.exp(-t * x)).mean(),
        torch=F + "soft_margin_loss",
    ),
    "triplet_margin_loss": Case(
        of(_rows((2, 3), 3), lambda r: (*r, 60.0)),
        lambda a, p, n, m: (m + _norm(a - p + 1e-6, 2) - _norm(a - n + 1e-6, 2)).mean(),
        torch=F + "triplet_margin_loss",
    ),
    "grid_sample": Case(_grid_args(), _grid_sample, torch=F + "grid_sample"),
    "affine_grid": Case(
        args(arrays(shape=(2, 2, 3)), st.sampled_from([(2, 1, 3, 2), (2, 1, 2, 4)]), st.booleans()),
        _affine_grid,
        torch=F + "affine_grid",
        linear=True,
    ),
    "histc": Case(
        args(arrays(), st.integers(1, 5), -1.5, 1.5),
        lambda x, bins, low, high: np.histogram(x, bins, (low, high))[0],
        torch="histc",
        grad=False,
    ),
    "_searchsorted": Case(
        args(_SORTED, arrays(), st.booleans(), np.dtype("int64")),
        lambda edges, x, right, d: _bucket(x, edges, right),
        grad=False,
    ),
    "searchsorted": Case(
        args(_SORTED, arrays(), right=st.booleans()),
        lambda edges, x, right: _bucket(x, edges, right),
        torch="searchsorted",
        grad=False,
    ),
    "bucketize": Case(
        args(arrays(), _SORTED, right=st.booleans()),
        _bucket,
        torch="bucketize",
        grad=False,
    ),
    "cartesian_prod": Case(
        args(arrays(shape=(2,)), arrays(shape=(3,))),
        lambda *a: np.array(list(itertools.product(*a))),
        torch="cartesian_prod",
        linear=True,
    ),
    "combinations": Case(
        args(arrays(shape=(4,)), st.integers(1, 3)),
        lambda x, r: np.array(list(itertools.combinations(x, r))),
        torch="combinations",
        linear=True,
    ),
    "block_diag": Case(
        args(arrays(shape=(2, 1)), arrays(shape=(3,)), arrays(shape=(1, 2))),
        _block_diag,
        torch="block_diag",
        linear=True,
    ),
    "column_stack": Case(
        args(st.tuples(arrays(shape=(3,)), arrays(shape=(3, 2))).map(list)),
        np.column_stack,
        torch="column_stack",
        linear=True,
    ),
}
