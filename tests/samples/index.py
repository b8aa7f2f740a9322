"""Samples of minigrad/ops/{index,gather}.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, broadcastable, integers

from ._draws import args, bools, fixed, of

BOX = arrays(shape=(3, 4))
CUBE = arrays(shape=(3, 4, 2))
ROWS, COLS = np.array([0, 2, 2, 1]), np.array([3, 0, 0, -1])
MASK = np.array([True, False, True])
INDICES = st.sampled_from(
    [ROWS, (ROWS, COLS), (slice(None), COLS), (0, COLS), (COLS % 3, slice(0, 2)), MASK, (MASK, 1),
     np.arange(12).reshape(3, 4) % 5 == 0, (ROWS, Ellipsis), (ROWS[:, None], COLS[None]),
     (None, ROWS), (slice(None, None, 2), ROWS), 1, (slice(None), slice(1, 3))]
)  # fmt: skip
PICKS = [((ROWS,), (4, 4, 2)), ((ROWS, COLS), (4, 2)), ((slice(None), COLS), (3, 4, 2)),
         ((ROWS, slice(None), np.array([0, 1, 1, 0])), (4, 4))]  # fmt: skip


def _linear(draw, oracle, torch=None, **options):
    return Case(draw, oracle, torch, linear=True, **options)


def _add_at(g, shape, index):
    y = np.zeros(shape)
    places = np.arange(y.size).reshape(shape)[index]
    for place, v in zip(places.ravel(), g.ravel()):
        y.flat[place] += v
    return y


def _put(x, value, index):
    y = x.copy()
    y[index] = value
    return y


def _index_put(x, indices, values, accumulate=False):
    if accumulate:
        picked = np.broadcast_to(values, x[tuple(indices)].shape)
        return x + _add_at(picked, x.shape, tuple(indices))
    return _put(x, values, tuple(indices))


def _gather(x, dim, index):
    y = np.empty(index.shape)
    for i in np.ndindex(index.shape):
        at = list(i)
        at[dim] = index[i]
        y[i] = x[tuple(at)]
    return y


def _scatter(x, dim, index, src, reduce=None):
    y = x.copy()
    for i in np.ndindex(index.shape):
        at = list(i)
        at[dim] = index[i]
        v = src[i] if isinstance(src, np.ndarray) else src
        y[tuple(at)] = y[tuple(at)] + v if reduce == "add" else v
    return y


def _slices(write):
    def f(x, dim, index, source, alpha=1):
        y = x.copy()
        view, given = np.moveaxis(y, dim, 0), np.moveaxis(np.asarray(source), dim, 0)
        for k, i in enumerate(index):
            view[i] = write(view[i], given[k] * alpha)
        return y

    return f


def _fill(x, dim, index, value):
    y = np.moveaxis(x.copy(), dim, 0)
    y[index] = value
    return np.moveaxis(y, 0, dim)


def _masked_scatter(x, mask, source):
    y, values = x.copy(), iter(source.ravel())
    mask = np.broadcast_to(mask, x.shape)
    for i in np.ndindex(x.shape):
        if mask[i]:
            y[i] = next(values)
    return y


def _torch(name):
    """torch's function; its gradient fails where src is larger than index."""

    def f(x, dim, index, src):
        if not isinstance(src, float):
            src = src[tuple(slice(n) for n in index.shape)]
        return getattr(x, name)(dim, index, src)

    return f


WITHIN = integers((2, 4), 0, 3)
DISTINCT = st.sampled_from([np.array([[0, 2, 1, 0]]), np.array([[0, 1, 2, 2], [1, 0, 0, 1]])])
LINE = integers((3,), 0, 4)
ONCE = integers((3,), 0, 4, distinct=True)
CONDITIONS = of(st.just((3, 4)), lambda s: (bools(s), arrays(shape=s), arrays(shape=s))) | of(
    broadcastable(2), lambda p: (bools((1,)), *p)
)  # fmt: skip
MASKED = args(BOX, bools((3, 4))) | args(BOX, bools((4,))) | args(BOX, bools((3, 1)))
ODD = fixed((np.array([[1.0, 0.0], [0.0, 2.0]]),), (np.array([0, 3]),), (np.array(2.0),))

