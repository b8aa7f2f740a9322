"""Samples of minigrad/ops/{reduce,extremes,distance}.py."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, integers

from ._draws import args, bools, fixed, of, pair, rounded, with_dim, with_dims

KEEP = st.booleans()
FULL = args(arrays())
ONE = with_dim(KEEP)
SEVERAL = with_dims(KEEP)
APART = with_dims(KEEP, distinct=True)
DIMS = with_dims()


def _over(f):
    """`f` on the flattened slices of the reduced dims, by a loop."""

    def reduce_(x, dim=None, keepdim=False, **settings):
        dims = range(x.ndim) if dim is None or dim == () else np.atleast_1d(dim) % max(x.ndim, 1)
        dims = [int(d) for d in dims if x.ndim]
        rest = [d for d in range(x.ndim) if d not in dims]
        rows = x.transpose(rest + dims).reshape([x.shape[d] for d in rest] + [-1])
        y = np.empty(rows.shape[:-1], np.asarray(f(rows[(0,) * (rows.ndim - 1)], **settings)).dtype)
        for i in np.ndindex(y.shape):
            y[i] = f(rows[i], **settings)
        return np.expand_dims(y, tuple(dims)) if keepdim else y

    return reduce_


def _both(f, g):
    return lambda *a, **k: (_over(f)(*a, **k), _over(g)(*a, **k))


def _var(row, unbiased=None, correction=1):
    free = correction if unbiased is None else int(unbiased)
    return sum((row - row.sum() / len(row)) ** 2) / (len(row) - free)


def _moments(f):
    return lambda x, dim=None, unbiased=None, keepdim=False, correction=1: _over(f)(
        x, dim, keepdim, unbiased=unbiased, correction=correction
    )


def _mean(row, **_):
    return math.fsum(row) / len(row)


def _two(f, g):
    return lambda *a, **k: (_moments(f)(*a, **k), _moments(g)(*a, **k))


VAR = of(arrays(min_dims=1, min_side=2), lambda x: (x, -1, st.booleans(), KEEP)) | args(
    arrays(shape=(3, 4)), dim=st.sampled_from([None, (0, 1), 0]), correction=st.sampled_from([0, 2])
)


def _norm(row, p=2):
    a = np.abs(row)
    if p in (math.inf, -math.inf):
        return max(a) if p > 0 else min(a)
    return float(np.count_nonzero(a)) if p == 0 else sum(a**p) ** (1 / p)


def _norms(x, p=2, dim=None, keepdim=False):
    return _over(_norm)(x, dim, keepdim, p=2 if p in ("fro", None) else p)


ORDERS = st.sampled_from([2, 1, 0, 3, 2.5, math.inf, -math.inf])
NORM = of(
    arrays(min_dims=1, distinct=True, low=0.2),
    lambda x: (x, ORDERS, st.sampled_from([None, 0, -1]), KEEP),
)


def _matrix_norm(A, ord=None, dim=None, keepdim=False):
    if ord in (1, -1, math.inf, -math.inf) and A.ndim == 2 and dim is None:
        return np.linalg.norm(A, ord, keepdims=keepdim)
    return np.linalg.norm(A if dim is not None or ord is not None else A.ravel(), ord, dim)


MATRIX = args(
    arrays(shape=(3, 4), distinct=True, low=0.2),
    st.sampled_from([None, "fro", 1, -1, math.inf, -math.inf]),
) | args(arrays(shape=(5,)), st.sampled_from([None, 2, 1, 3]))


def _pick(find):
    def along(x, dim, keepdim=False):
        i = np.expand_dims(np.apply_along_axis(lambda row: find(row.tolist()), dim, x), dim)
        values = np.take_along_axis(x, i, dim)
        return (values, i) if keepdim else (values.squeeze(dim), i.squeeze(dim))

    return along


first_max = _pick(lambda row: row.index(max(row)))
first_min = _pick(lambda row: row.index(min(row)))


def _extreme(along, both):
    def oracle(x, dim=None, keepdim=False):
        if isinstance(dim, np.ndarray):
            return np.where(both(x, dim), x, dim)
        if dim is None:
            return along(x.reshape(-1), 0)[0]
        return along(x, dim, keepdim)

    return oracle


def _arg(along):
    return lambda x, dim=None, keepdim=False: (
        along(x.reshape(-1), 0)[1] if dim is None else along(x, dim, keepdim)[1]
    )


EXTREME = args(arrays(distinct=True)) | with_dim(KEEP, distinct=True) | pair(distinct=True)
ARG = args(arrays().map(rounded)) | of(arrays(min_dims=1).map(rounded), lambda x: (x, -1, KEEP))
ZEROS = fixed(
    (np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [1.0, -2.0, 0.5]]), 1),
    (np.array([0.0, 2.0, -1.5, 3.0, 1.0]),),
    (np.array([[0.0, 2.0], [3.0, 4.0]]), 0, True),
)

CASES: dict[str, Case] = {
    "sum": Case(
        FULL | SEVERAL | args(integers((2, 3), -5, 5)) | args(bools((4,))),
        _over(lambda r: r.sum()),
        "sum",
        linear=True,
    ),
    "mean": Case(SEVERAL | FULL, _over(_mean), "mean", linear=True),
    "nansum": Case(SEVERAL, _over(lambda r: sum(v for v in r if v == v)), "nansum"),
    "nanmean": Case(SEVERAL, _over(lambda r: _mean([v for v in r if v == v])), "nanmean"),
    "var": Case(VAR, _moments(_var), "var"),
    "std": Case(VAR, _moments(lambda r, **k: math.sqrt(_var(r, **k))), "std"),
    "var_mean": Case(VAR, _two(_var, _mean), "var_mean"),
    "std_mean": Case(VAR, _two(lambda r, **k: math.sqrt(_var(r, **k)), _mean), "std_mean"),
    "prod": Case(
        ONE | FULL | ZEROS | args(integers((4,), 1, 4)),
        _over(lambda r: np.asarray(math.prod(r.tolist()))),
        "prod",
    ),
    "logsumexp": Case(
        of(arrays(min_dims=1), lambda x: (x, st.sampled_from([0, -1, tuple(range(x.ndim))]), KEEP)),
        _over(lambda r: math.log(sum(np.exp(r)))),
        "logsumexp",
    ),
    "all": Case(
        args(bools((2, 3))) | of(arrays(min_dims=1).map(rounded), lambda x: (x, 0, KEEP)),
        _over(lambda r: all(r)),
        "all",
        grad=False,
    ),
    "any": Case(
        args(bools((2, 3))) | of(arrays(min_dims=1).map(rounded), lambda x: (x, 0, KEEP)),
        _over(lambda r: any(r)),
        "any",
        grad=False,
    ),
    "count_nonzero": Case(
        of(arrays(min_dims=1).map(rounded), lambda x: (x, st.sampled_from([None, 0, -1]))),
        _over(lambda r: sum(v != 0 for v in r)),
        "count_nonzero",
        grad=False,
    ),
    "amax": Case(
        APART,
        _over(max),
        lambda x, dim, keepdim: x.amax(() if dim is None else dim, keepdim),
        exact=True,
    ),
    "amin": Case(
        APART,
        _over(min),
        lambda x, dim, keepdim: x.amin(() if dim is None else dim, keepdim),
        exact=True,
    ),
    "aminmax": Case(
        args(arrays(distinct=True))
        | args(arrays(shape=(2, 3), distinct=True), dim=st.sampled_from([0, 1]), keepdim=KEEP),
        _both(min, max),
        "aminmax",
        exact=True,
    ),
    "_max_dim": Case(with_dim(KEEP, distinct=True), first_max, "max", exact=True),
    "_min_dim": Case(with_dim(KEEP, distinct=True), first_min, "min", exact=True),
    "max": Case(EXTREME, _extreme(first_max, np.greater), "max", exact=True),
    "min": Case(EXTREME, _extreme(first_min, np.less), "min", exact=True),
    "argmax": Case(ARG, _arg(first_max), None, grad=False),
    "argmin": Case(ARG, _arg(first_min), None, grad=False),
    "vector_norm": Case(NORM, _norms, "linalg.vector_norm"),
    "linalg_norm": Case(MATRIX, _matrix_norm, "linalg.norm"),
    "norm": Case(args(arrays(low=0.2)) | NORM, _norms, "norm"),
    "dist": Case(
        pair(low=0.2, distinct=True)
        | args(arrays(shape=(3,)), arrays(shape=(1,), low=3, high=4), 1),
        lambda a, b, p=2: _norm((a - b).ravel(), p),
        "dist",
    ),
}
