"""Kernels of pooling, normalisation, losses and element by element write their outputs alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import activation, elementwise, gemm, jit, loss, norm, pool

pytestmark = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
GUARD, SIDE = 77, 64


class Guarded:
    """NumPy, but what it makes without contents has guards around it, and NaN in it."""

    def __init__(self):
        self.made = []

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype=float):
        dtype = np.dtype(dtype)
        whole = np.full(int(np.prod(shape)) + 2 * SIDE, GUARD, dtype)
        whole[SIDE:-SIDE] = np.nan if dtype.kind == "f" else 99
        self.made.append(whole)
        return whole[SIDE:-SIDE].reshape(shape)

    def empty_like(self, x):
        return self.empty(x.shape, x.dtype)

    def check(self):
        assert self.made
        for whole in self.made:
            assert (whole[:SIDE] == GUARD).all() and (whole[-SIDE:] == GUARD).all()
            assert whole.dtype.kind != "f" or not np.isnan(whole).any()


def guarded(*modules):
    patch, guard = pytest.MonkeyPatch(), Guarded()
    for module in modules:
        patch.setattr(module, "np", guard)
    return SimpleNamespace(undo=patch.undo, check=guard.check)


@st.composite
def images(draw):
    size = st.one_of(st.integers(1, 9), st.sampled_from([15, 16, 17, 31, 33, 64, 65, 100]))
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(size), draw(size)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)


def run(modules, call):
    guard = guarded(*modules)
    try:
        call()
    finally:
        guard.undo()
    guard.check()


@settings(max_examples=40, deadline=None)
@given(images())
def test_normalisation_writes_its_outputs_alone(made):
    x, g = made
    if x[:, 0].size == 1:
        return
    w = np.ones(x.shape[1], x.dtype)
    rows = x.reshape(-1, x.shape[3])

    def call():
        for relu in (False, True):
            _, mean, _, rstd = norm.batch_norm(x, 1e-5, w, w, relu)
            norm.batch_norm_apply(x, mean, rstd, w, w, relu)
            norm.batch_norm_grad(g, x, mean, rstd, w, w, relu)
        _, mean, rstd = norm.row_norm(rows, 1e-5)
        norm.row_norm_grad(g.reshape(rows.shape), rows, mean, rstd)

    run([norm], call)


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2))
def test_pooling_writes_its_outputs_alone(made, size, stride, dilation):
    x, _ = made
    hw, pad = x.shape[2:], size // 2
    out = tuple((s + 2 * pad - dilation * (size - 1) - 1) // stride + 1 for s in hw)
    plain = tuple((s + 2 * pad - size) // stride + 1 for s in hw)
    two = lambda v: (v, v)  # noqa: E731

    def call():
        how = two(size), two(stride), two(pad)
        if min(out) > 0:
            y, tap = pool.max_pool2d(x, *how, two(dilation), out)
            pool.max_pool2d_input_grad(y, tap, hw, *how, two(dilation))
        if min(plain) > 0:
            y = pool.avg_pool2d(x, *how, plain, True, None)
            pool.avg_pool2d_input_grad(y, hw, *how, True, None)
        for parts in (1, size):
            y = pool.adaptive_avg_pool2d(x, two(parts))
            pool.adaptive_avg_pool2d_input_grad(y, hw)
            y, idx = pool.adaptive_max_pool2d(x, two(parts))
            pool.scatter_plane(pool.gather_plane(x, idx), idx, hw)

    run([pool], call)


@settings(max_examples=20, deadline=None)
@given(images())
def test_rows_and_elements_are_written_alone(made):
    x, g = made
    rows, cotangents = x.reshape(-1, x.shape[3]), g.reshape(-1, x.shape[3])
    classes, ones = np.zeros(len(rows), np.int64), np.ones(len(rows), x.dtype)
    big = np.resize(x, elementwise.BIG + x.size)

    def call():
        loss.softmax_grad(cotangents, loss.softmax(rows))
        loss.log_softmax_grad(cotangents, loss.log_softmax(rows))
        loss.cross_entropy(rows, classes, ones)
        loss.cross_entropy_grad(rows, classes, ones, ones)
        activation.passing(g, x, 0.0, 1.0)
        activation.relu(big)
        elementwise.apply(np.add, big, big)
        elementwise.apply(np.multiply, big, 3.0)
        gemm.matmul(np.resize(x, (50, 400)), np.resize(g, (44, 400)).T)
        gemm.matmul(np.resize(x, (90, 100)), np.resize(g, (100, 70)))

    run([loss, activation, elementwise, gemm], call)
