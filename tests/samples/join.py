"""Samples of minigrad/ops/{join,rearrange}.py."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from ._draws import args, dims_of, of

ROW, BOX, CUBE = arrays(shape=(5,)), arrays(shape=(2, 5)), arrays(shape=(2, 3, 4))
ANY = arrays()
LINES = arrays(min_dims=1)


def _list(*strategies):
    return args(st.tuples(*strategies).map(list))


def _linear(draw, oracle, torch=None, **options):
    return Case(draw, oracle, torch, linear=True, exact=True, **options)


def _cut(bounds):
    """Pieces along a dim between the bounds that a setting gives."""

    def pieces(x, how, dim=0):
        n = x.shape[dim]
        return tuple(np.take(x, range(a, b), dim) for a, b in bounds(n, how))

    return pieces


def _by_size(n, size):
    if isinstance(size, (tuple, list)):
        ends = np.cumsum((0, *size)).tolist()
        return list(itertools.pairwise(ends))
    return [(a, min(a + size, n)) for a in range(0, n, size)]


def _by_number(n, k):
    if isinstance(k, (tuple, list)):
        ends = [0, *k, n]
        return [(min(a, n), max(min(a, n), min(b, n))) for a, b in itertools.pairwise(ends)]
    each = [n // k + (i < n % k) for i in range(k)]
    return _by_size(n, each)


def _rot(x, k=1, dims=(0, 1)):
    return np.rot90(x, k, dims)


def _deep(x):
    return x.reshape({0: (1, 1, 1), 1: (1, -1, 1), 2: (*x.shape, 1)}.get(x.ndim, x.shape))


SIZES = st.sampled_from([1, 2, 5, 7, (2, 3), (0, 4, 1)])
CHUNKS = st.integers(1, 7)
TIMES = st.sampled_from([0, 2, np.array([1, 0, 2])])

CASES: dict[str, Case] = {
    "cat": _linear(
        _list(arrays(shape=(2, 3)), arrays(shape=(1, 3)), arrays(shape=(0,)))
        | args(st.tuples(CUBE, arrays(shape=(2, 3, 1))).map(list), st.sampled_from([2, -1])),
        lambda xs, dim=0: np.concatenate([x for x in xs if x.shape != (0,)], dim),
        "cat",
    ),
    "stack": _linear(
        args(st.tuples(BOX, BOX, BOX).map(list), st.sampled_from([0, 1, -1]))
        | _list(arrays(shape=())),
        np.stack,
        "stack",
    ),
    "atleast_1d": _linear(args(ANY), np.atleast_1d, "atleast_1d"),
    "atleast_2d": _linear(args(ANY), np.atleast_2d, "atleast_2d"),
    "atleast_3d": _linear(args(ANY), _deep, "atleast_3d"),
    "hstack": _linear(
        _list(ROW, arrays(shape=(2,))) | _list(BOX, arrays(shape=(2, 1))), np.hstack, "hstack"
    ),
    "vstack": _linear(_list(ROW, ROW) | _list(BOX, arrays(shape=(1, 5))), np.vstack, "vstack"),
    "dstack": _linear(_list(ROW, ROW) | _list(BOX, BOX), np.dstack, "dstack"),
    "split_with_sizes": _linear(args(BOX, (2, 0, 3), -1), _cut(_by_size), "split_with_sizes"),
    "split": _linear(
        args(BOX, SIZES, st.sampled_from([1, -1])) | args(ROW, 2), _cut(_by_size), "split"
    ),
    "chunk": _linear(
        args(BOX, CHUNKS, 1) | args(ROW, 3), _cut(lambda n, k: _by_size(n, -(-n // k))), "chunk"
    ),
    "tensor_split": _linear(
        args(BOX, CHUNKS | st.sampled_from([(1, 3), (2, 9)]), 1), _cut(_by_number), "tensor_split"
    ),
    "hsplit": _linear(
        args(arrays(shape=(2, 6)), st.sampled_from([2, (1, 4)])),
        lambda x, how: _cut(_by_number)(x, how, 1),
        "hsplit",
    ),
    "vsplit": _linear(
        args(arrays(shape=(4, 3)), st.sampled_from([2, (1, 3)])),
        lambda x, how: _cut(_by_number)(x, how, 0),
        "vsplit",
    ),
    "unbind": _linear(
        of(LINES, lambda x: (x, st.integers(0, x.ndim - 1))),
        lambda x, d: tuple(np.moveaxis(x, d, 0)),
        "unbind",
    ),
    # rearranged
    "repeat": _linear(
        args(BOX, st.sampled_from([(2, 1), (3, 1, 2), (0, 2)])) | args(arrays(shape=()), (2,)),
        np.tile,
        lambda x, s: x.repeat(s),
    ),
    "tile": _linear(args(BOX, st.sampled_from([(2,), (2, 1), (3, 1, 2)])), np.tile, "tile"),
    "repeat_interleave": _linear(
        args(CUBE, TIMES, 1) | args(BOX, 2),
        lambda x, n, d=None: np.repeat(x, n, d),
        "repeat_interleave",
    ),
    "flip": _linear(
        of(
            LINES,
            lambda x: (
                x,
                dims_of(x.ndim).map(lambda d: (0,) if d is None or isinstance(d, int) else d),
            ),
        ),
        np.flip,
        "flip",
    ),
    "fliplr": _linear(args(arrays(min_dims=2)), lambda x: x[:, ::-1], "fliplr"),
    "flipud": _linear(args(LINES), lambda x: x[::-1], "flipud"),
    "roll": _linear(
        args(BOX, st.integers(-7, 7)) | args(BOX, (1, -2), (0, 1)) | args(BOX, 3, -1),
        np.roll,
        "roll",
    ),
    "rot90": _linear(
        args(CUBE, st.integers(-4, 5), st.sampled_from([(0, 1), (2, 0), (1, -1)])), _rot, "rot90"
    ),
    "meshgrid": _linear(
        args(ROW, arrays(shape=(2,)), arrays(shape=(3,)), indexing=st.sampled_from(["ij", "xy"])),
        lambda *xs, indexing: tuple(np.meshgrid(*xs, indexing=indexing)),
        "meshgrid",
    ),
}
