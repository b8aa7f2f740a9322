"""Samples of minigrad/ops/{linalg,einsum}.py."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays

from ._draws import args

A = arrays


def _shapes(*cases):
    """Arrays of one of these lists of shapes."""
    return st.sampled_from(cases).flatmap(lambda c: args(*[A(shape=s) for s in c]))


def _matmul(a, b):
    left, right = a.ndim == 1, b.ndim == 1
    a, b = a[None] if left else a, b[:, None] if right else b
    y = (a[..., :, :, None] * b[..., None, :, :]).sum(-2)
    y = y[..., 0, :] if left else y
    return y[..., 0] if right else y


PRODUCTS = _shapes(
    [(3,), (3,)], [(2, 3), (3,)], [(3,), (3, 4)], [(2, 3), (3, 4)], [(5, 2, 3), (3, 4)],
    [(5, 2, 3), (5, 3, 4)], [(5, 1, 2, 3), (4, 3, 2)], [(3,), (5, 3, 4)], [(5, 2, 3), (3,)],
    [(2, 3), (5, 3, 4)], [(2, 0), (0, 3)],
)  # fmt: skip


def _einsum(equation, *operands):
    """Sum over every assignment of the labels, by loops (no ellipsis)."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:
        out = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    size = {c: n for t, x in zip(terms, operands) for c, n in zip(t, x.shape)}
    y = np.zeros([size[c] for c in out])
    for values in itertools.product(*[range(n) for n in size.values()]):
        at = dict(zip(size, values))
        p = 1.0
        for t, x in zip(terms, operands):
            p = p * x[tuple(at[c] for c in t)]
        y[tuple(at[c] for c in out)] += p
    return y


