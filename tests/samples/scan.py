"""Samples of minigrad/ops/scan.py."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, integers

from ._draws import args, fixed, of, with_dim

FLAG = st.booleans()
ZEROS = fixed(
    (np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [1.0, -2.0, 0.5]]), 1),
    (np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [1.0, -2.0, 0.5]]), 0),
    (np.array([0.0, 2.0, -1.5]), 0),
)


def _lines(f, outputs=1):
    """`f` on every line along a dim, by a loop; it gives one list, or several."""

    def scan(x, *settings, dim=-1, **named):
        rows = np.moveaxis(x, dim, -1)
        got = [f(row.tolist(), *settings, **named) for row in rows.reshape(-1, rows.shape[-1])]
        if outputs == 1:
            return np.moveaxis(np.array(got).reshape(*rows.shape[:-1], -1), -1, dim)
        return tuple(
            np.moveaxis(np.array([g[i] for g in got]).reshape(*rows.shape[:-1], -1), -1, dim)
            for i in range(outputs)
        )

    return scan


def _dim_second(f, outputs=1):
    return lambda x, dim, *more, **named: _lines(f, outputs)(x, *more, dim=dim, **named)


def _sorted(row, descending=False):
    order = sorted(range(len(row)), key=lambda i: (-row[i] if descending else row[i], i))
    return [row[i] for i in order], order


def _cum(best):
    def scan(row):
        values = list(accumulate(row, best))
        return values, [row.index(v) for v in values]

    return scan


def _sort(x, dim=-1, descending=False):
    return _lines(_sorted, 2)(x, descending, dim=dim)


def _top(x, k, dim=-1, largest=True):
    values, order = _sort(x, dim, largest)
    return np.take(values, range(k), dim), np.take(order, range(k), dim)


def _kth(x, k, dim=-1, keepdim=False):
    values, order = _sort(x, dim)
    got = np.take(values, [k - 1], dim), np.take(order, [k - 1], dim)
    return got if keepdim else tuple(a.squeeze(dim) for a in got)


def _median(x, dim=None, keepdim=False):
    if dim is None:
        return np.sort(x.ravel())[(x.size - 1) // 2]
    return _kth(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _bincount(a, weights=None, minlength=0):
    y = np.zeros(max(minlength, max(a.tolist(), default=-1) + 1))
    for i, v in enumerate(a):
        y[v] += 1 if weights is None else weights[i]
    return y if weights is not None else y.astype(np.int64)


CASES: dict[str, Case] = {
    "cumsum": Case(
        with_dim() | args(integers((2, 3), -5, 5), 0),
        _dim_second(lambda r: list(accumulate(r))),
        "cumsum",
        linear=True,
    ),
    "cumprod": Case(
        with_dim() | ZEROS,
        _dim_second(lambda r: list(accumulate(r, lambda a, b: a * b))),
        "cumprod",
    ),
    "_cummax": Case(with_dim(distinct=True), _dim_second(_cum(max), 2), "cummax", exact=True),
    "_cummin": Case(with_dim(distinct=True), _dim_second(_cum(min), 2), "cummin", exact=True),
    "cummax": Case(with_dim(distinct=True), _dim_second(_cum(max), 2), "cummax", exact=True),
    "cummin": Case(with_dim(distinct=True), _dim_second(_cum(min), 2), "cummin", exact=True),
    "diff": Case(
        args(arrays(shape=(3, 5)), st.sampled_from([1, 2, 5]), st.sampled_from([0, -1])),
        lambda x, n, dim: np.diff(x, min(n, x.shape[dim]), dim),
        "diff",
        linear=True,
    ),
    "_sort": Case(
        with_dim(FLAG, distinct=True),
        _sort,
        lambda x, d, f: x.sort(dim=d, descending=f, stable=True),
        exact=True,
    ),
    "sort": Case(with_dim(FLAG, distinct=True), _sort, "sort", exact=True),
    "msort": Case(
        args(arrays(min_dims=1, distinct=True)), lambda x: np.sort(x, 0), "msort", exact=True
    ),
    "argsort": Case(with_dim(FLAG, distinct=True), lambda *a: _sort(*a)[1], "argsort", grad=False),
    "_topk": Case(
        of(arrays(min_dims=1, distinct=True), lambda x: (x, st.integers(0, x.shape[-1]), -1, FLAG)),
        _top,
        "topk",
        exact=True,
    ),
    "topk": Case(
        args(arrays(shape=(4, 3), distinct=True), st.integers(0, 4), 0, FLAG)
        | args(arrays(shape=(5,), distinct=True), 2),
        _top,
        "topk",
        exact=True,
    ),
    "kthvalue": Case(
        of(arrays(min_dims=1, distinct=True), lambda x: (x, st.integers(1, x.shape[-1]), -1, FLAG)),
        _kth,
        "kthvalue",
        exact=True,
    ),
    "median": Case(
        args(arrays(min_dims=1, distinct=True)) | with_dim(FLAG, distinct=True),
        _median,
        "median",
        exact=True,
    ),
    "unique": Case(
        args(integers((3, 4), 0, 5), True, True, True),
        lambda x, *_: tuple(np.unique(x, return_inverse=True, return_counts=True)),
        "unique",
        grad=False,
    ),
    "bincount": Case(
        args(integers((6,), 0, 5), minlength=st.integers(0, 8))
        | args(integers((6,), 0, 5), arrays(shape=(6,))),
        _bincount,
        lambda a, w=None, minlength=0: a.bincount(w.detach() if w is not None else None, minlength),
        grad=False,
    ),
}
