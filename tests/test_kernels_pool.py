"""Pooling kernels against nested loops, their references, and each other as adjoints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import jit, pool

needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
small = settings(max_examples=60, deadline=None)


@st.composite
def poolings(draw):
    """x, and (kernel, stride, padding, dilation, out_hw) with out_hw rounded down or up."""
    pair = lambda low, high: (draw(st.integers(low, high)), draw(st.integers(low, high)))  # noqa: E731
    k, stride, dilation, extra = pair(1, 4), pair(1, 3), pair(1, 3), pair(0, 12)
    padding = tuple(draw(st.integers(0, u // 2)) for u in k)
    ceil = draw(st.booleans())
    hw, out = [], []
    for u, t, p, d, e in zip(k, stride, padding, dilation, extra, strict=True):
        size = max(1, d * (u - 1) + 1 - 2 * p) + e
        o = (size + 2 * p - d * (u - 1) - 1 + (t - 1 if ceil else 0)) // t + 1
        if ceil and (o - 1) * t >= size + p:
            o -= 1
        hw.append(size)
        out.append(o)
    n, c = draw(st.integers(0, 3)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-4, 4, size=(n, c, *hw)).astype(float)  # ties, in nearly every window
    if draw(st.booleans()):
        x[rng.random(x.shape) < 0.1] = np.nan
    return x, (k, stride, padding, dilation, tuple(out))


def max_by_loops(x, k, stride, padding, dilation, out):
    y, idx = np.full((*x.shape[:2], *out), -np.inf), np.full((*x.shape[:2], *out), -1)
    h, w = x.shape[2:]
    for n, c, i, j in np.ndindex(*y.shape):
        for u, v in np.ndindex(*k):
            row = i * stride[0] + u * dilation[0] - padding[0]
            col = j * stride[1] + v * dilation[1] - padding[1]
            if 0 <= row < h and 0 <= col < w:
                value = x[n, c, row, col]
                if idx[n, c, i, j] < 0 or value > y[n, c, i, j] or np.isnan(value):
                    y[n, c, i, j], idx[n, c, i, j] = value, row * w + col
    return y, idx


def places(tap, x, how):
    return pool.places(tap, x.shape[3], *how[:4])


@small
@given(poolings())
def test_max_pool2d_matches_nested_loops(case):
    x, how = case
    y, tap = pool.max_pool2d(x, *how)
    expected, where = max_by_loops(x, *how)
    met = where >= 0  # a dilated window may lie in the padding altogether
    idx = places(tap, x, how)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(idx[met], where[met])
    np.testing.assert_array_equal(tap == how[0][0] * how[0][1], ~met)
    assert ((idx >= 0) & (idx < x.shape[2] * x.shape[3])).all()
    np.testing.assert_array_equal(pool.gather_plane(x, idx)[met], y[met])


@pytest.mark.parametrize("k,s,p", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)])
@pytest.mark.parametrize("hw", [(6, 8), (37, 71), (5, 5)])
def test_max_pool2d_of_wide_planes_matches_nested_loops(k, s, p, hw):
    """Rows that fill vectors, and rows that do not; ties, NaN and -inf among them."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 2, size=(2, 3, *hw)).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.3] = -np.inf
    out = tuple((size + 2 * p - k) // s + 1 for size in hw)
    how = ((k, k), (s, s), (p, p), (1, 1), out)
    y, tap = pool.max_pool2d(x, *how)
    assert tap.dtype == np.uint8
    for ours, loops in zip((y, places(tap, x, how)), max_by_loops(x, *how), strict=True):
        np.testing.assert_array_equal(ours, loops)


def test_max_pool2d_of_windows_beyond_a_byte_matches_slices():
    x = np.random.default_rng(0).normal(size=(1, 2, 20, 40))
    how = ((16, 16), (4, 8), (0, 0), (1, 1), (2, 4))
    y, tap = pool.max_pool2d(x, *how)
    assert tap.dtype == np.int32
    for i, j in np.ndindex(2, 4):
        part = x[:, :, 4 * i : 4 * i + 16, 8 * j : 8 * j + 16].reshape(1, 2, -1)
        np.testing.assert_array_equal(y[:, :, i, j], part.max(2))
        np.testing.assert_array_equal(tap[:, :, i, j], part.argmax(2))


@needs_jit
@small
@given(poolings(), st.booleans(), st.sampled_from([None, 3]), st.sampled_from([4, 8]))
def test_compiled_pooling_matches_its_reference(case, count_include_pad, divisor, itemsize):
    x, how = case
    (k, stride, padding, _, out), x = how, x.astype(f"f{itemsize}")
    y, tap = pool.max_pool2d(x, *how)
    for fast, slow in zip((y, tap), pool.max_pool2d_reference(x, *how), strict=True):
        np.testing.assert_array_equal(fast, slow)
        assert fast.dtype == slow.dtype
    x = np.nan_to_num(x)
    g = np.random.default_rng(0).integers(-9, 9, size=y.shape).astype(x.dtype)  # sums are exact
    where = tap, x.shape[2:], *how[:4]
    gx = pool.max_pool2d_input_grad(g, *where)
    np.testing.assert_array_equal(gx, pool.max_pool2d_input_grad_reference(g, *where))
    tables = pool._mean_tables(x.shape[2:], k, stride, padding, out, count_include_pad, divisor)
    y = pool._window_mean(x, tables)
    eps = np.finfo(x.dtype).eps
    np.testing.assert_allclose(y, pool.window_mean_reference(x, tables), atol=64 * eps)
    np.testing.assert_allclose(
        pool._window_spread(y, x.shape[2:], tables),
        pool.window_spread_reference(y, x.shape[2:], tables),
        atol=64 * eps,
    )


@small
@given(poolings(), st.booleans(), st.integers(0, 2**32 - 1))
def test_pooling_and_its_gradient_are_adjoint(case, count_include_pad, seed):
    x, (k, stride, padding, dilation, out) = case
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=x.shape), rng.normal(size=(*x.shape[:2], *out))
    hw = x.shape[2:]
    where = (k, stride, padding, dilation)
    _, tap = pool.max_pool2d(x, *where, out)
    idx = pool.places(tap, hw[1], *where)
    forward = np.vdot(pool.gather_plane(x, idx), g)
    np.testing.assert_allclose(np.vdot(pool.scatter_plane(g, idx, hw), x), forward, atol=1e-10)
    gx = pool.max_pool2d_input_grad(g, tap, hw, *where)
    alone = np.where(tap < k[0] * k[1], g, 0)  # a window without elements sends nothing
    np.testing.assert_allclose(gx, pool.scatter_plane(alone, idx, hw), atol=1e-10)
    out = tuple((s + 2 * p - u) // t + 1 for s, u, t, p in zip(hw, k, stride, padding, strict=True))
    how = (k, stride, padding)
    y = pool.avg_pool2d(x, *how, out, count_include_pad, None)
    g = rng.normal(size=y.shape)
    gx = pool.avg_pool2d_input_grad(g, hw, *how, count_include_pad, None)
    np.testing.assert_allclose(np.vdot(gx, x), np.vdot(y, g), atol=1e-10)


@small
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40))
def test_adaptive_pooling_matches_slices(oh, ow, h, w):
    x = np.random.default_rng(h * w).normal(size=(2, 3, h, w))
    mean, (top, idx) = pool.adaptive_avg_pool2d(x, (oh, ow)), pool.adaptive_max_pool2d(x, (oh, ow))
    for i, j in np.ndindex(oh, ow):
        rows = slice(i * h // oh, -(-(i + 1) * h // oh))
        cols = slice(j * w // ow, -(-(j + 1) * w // ow))
        part = x[:, :, rows, cols]
        np.testing.assert_allclose(mean[:, :, i, j], part.mean(axis=(2, 3)), atol=1e-13)
        np.testing.assert_array_equal(top[:, :, i, j], part.max(axis=(2, 3)))
    np.testing.assert_array_equal(pool.gather_plane(x, idx), top)
    g = np.random.default_rng(1).normal(size=mean.shape)
    gx = pool.adaptive_avg_pool2d_input_grad(g, (h, w))
    np.testing.assert_allclose(np.vdot(gx, x), np.vdot(mean, g), atol=1e-10)


def test_avg_pool2d_divides_by_what_pytorch_counts():
    """A ceil-mode window counts the padding it meets, but not what lies beyond the padding."""
    x = np.ones((1, 1, 4, 4))
    how = ((3, 3), (2, 2), (1, 1), (3, 3))
    with_pad = pool.avg_pool2d(x, *how, True, None)[0, 0]
    np.testing.assert_allclose(with_pad[0], [4 / 9, 6 / 9, 2 / 6])
    np.testing.assert_allclose(with_pad[2], [2 / 6, 3 / 6, 1 / 4])
    assert (pool.avg_pool2d(x, *how, False, None) == 1).all()
    assert pool.avg_pool2d(x, *how, True, 2)[0, 0, 1, 1] == 4.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pooling_keeps_dtype_and_accepts_no_images(dtype):
    x = np.zeros((0, 3, 4, 4), dtype)
    how = ((2, 2), (2, 2), (0, 0), (1, 1))
    y, tap = pool.max_pool2d(x, *how, (2, 2))
    assert (y.shape, y.dtype, tap.dtype) == ((0, 3, 2, 2), dtype, np.uint8)
    assert pool.max_pool2d_input_grad(y, tap, (4, 4), *how).shape == x.shape
    assert pool.scatter_plane(y, pool.places(tap, 4, *how), (4, 4)).shape == x.shape
    assert pool.adaptive_avg_pool2d(x, (1, 1)).dtype == dtype
    assert pool.adaptive_avg_pool2d(np.ones((1, 1, 3, 3), dtype), (0, 2)).shape == (1, 1, 0, 2)
