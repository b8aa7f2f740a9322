"""Samples of minigrad/ops/dropout.py. What the masks are is tested in test_ops_neural.py."""

from __future__ import annotations

from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from ._draws import args, bools, of

P = st.sampled_from([0.0, 0.3, 1.0])


def _dropout(dims):
    shape = st.sampled_from(dims).flatmap(lambda n: st.tuples(*[st.integers(1, 3)] * n))
    return Case(args(arrays(shape=shape), P, True), random=True)


CASES = {
    "_masked": Case(
        of(arrays(), lambda x: (x, bools(x.shape), 1.25)), lambda x, m, s: x * m * s, linear=True
    ),
    "dropout": _dropout((0, 1, 3)),
    "dropout1d": _dropout((2, 3)),
    "dropout2d": _dropout((4,)),
    "dropout3d": _dropout((5,)),
    "alpha_dropout": _dropout((0, 1, 3)),
}
