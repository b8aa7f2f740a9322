"""Samples of minigrad/ops/creation.py; they take sizes and numbers, and have no gradients."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, shapes

from ._draws import args, of

SIZE = args(shapes(max_dims=3, min_side=0))
RANGES = st.sampled_from(
    [(5,), (2, 7), (2, 9, 3), (5, 0, -2), (0,), (1.5,), (0, 1, 0.25), (-1.0, 1.0, 0.3), (2, 2)]
).flatmap(lambda a: args(*a))  # fmt: skip
LINES = args(st.sampled_from([-1.0, 0, 3]), st.sampled_from([2.0, 5, -4.0]), st.integers(0, 6))
PLACES = args(st.integers(0, 4), st.integers(0, 4), st.integers(-3, 3))


def _made(draw, oracle, torch):
    return Case(draw, oracle, torch, grad=False)


def _arange(start, end=None, step=1):
    start, end = (0, start) if end is None else (start, end)
    values = [start + step * i for i in range(math.ceil((end - start) / step))]
    whole = all(isinstance(v, int) for v in (start, end, step))
    return np.array(values, np.int64 if whole else np.float32)


def _spaced(a, b, n):
    return np.array([a + (b - a) * i / max(n - 1, 1) for i in range(n)])


def _triangle(keep):
    def f(row, col, offset=0):
        at = [(i, j) for i in range(row) for j in range(col) if keep(j - i, offset)]
        return np.array(at, np.int64).reshape(-1, 2).T

    return f


CASES: dict[str, Case] = {
    "zeros": _made(SIZE, lambda s: np.zeros(s, np.float32), "zeros"),
    "ones": _made(SIZE, lambda s: np.ones(s, np.float32), "ones"),
    "full": _made(
        of(shapes(), lambda s: (s, st.sampled_from([2.5, 7, True]))),
        lambda s, v: np.full(s, v, np.float32 if isinstance(v, float) else type(v)),
        "full",
    ),
    "zeros_like": _made(args(arrays()), lambda x: x * 0, "zeros_like"),
    "ones_like": _made(args(arrays()), lambda x: x * 0 + 1, "ones_like"),
    "full_like": _made(args(arrays(), 2.5), lambda x, v: x * 0 + v, "full_like"),
    "arange": _made(RANGES, _arange, "arange"),
    "linspace": _made(LINES, lambda *a: _spaced(*a).astype("f4"), None),
    "logspace": _made(LINES, lambda a, b, n: (10.0 ** _spaced(a, b, n)).astype("f4"), None),
    "eye": _made(
        args(st.integers(0, 4)) | args(3, st.integers(0, 4)),
        lambda n, m=None: np.array(
            [[float(i == j) for j in range(n if m is None else m)] for i in range(n)], np.float32
        ).reshape(n, n if m is None else m),
        "eye",
    ),
    "tril_indices": _made(PLACES, _triangle(lambda k, o: k <= o), "tril_indices"),
    "triu_indices": _made(PLACES, _triangle(lambda k, o: k >= o), "triu_indices"),
}
