"""Samples of minigrad/ops/compare.py."""

from __future__ import annotations

import operator

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, broadcastable, integers

from ._draws import args, bools, fixed, pair, rounded

ROUND = broadcastable(2).map(lambda p: (tuple(rounded(a) for a in p), {}))  # with ties
NUMBERS = args(arrays().map(rounded), st.sampled_from([-1, 0, 1.0]))
BITS = args(bools((2, 3)), bools((3,))) | args(integers((2, 3), 0, 200), integers((3,), -50, 50))
ODD = np.array([[0.0, -0.0, 1.5, np.nan], [np.inf, -np.inf, -2.0, 1e-9]])
NEAR = fixed((ODD, ODD), (ODD, ODD + 1e-6), (ODD, ODD * (1 + 1e-4)), (ODD, ODD[::-1].copy()))


def _compare(op, name):
    return Case(ROUND | NUMBERS, op, name, grad=False, exact=True)


def _logic(op, name):
    return Case(ROUND | args(bools((2, 3)), bools((3,))), op, name, grad=False, exact=True)


def _test(oracle, name):
    return Case(args(arrays()) | fixed((ODD,)), oracle, name, grad=False, exact=True)


def _isclose(a, b):
    with np.errstate(invalid="ignore"):
        return (a == b) | (np.isfinite(b) & (np.abs(a - b) <= 1e-8 + 1e-5 * np.abs(b)))


CASES: dict[str, Case] = {
    "eq": _compare(operator.eq, "eq"),
    "ne": _compare(operator.ne, "ne"),
    "lt": _compare(operator.lt, "lt"),
    "le": _compare(operator.le, "le"),
    "gt": _compare(operator.gt, "gt"),
    "ge": _compare(operator.ge, "ge"),
    "logical_and": _logic(lambda a, b: (a != 0) & (b != 0), "logical_and"),
    "logical_or": _logic(lambda a, b: (a != 0) | (b != 0), "logical_or"),
    "logical_xor": _logic(lambda a, b: (a != 0) ^ (b != 0), "logical_xor"),
    "logical_not": _test(lambda a: a == 0, "logical_not"),
    "bitwise_and": Case(BITS, operator.and_, "bitwise_and", grad=False, exact=True),
    "bitwise_or": Case(BITS, operator.or_, "bitwise_or", grad=False, exact=True),
    "bitwise_xor": Case(BITS, operator.xor, "bitwise_xor", grad=False, exact=True),
    "bitwise_not": Case(
        args(bools((2, 3))) | args(integers((4,), -9, 9)),
        operator.invert,
        "bitwise_not",
        grad=False,
        exact=True,
    ),
    "bitwise_left_shift": Case(
        args(integers((4,), -9, 9), integers((4,), 0, 5)),
        operator.lshift,
        "bitwise_left_shift",
        grad=False,
        exact=True,
    ),
    "bitwise_right_shift": Case(
        args(integers((4,), -99, 99), integers((4,), 0, 5)),
        operator.rshift,
        "bitwise_right_shift",
        grad=False,
        exact=True,
    ),
    "isnan": _test(lambda a: a != a, "isnan"),
    "isinf": _test(lambda a: np.abs(a) == np.inf, "isinf"),
    "isfinite": _test(lambda a: np.abs(a) < np.inf, "isfinite"),
    "isposinf": _test(lambda a: a == np.inf, "isposinf"),
    "isneginf": _test(lambda a: a == -np.inf, "isneginf"),
    "signbit": _test(lambda a: np.copysign(1, a) < 0, "signbit"),
    "isclose": Case(NEAR, _isclose, "isclose", grad=False, exact=True, dtypes=("float64",)),
    "allclose": Case(
        NEAR, lambda a, b: _isclose(a, b).all(), "allclose", grad=False, dtypes=("float64",)
    ),
    "equal": Case(
        NEAR | pair(), lambda a, b: a.shape == b.shape and (a == b).all(), "equal", grad=False
    ),
    "isin": Case(
        args(integers((3, 4), 0, 9), integers((3,), 0, 9)),
        lambda a, b: np.array([[v in b.tolist() for v in row] for row in a]),
        "isin",
        grad=False,
    ),
}