CASES: dict[str, Case] = {
    "getitem": _linear(args(BOX, INDICES), lambda x, i: x[i], lambda x, i: x[i]),
    "_index": _linear(of(st.sampled_from(PICKS), lambda p: (CUBE, p[0])), lambda x, i: x[i]),
    "_index_grad": _linear(
        of(st.sampled_from(PICKS), lambda p: (arrays(shape=p[1]), (3, 4, 2), p[0])), _add_at
    ),
    "_put": _linear(
        args(BOX, arrays(shape=(4,)), st.sampled_from([MASK, np.array([2, 0]), 1]))
        | args(BOX, arrays(shape=(1, 2)), (slice(None), np.array([2, 0]))),
        _put,
    ),
    "index_put": _linear(
        args(BOX, (np.array([0, 2]),), arrays(shape=(4,)))
        | args(BOX, (ROWS, COLS), arrays(shape=(4,)), True),
        _index_put,
        "index_put",
    ),
    "_where": _linear(CONDITIONS, np.where, "where"),
    "where": Case(CONDITIONS | args(bools((2, 3)), arrays(shape=(3,)), 0.5), np.where, "where"),
    "nonzero": Case(ODD, np.argwhere, "nonzero", grad=False),
    "argwhere": Case(ODD, np.argwhere, "argwhere", grad=False),
    # along a dim
    "gather": _linear(
        args(BOX, 0, WITHIN) | args(BOX, -1, integers((3, 2), 0, 4)), _gather, "gather"
    ),
    "_scatter": _linear(args(BOX, 0, DISTINCT, BOX), _scatter, _torch("scatter")),
    "scatter": _linear(
        args(BOX, 0, DISTINCT, BOX)
        | args(BOX, 0, DISTINCT, 0.0)
        | args(BOX, 1, integers((3, 5), 0, 4), 0.0),
        _scatter,
        _torch("scatter"),
    ),
    "scatter_add": _linear(
        args(BOX, 0, WITHIN, BOX) | args(BOX, 1, integers((2, 4), 0, 4), BOX),
        lambda *a: _scatter(*a, reduce="add"),
        _torch("scatter_add"),
    ),
    "index_select": _linear(args(BOX, -1, LINE), lambda x, d, i: np.take(x, i, d), "index_select"),
    "index_add": _linear(
        args(BOX, 1, LINE, arrays(shape=(3, 3)), alpha=st.sampled_from([1, 2])),
        _slices(lambda a, b: a + b),
        "index_add",
    ),
    "index_copy": _linear(
        args(BOX, 1, ONCE, arrays(shape=(3, 3))), _slices(lambda a, b: b), "index_copy"
    ),
    "_index_fill": _linear(args(BOX, 1, LINE, arrays(shape=())), _fill, "index_fill"),
    "index_fill": _linear(
        args(BOX, 1, LINE, arrays(shape=())) | args(BOX, 0, np.array([1]), 0.0), _fill, "index_fill"
    ),
    # masks
    "masked_fill": _linear(
        of(MASKED, lambda m: (*m[0], 0.0)) | of(MASKED, lambda m: (*m[0], arrays(shape=()))),
        lambda x, m, v: np.where(m, v, x),
        "masked_fill",
    ),
    "masked_select": _linear(
        MASKED | args(arrays(shape=()), bools((2,))),
        lambda x, m: np.broadcast_arrays(x, m)[0][
            np.broadcast_to(m, np.broadcast_shapes(x.shape, m.shape))
        ],
        "masked_select",
    ),
    "_masked_scatter": _linear(
        args(BOX, bools((3, 4)), arrays(shape=(13,))), _masked_scatter, "masked_scatter"
    ),
    "masked_scatter": _linear(
        of(MASKED, lambda m: (*m[0], arrays(shape=(12,)))), _masked_scatter, "masked_scatter"
    ),
    "take": _linear(args(BOX, integers((2, 5), -12, 12)), lambda x, i: x.ravel()[i], "take"),
    "take_along_dim": _linear(
        args(BOX, integers((3, 5), 0, 4), 1)
        | args(BOX, integers((1, 2), 0, 4), 1)
        | args(BOX, integers((5,), 0, 12)),
        lambda x, i, d=None: np.take_along_axis(x if d is not None else x.ravel(), i, d or 0),
        "take_along_dim",
    ),
}
