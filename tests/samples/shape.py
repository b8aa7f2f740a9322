"""Samples of minigrad/ops/{shape,section,convert}.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, one_of_dims, shapes

from ._draws import args, bools, fixed, of, with_dim

BOX = arrays(shape=(2, 3, 4))
ANY = arrays()
SMALL = arrays(shape=(2, 1, 3, 1))
MATRICES = arrays(min_dims=2)


def _linear(draw, oracle, torch=None, **options):
    return Case(draw, oracle, torch, linear=True, exact=True, **options)


def _flatten(x, start=0, end=-1):
    n = max(x.ndim, 1)
    a, b = start % n, end % n
    return x.reshape((*x.shape[:a], -1, *x.shape[b + 1 :])) if x.ndim else x.reshape(1)


def _squeeze(x, dim=None):
    if dim is None:
        return x.squeeze()
    dims = [d % x.ndim for d in np.atleast_1d(dim)]
    return x.reshape([n for i, n in enumerate(x.shape) if n != 1 or i not in dims])


def _size(x, *size):
    return np.broadcast_to(x, size[0])


def _sum_to(x, *size):
    y = np.zeros(size)
    for i in np.ndindex(x.shape):
        tail = i[len(i) - len(size) :]
        y[tuple(0 if n == 1 else k for k, n in zip(tail, size))] += x[i]
    return y


def _expandable(then):
    return of(
        shapes(), lambda s: (arrays(shape=tuple(1 if i % 2 else n for i, n in enumerate(s))), s)
    ).map(then)


def _embed(x, offset=0, dim1=-2, dim2=-1):
    n = x.shape[-1] + abs(offset)
    y = np.zeros((*x.shape[:-1], n, n))
    for i in range(x.shape[-1]):
        y[..., i + max(0, -offset), i + max(0, offset)] = x[..., i]
    return np.moveaxis(y, (-2, -1), (dim1, dim2))


def _triangle(keep):
    def f(x, diagonal=0):
        i, j = np.indices(x.shape[-2:])
        return np.where(keep(j - i, diagonal), x, 0)

    return f


def _strided(x, size, stride, offset=0):
    flat = x.ravel()
    y = np.empty(size)
    for i in np.ndindex(*size):
        y[i] = flat[offset + sum(k * s for k, s in zip(i, stride))]
    return y


def _strided_scatter(x, src, size, stride, offset=0):
    y = x.copy().ravel()
    for i in np.ndindex(*size):
        y[offset + sum(k * s for k, s in zip(i, stride))] = src[i]
    return y.reshape(x.shape)


def _strided_sum(g, shape, size, stride, offset=0):
    y = np.zeros(shape).ravel()
    for i in np.ndindex(*size):
        y[offset + sum(k * s for k, s in zip(i, stride))] += g[i]
    return y.reshape(shape)


def _at(g, shape, index):
    y = np.zeros(shape)
    y[index] = g
    return y


def _on_diagonal(g, shape, offset, dim1, dim2):
    y = np.zeros(shape)
    view = np.moveaxis(y, (dim1, dim2), (-2, -1))
    for i in range(g.shape[-1]):
        view[..., i + max(0, -offset), i + max(0, offset)] = g[..., i]
    return y


INDEX = st.sampled_from(
    [0, -1, slice(None), slice(0, 1), (slice(None), 1), (Ellipsis, None, 0), (0, slice(1, None), 2),
     (slice(None, None, 2), None, slice(None, None, -1)), (1, 2, 3), None, Ellipsis, ()]
)  # fmt: skip
OFFSETS = st.integers(-2, 2)
DIAGONALS = args(BOX, OFFSETS, st.sampled_from([0, 1]), st.sampled_from([2, -1])) | args(MATRICES)
REGIONS = [
    ((2, 2), (1, 2), 0),
    ((3,), (5,), 1),
    ((2, 3), (0, 1), 4),
    ((), (), 3),
    ((0, 2), (1, 1), 0),
]
APART = [((2, 2), (3, 1), 2), ((3,), (5,), 1), ((), (), 3)]

CASES: dict[str, Case] = {
    "reshape": _linear(
        args(BOX, st.sampled_from([(24,), (4, -1), (2, 3, 4), (-1, 1, 8)]))
        | args(arrays(shape=()), (1, 1)),
        lambda x, s: x.reshape(s),
        "reshape",
    ),
    "view": _linear(
        of(ANY, lambda x: (x, st.sampled_from([x.shape, (*x.shape, 1), (1, *x.shape)]))),
        lambda x, s: x.reshape(s),
        lambda x, s: x.view(s),
    ),
    "view_as": _linear(
        of(ANY, lambda x: (x, np.zeros((1, *x.shape), np.int64))),
        lambda x, o: x.reshape(o.shape),
        lambda x, o: x.view_as(o),
    ),
    "reshape_as": _linear(
        args(BOX, np.zeros((4, 6), np.int64)),
        lambda x, o: x.reshape(o.shape),
        lambda x, o: x.reshape_as(o),
    ),
    "flatten": _linear(
        args(ANY) | args(BOX, st.sampled_from([0, 1, -2]), st.sampled_from([-1, -2, 1])),
        _flatten,
        "flatten",
    ),
    "ravel": _linear(args(ANY), lambda x: x.reshape(-1), "ravel"),
    "unflatten": _linear(
        args(BOX, 2, st.sampled_from([(2, 2), (-1, 2), (1, 4, 1)])),
        lambda x, d, s: x.reshape((2, 3, *[4 // 2 if n == -1 else n for n in s])),
        "unflatten",
    ),
    "squeeze": _linear(
        args(SMALL, st.sampled_from([1, -1, 0, (1, 3), (0, 1)])) | args(SMALL), _squeeze, "squeeze"
    ),
    "unsqueeze": _linear(
        of(ANY, lambda x: (x, one_of_dims(x.ndim + 1))), np.expand_dims, "unsqueeze"
    ),
    "permute": _linear(
        of(ANY, lambda x: (x, st.permutations(range(x.ndim)).map(tuple))), np.transpose, "permute"
    ),
    "transpose": _linear(
        of(arrays(min_dims=1), lambda x: (x, one_of_dims(x.ndim), one_of_dims(x.ndim))),
        np.swapaxes,
        "transpose",
    ),
    "t": _linear(args(arrays(max_dims=2)), lambda x: x.T, "t"),
    "movedim": _linear(
        args(BOX, st.sampled_from([(0, 1), (2, 0), (-1, 1)]), st.sampled_from([(1, 2), (-1, 0)]))
        | args(BOX, 0, 2),
        np.moveaxis,
        "movedim",
    ),
    "adjoint": _linear(args(MATRICES), lambda x: np.swapaxes(x, -1, -2), "adjoint"),
    "expand": _linear(_expandable(lambda a: a), _size, lambda x, s: x.expand(s)),
    "expand_as": _linear(
        _expandable(lambda a: ((a[0][0], np.zeros(a[0][1], np.int64)), {})),
        lambda x, o: np.broadcast_to(x, o.shape),
        lambda x, o: x.expand_as(o),
    ),
    "broadcast_to": _linear(_expandable(lambda a: a), _size, "broadcast_to"),
    "broadcast_tensors": _linear(
        args(arrays(shape=(3, 1)), arrays(shape=(4,))),
        lambda *xs: tuple(np.broadcast_arrays(*xs)),
        "broadcast_tensors",
    ),
    "sum_to_size": Case(
        args(BOX, 3, 1) | args(BOX, 1, 3, 4) | args(BOX, 4),
        _sum_to,
        lambda x, *s: x.sum_to_size(*s),
        linear=True,
    ),
    # sections
    "_slice": _linear(args(BOX, INDEX), lambda x, i: x[i]),
    "_slice_grad": _linear(
        of(st.tuples(BOX, INDEX), lambda t: (np.array(t[0][t[1]]), (2, 3, 4), t[1])), _at
    ),
    "select": _linear(
        args(BOX, 1, st.integers(-3, 2)) | with_dim(0), lambda x, d, i: np.take(x, i, d), "select"
    ),
    "narrow": _linear(
        args(
            BOX, st.sampled_from([1, -1]), st.sampled_from([0, 1, -2]), st.sampled_from([0, 1, 2])
        ),
        lambda x, d, a, n: np.take(x, np.arange(a % x.shape[d], a % x.shape[d] + n), d),
        "narrow",
    ),
    "diagonal": _linear(DIAGONALS, lambda x, *s: np.diagonal(x, *s), "diagonal"),
    "_diagonal_grad": _linear(
        of(
            st.tuples(BOX, OFFSETS),
            lambda t: (np.diagonal(t[0], t[1], 0, 2).copy(), (2, 3, 4), t[1], 0, 2),
        ),
        _on_diagonal,
    ),
    "diag_embed": _linear(
        args(arrays(min_dims=1, max_dims=2), OFFSETS)
        | args(arrays(shape=(2, 3)), 1, 0, 2)
        | args(arrays(shape=(2, 3)), 1, 2, 0),
        _embed,
        "diag_embed",
    ),
    "diag": _linear(args(arrays(min_dims=1, max_dims=2), OFFSETS), np.diag, "diag"),
    "tril": _linear(args(MATRICES, OFFSETS), _triangle(lambda k, d: k <= d), "tril"),
    "triu": _linear(args(MATRICES, OFFSETS), _triangle(lambda k, d: k >= d), "triu"),
    "as_strided": _linear(
        of(st.sampled_from(REGIONS), lambda r: (arrays(shape=(3, 4)), *r)), _strided
    ),
    "_as_strided_grad": Case(
        of(st.sampled_from(REGIONS), lambda r: (arrays(shape=r[0]), (3, 4), *r)),
        _strided_sum,
        linear=True,
    ),
    "as_strided_scatter": _linear(
        of(st.sampled_from(APART), lambda r: (arrays(shape=(3, 4)), arrays(shape=r[0]), *r)),
        _strided_scatter,
    ),  # torch 2.13 has a wrong gradient
    # conversions
    "_to_copy": Case(
        args(ANY, np.dtype("float64")), lambda x, d: x, linear=True, dtypes=("float64",)
    ),
    "clone": _linear(args(ANY), lambda x: x, "clone"),
    "contiguous": _linear(args(ANY), lambda x: x, lambda x: x.contiguous()),
    "to": Case(
        args(bools((3,)), np.dtype("float32")) | args(ANY, copy=True),
        lambda x, *_, copy=False: x.astype(np.float64),
    ),
    "type_as": Case(
        fixed((np.array([1, 2]), np.array([1.0])), (np.array([1.0, 2.5]), np.array([1.0]))),
        lambda x, o: x.astype(o.dtype),
        lambda x, o: x.type_as(o),
        constants=(1,),
    ),
}