EQUATIONS = st.sampled_from(
    [
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
        ("ij,jk", (2, 3), (3, 2)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("ij->ji", (2, 3)),
        ("ij->", (2, 3)),
        ("i,j->ij", (2,), (3,)),
        ("ij,ij->", (2, 3), (2, 3)),
        ("bi,oij,bj->bo", (2, 3), (2, 3, 2), (2, 2)),
        ("ijk,kj->i", (2, 3, 2), (2, 3)),
        ("ij,k->ij", (2, 3), (3,)),
        ("iij,jk->ki", (2, 2, 3), (3, 2)),
        ("i,i,i->", (3,), (3,), (3,)),
        ("ba , bc -> ac", (2, 3), (2, 2)),
    ]
).flatmap(lambda e: args(e[0], *[A(shape=s) for s in e[1:]]))


def _cross(a, b, dim=None):
    d = next(i for i, n in enumerate(a.shape) if n == 3) if dim is None else dim
    return np.cross(a, b, axis=d)


def _bilinear(x, z, w, b=0.0):
    return np.einsum("...i,oij,...j->...o", x, w, z) + b


BETA = {"beta": st.sampled_from([1, 0.5]), "alpha": st.sampled_from([1, 2])}


def _two_dims(g, w):
    """A weight without its output dim, and the gradient that goes with it, with it."""
    return (g, w) if w.ndim == 2 else (g[..., None], w[None])


def _per_row(g, x, shape):
    """Σ over all rows of the outer products, row by row."""
    pairs = zip(g.reshape(-1, shape[0] if len(shape) == 2 else 1), x.reshape(-1, shape[-1]))
    return sum(np.outer(a, b) for a, b in pairs)


@st.composite
def _gradient_args(draw, with_input):
    """A gradient of linear's output, its input, and the shape of the parameter."""
    lead = draw(st.sampled_from([(), (4,), (2, 3)]))
    o, i = draw(st.sampled_from([((2,), 3), ((), 3), ((1,), 1)]))
    g = draw(A(shape=(*lead, *o)))
    return ((g, draw(A(shape=(*lead, i))), (*o, i)) if with_input else (g, o)), {}


CASES: dict[str, Case] = {
    "matmul": Case(PRODUCTS, _matmul, "matmul"),
    "mm": Case(_shapes([(2, 3), (3, 4)]), _matmul, "mm"),
    "bmm": Case(_shapes([(2, 2, 3), (2, 3, 4)]), _matmul, "bmm"),
    "mv": Case(_shapes([(2, 3), (3,)]), _matmul, "mv"),
    "dot": Case(
        _shapes([(3,), (3,)], [(0,), (0,)]), lambda a, b: sum(x * y for x, y in zip(a, b)), "dot"
    ),
    "inner": Case(_shapes([(2, 3), (4, 3)], [(3,), (3,)], [(), (2,)]), np.inner, "inner"),
    "outer": Case(
        _shapes([(2,), (3,)]), lambda a, b: np.array([[x * y for y in b] for x in a]), "outer"
    ),
    "addmm": Case(
        args(A(shape=(4,)), A(shape=(2, 3)), A(shape=(3, 4)), **BETA),
        lambda c, a, b, beta, alpha: beta * c + alpha * _matmul(a, b),
        "addmm",
    ),
    "addmv": Case(
        args(A(shape=(2,)), A(shape=(2, 3)), A(shape=(3,)), **BETA),
        lambda c, a, b, beta, alpha: beta * c + alpha * _matmul(a, b),
        "addmv",
    ),
    "baddbmm": Case(
        args(A(shape=(2, 4)), A(shape=(3, 2, 3)), A(shape=(3, 3, 4)), **BETA),
        lambda c, a, b, beta, alpha: beta * c + alpha * _matmul(a, b),
        "baddbmm",
    ),
    "addbmm": Case(
        args(A(shape=(2, 4)), A(shape=(3, 2, 3)), A(shape=(3, 3, 4)), **BETA),
        lambda c, a, b, beta, alpha: beta * c + alpha * _matmul(a, b).sum(0),
        "addbmm",
    ),
    "linear_input_grad": Case(
        _shapes([(4, 2), (2, 3)], [(2, 4, 2), (2, 3)], [(2,), (2, 3)], [(4,), (3,)]),
        lambda g, w: np.einsum("...o,oi->...i", *_two_dims(g, w)),
    ),
    "linear_weight_grad": Case(
        _gradient_args(True), lambda g, x, s: _per_row(g, x, s).reshape(s)
    ),
    "linear_bias_grad": Case(
        _gradient_args(False), lambda g, s: g.reshape(-1, *s).sum(0), linear=True
    ),
    "linear": Case(
        _shapes(
            [(2, 3), (4, 3), (4,)],
            [(3,), (4, 3), (4,)],
            [(2, 5, 3), (4, 3)],
            [(2, 3), (3,)],
            [(0, 3), (4, 3), (4,)],
        ),
        lambda x, w, b=0.0: _matmul(x, w.T) + b,
        "nn.functional.linear",
    ),
    "bilinear": Case(
        _shapes([(2, 3), (2, 2), (4, 3, 2), (4,)], [(3,), (2,), (4, 3, 2)]),
        _bilinear,
        "nn.functional.bilinear",
    ),
    "trace": Case(
        _shapes([(3, 3)], [(2, 4)]),
        lambda a: sum(a[i, i] for i in range(min(a.shape))),
        "trace",
        linear=True,
    ),
    "kron": Case(_shapes([(2, 3), (2, 2)], [(2,), (2, 3)]), np.kron, "kron"),
    "cross": Case(
        args(A(shape=(3, 4)), A(shape=(3, 4))) | args(A(shape=(2, 3)), A(shape=(2, 3)), 1),
        _cross,
        lambda a, b, dim=None: __import__("torch").linalg.cross(
            a, b, dim=0 if dim is None else dim
        ),
    ),
    "_contract": Case(
        args(
            A(shape=(2, 3, 4)),
            A(shape=(4, 2, 5)),
            st.sampled_from(
                [
                    (("b", "i", "k"), ("k", "b", "j"), ("j", "b", "i")),
                    (("b", "i", "k"), ("k", "b", "j"), ("k", "i", "j", "b")),
                ]
            ),
        ),
        lambda a, b, labels: np.einsum(
            f"{''.join(labels[0])},{''.join(labels[1])}->{''.join(labels[2])}", a, b
        ),
    ),
    "einsum": Case(EQUATIONS, _einsum, "einsum"),
    "tensordot": Case(
        args(A(shape=(2, 3, 4)), A(shape=(3, 4, 2)), 2)
        | args(A(shape=(2, 3)), A(shape=(4, 3)), ([1], [1]))
        | args(A(shape=(2,)), A(shape=(3,)), 0),
        np.tensordot,
        "tensordot",
    ),
}
