"""Normalisation and softmax kernels against their references and against central differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import jit, loss, norm
from minigrad.kernels.exponential import exp32, exp64

needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")

small = settings(max_examples=40, deadline=None)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 40))


def slope(f, x, direction, h=1e-6):
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)


@small
@given(sizes, st.booleans(), st.booleans(), st.sampled_from([4, 8]), st.integers(0, 2**32 - 1))
def test_batch_norm_matches_its_reference(shape, affine, relu, itemsize, seed):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(f"f{itemsize}")
    x, g = rng.normal(3, 2, size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    w, b = rng.normal(size=(2, shape[1])).astype(dtype) if affine else (None, None)
    eps = 256 * np.finfo(dtype).eps
    got = norm.batch_norm(x, 1e-3, w, b, relu)
    for fast, slow in zip(got, norm.batch_norm_reference(x, 1e-3, w, b, relu), strict=True):
        np.testing.assert_allclose(fast, slow, rtol=eps, atol=eps * 30)
        assert fast.dtype == dtype
    _, mean, var, rstd = got
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2), dtype=float), rtol=eps, atol=eps)
    np.testing.assert_allclose(var, x.var(axis=(0, 2), dtype=float), rtol=eps, atol=eps)
    np.testing.assert_allclose(
        norm.batch_norm_apply(x, mean, rstd, w, b, relu),
        norm.batch_norm_apply_reference(x, mean, rstd, w, b, relu),
        rtol=eps, atol=eps * 30,
    )  # fmt: skip
    clear = np.abs(norm.batch_norm_apply_reference(x, mean, rstd, w, b)) > 1e-3
    g = g * clear  # elsewhere the sign is a matter of rounding
    for fast, slow in zip(
        norm.batch_norm_grad(g, x, mean, rstd, w, b, relu),
        norm.batch_norm_grad_reference(g, x, mean, rstd, w, b, relu),
        strict=True,
    ):
        scale = np.abs(rstd).max() * (1 if w is None else np.abs(w).max()) + 1
        np.testing.assert_allclose(fast, slow, rtol=eps * 30, atol=eps * 30 * scale**2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@np.errstate(all="ignore")
def test_batch_norm_relu_is_relu_after_batch_norm_to_the_bit(dtype):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, 3, 5, 4099)).astype(dtype)
    x[:, 4] = np.round(x[:, 4])  # many results that are nearly or wholly 0
    x[0, 0, 0], x[1, 1, 1], g[2, 2, 2] = np.nan, np.inf, np.inf
    w, b = rng.normal(size=(2, 5)).astype(dtype)
    plain, *rest = norm.batch_norm(x, 1e-5, w, b)
    fused, *same = norm.batch_norm(x, 1e-5, w, b, True)
    np.testing.assert_array_equal(fused, np.maximum(plain, 0))
    for a, z in zip(rest, same, strict=True):
        np.testing.assert_array_equal(a, z)
    mean, _, rstd = rest
    masked = np.where(fused <= 0, dtype(0), g)
    for a, z in zip(
        norm.batch_norm_grad(g, x, mean, rstd, w, b, True),
        norm.batch_norm_grad(masked, x, mean, rstd, w),
        strict=True,
    ):
        np.testing.assert_array_equal(a, z)
    np.testing.assert_array_equal(
        norm.batch_norm_apply(x, mean, rstd, w, b, True),
        np.maximum(norm.batch_norm_apply(x, mean, rstd, w, b), 0),
    )


@pytest.mark.parametrize("first", [10_000, 9_990, 11_000, 0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_loses_no_digits_far_from_zero(dtype, first):
    x = (np.arange(4000).reshape(4, 10, 100) % 7 + 10_000).astype(dtype)
    x[:, :, 0] = first  # what others are compared with, at first
    _, mean, var, _ = norm.batch_norm(x, 1e-5, None, None)
    exact = x.astype(np.longdouble)
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 2)), rtol=1e-7)
    np.testing.assert_allclose(var, exact.var(axis=(0, 2)), rtol=1e-6)
    assert mean.dtype == var.dtype == dtype


def test_batch_norm_is_right_where_squares_overflow_at_first():
    x = np.ones((1, 2, 8192), np.float32)
    x[:, :, 1::2] = -1
    x[0, 0, 0] = x[0, 1, 1] = 1e18
    y, mean, var, _ = norm.batch_norm(x, 1e-5, None, None)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(var, exact.var(axis=(0, 2)), rtol=1e-5)
    assert (y != 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kept", [np.float32, np.float64])
@pytest.mark.parametrize("step,missing", [(1, None), (2, None), (1, 0), (1, 1)])
def test_running_statistics_move_towards_the_batch(dtype, kept, step, missing):
    rng = np.random.default_rng(1)
    x = rng.normal(2, 3, size=(5, 6, 7)).astype(dtype)
    before = rng.uniform(1, 2, size=(2, 6)).astype(kept)
    room = np.zeros((2, 6 * step), kept)
    room[:, ::step] = before
    running = tuple(None if k == missing else room[k, ::step] for k in range(2))
    _, mean, var, _ = norm.batch_norm(x, 1e-5, None, None, False, running, 0.3)
    batch = mean, var * (35 / 34)
    for k in range(2):
        expected = before[k] if k == missing else 0.7 * before[k] + 0.3 * batch[k]
        eps = max(np.finfo(dtype).eps, np.finfo(kept).eps)
        np.testing.assert_allclose(room[k, ::step], expected, rtol=4 * eps)
    assert step == 1 or (room[:, 1::2] == 0).all()


def test_batch_norm_grad_matches_central_differences():
    rng = np.random.default_rng(0)
    x, g, d = (rng.normal(size=(3, 2, 5)) for _ in range(3))
    w, b, dw = rng.normal(size=2), rng.normal(size=2), rng.normal(size=2)

    def value(x, w, b):
        return np.vdot(g, norm.batch_norm(x, 1e-5, w, b)[0])

    _, mean, _, rstd = norm.batch_norm(x, 1e-5, w, b)
    gx, gw, gb = norm.batch_norm_grad(g, x, mean, rstd, w)
    assert abs(slope(lambda x: value(x, w, b), x, d) - np.vdot(gx, d)) < 1e-7
    assert abs(slope(lambda w: value(x, w, b), w, dw) - gw @ dw) < 1e-7
    assert abs(slope(lambda b: value(x, w, b), b, dw) - gb @ dw) < 1e-7


@small
@given(st.integers(0, 6), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_row_norm_matches_its_reference(rows, length, seed):
    rng = np.random.default_rng(seed)
    x, g = rng.normal(2, 3, size=(rows, length)), rng.normal(size=(rows, length))
    results = norm.row_norm(x, 1e-5)
    for fast, slow in zip(results, norm.row_norm_reference(x, 1e-5), strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)
    _, mean, rstd = results
    np.testing.assert_allclose(
        norm.row_norm_grad(g, x, mean, rstd),
        norm.row_norm_grad_reference(g, x, mean, rstd),
        rtol=1e-7,
        atol=1e-7,
    )


def test_row_norm_grad_matches_central_differences():
    rng = np.random.default_rng(1)
    x, g, d = (rng.normal(size=(3, 7)) for _ in range(3))
    _, mean, rstd = norm.row_norm(x, 1e-5)
    numeric = slope(lambda x: np.vdot(g, norm.row_norm(x, 1e-5)[0]), x, d)
    assert abs(numeric - np.vdot(norm.row_norm_grad(g, x, mean, rstd), d)) < 1e-7


@pytest.mark.parametrize(
    "f,grad", [(loss.softmax, loss.softmax_grad), (loss.log_softmax, loss.log_softmax_grad)]
)
def test_softmax_grad_matches_central_differences(f, grad):
    rng = np.random.default_rng(2)
    x, g, d = (rng.normal(size=(4, 5)) for _ in range(3))
    numeric = slope(lambda x: np.vdot(g, f(x)), x, d)
    assert abs(numeric - np.vdot(grad(g, f(x)), d)) < 1e-8


@small
@given(
    st.integers(0, 5), st.integers(1, 50), st.sampled_from([4, 8]), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_compiled_losses_match_their_references(rows, columns, itemsize, seed):
    rng, dtype = np.random.default_rng(seed), np.dtype(f"f{itemsize}")
    x, g = rng.normal(0, 9, size=(2, rows, columns)).astype(dtype)
    classes = rng.integers(0, columns, rows)
    scale, target = (rng.random((2, rows)) * (rng.random(rows) < 0.8)).astype(dtype)
    y = loss.softmax(x)
    logy = loss.log_softmax(x)
    near = {"rtol": 64 * np.finfo(dtype).eps, "atol": 256 * np.finfo(dtype).eps}
    for fast, slow in (
        (y, loss.softmax_reference(x)),
        (logy, loss.log_softmax_reference(x)),
        (loss.softmax_grad(g, y), loss.softmax_grad_reference(g, y)),
        (loss.log_softmax_grad(g, logy), loss.log_softmax_grad_reference(g, logy)),
        (
            loss.cross_entropy(x, classes, scale),
            loss.cross_entropy_reference(x, classes, scale),
        ),
        (
            loss.cross_entropy_grad(x, classes, scale, target),
            loss.cross_entropy_grad_reference(x, classes, scale, target),
        ),
    ):
        np.testing.assert_allclose(fast, slow, **near)
        assert fast.dtype == dtype


@needs_jit
@pytest.mark.parametrize("exp,dtype", [(exp32, np.float32), (exp64, np.float64)])
def test_exp_errs_by_less_than_two_units_in_the_last_place(exp, dtype):
    low, high = np.log(np.finfo(dtype).tiny), np.log(np.finfo(dtype).max) - 0.4
    x = np.linspace(low + 0.1, high - 0.1, 4001).astype(dtype)
    exact = np.exp(x.astype(np.longdouble))
    got = np.array([exp(v) for v in x])
    assert (np.abs(got - exact) < 2 * np.spacing(exact.astype(dtype))).all()
    odd = [exp(dtype(v)) for v in (-np.inf, 2 * low, 0, 2 * high, np.inf, np.nan)]
    np.testing.assert_array_equal(odd, [0, 0, 1, np.inf, np.inf, np.nan])


def test_softmax_does_not_overflow_and_keeps_nan():
    x = np.array([[1000.0, 1000.0], [-1000.0, 0.0], [np.nan, 0.0], [-np.inf, 0.0]], np.float32)
    p = loss.softmax(x)
    np.testing.assert_array_equal(p[[0, 1, 3]], [[0.5, 0.5], [0.0, 1.0], [0.0, 1.0]])
    assert np.isnan(p[2]).all() and np.isnan(loss.softmax(np.full((1, 2), -np.inf))).all()
    np.testing.assert_allclose(loss.log_softmax(x)[1], [-1000, 0])
    assert loss.softmax(np.zeros((3, 0))).shape == (3, 0)
    assert loss.log_softmax(np.zeros((0, 3), np.float32)).dtype == np.float32


def test_sums_over_one_long_line_keep_their_digits():
    x = np.random.default_rng(0).normal(100, 1, size=(1, 1, 3_000_017)).astype(np.float32)
    g = np.full_like(x, 0.1)
    _, mean, var, rstd = norm.batch_norm(x, 1e-5, None, None)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(), rtol=1e-7)
    np.testing.assert_allclose(var, exact.var(), rtol=1e-5)
    gb = norm.batch_norm_grad(g, x, mean, rstd, None)[2]
    np.testing.assert_allclose(gb, g.astype(np.float64).sum(), rtol=1e-6)


@needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [(True, True, True), (False, False, False), (False, True, False)])
def test_folded_filters_match_the_reference(given, dtype):
    rng = np.random.default_rng(0)
    w, mean = rng.normal(size=(7, 3, 2, 2)).astype(dtype), rng.normal(size=7).astype(dtype)
    var = rng.uniform(0.1, 2, 7).astype(dtype)
    b, weight, shift = (rng.normal(size=7).astype(dtype) if there else None for there in given)
    fast = norm.batch_norm_fold(w, b, mean, var, 1e-3, weight, shift)
    slow = norm.batch_norm_fold_reference(w, b, mean, var, 1e-3, weight, shift)
    for got, expected in zip(fast, slow, strict=True):
        assert got.dtype == dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype is np.float32 else 1e-13)


@needs_jit
@pytest.mark.parametrize("shape", [(40, 70, 90), (3, 40, 9000), (1, 3, 300_001), (4096, 64, 1)])
def test_batch_norm_has_the_same_bits_on_any_number_of_threads(shape):
    rng = np.random.default_rng(0)
    x, g = rng.normal(3, 2, size=(2, *shape)).astype(np.float32)
    w, b = rng.normal(size=(2, shape[1])).astype(np.float32)
    before, bits = jit.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            jit.set_num_threads(threads)
            y, mean, var, rstd = norm.batch_norm(x, 1e-5, w, b, True)
            grads = norm.batch_norm_grad(g, x, mean, rstd, w, b, True)
            bits.append([a.tobytes() for a in (y, mean, var, rstd, *grads)])
    finally:
        jit.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2]
