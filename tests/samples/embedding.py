"""Samples of minigrad/ops/embedding.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, integers, shapes

from ._draws import args

ROWS = 4
NUMBERS = integers(shapes(max_dims=2), 0, ROWS)
TABLE = arrays(shape=st.tuples(st.just(ROWS), st.integers(1, 3)))
SKIP = st.sampled_from([-1, 0, 2])


def _rows(weight, input, padding_idx=-1):
    y = np.zeros((*input.shape, weight.shape[1]))
    for at in np.ndindex(*input.shape):
        y[at] = weight[input[at]]
    return y


def _add_rows(g, input, num_embeddings, padding_idx=-1):
    w = np.zeros((num_embeddings, g.shape[-1]))
    for at in np.ndindex(*input.shape):
        if input[at] != padding_idx:
            w[input[at]] += g[at]
    return w


@st.composite
def _gradients(draw):
    input = draw(NUMBERS)
    g = draw(arrays(shape=(*input.shape, draw(st.integers(1, 3)))))
    return (g, input, ROWS, draw(SKIP)), {}


CASES = {
    # with a padding_idx the gradient is not that of the value, on purpose
    "_embedding": Case(args(TABLE, NUMBERS), _rows, exact=True),
    "embedding_weight_grad": Case(_gradients(), _add_rows, linear=True),
    "embedding": Case(
        args(NUMBERS, TABLE), lambda i, w: _rows(w, i), "nn.functional.embedding", exact=True
    ),
    "one_hot": Case(
        args(NUMBERS, st.sampled_from([ROWS, 6])),
        lambda t, c: (t[..., None] == np.arange(c)).astype(np.int64),
        "nn.functional.one_hot",
        grad=False,
        exact=True,
    ),
}
