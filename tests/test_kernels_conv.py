"""Convolution kernels against nested loops, their references, and each other as adjoints."""

import itertools
import sys

import numpy as np
import pytest
from guards import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad
from minigrad.kernels import blocked, conv, correlate, jit
from minigrad.kernels.conv_plan import forward_plan

OPS = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")
needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
small = settings(max_examples=60, deadline=None)


@st.composite
def layers(draw):
    """Arrays of one layer: x, w, b, g, and (stride, padding, dilation, groups)."""
    pair = lambda low, high: (draw(st.integers(low, high)), draw(st.integers(low, high)))  # noqa: E731
    groups, cg, fg = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
    k, stride, padding, dilation = pair(1, 4), pair(1, 3), pair(0, 3), pair(1, 3)
    extra = pair(0, 20)
    h, w = (
        max(1, d * (u - 1) + 1 - 2 * p) + e
        for d, u, p, e in zip(dilation, k, padding, extra, strict=True)
    )
    n = draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(n, groups * cg, h, w))
    weight = rng.normal(size=(groups * fg, cg, *k))
    b = rng.normal(size=groups * fg)
    out = [
        (s + 2 * p - d * (u - 1) - 1) // t + 1
        for s, u, t, p, d in zip((h, w), k, stride, padding, dilation, strict=True)
    ]
    g = rng.normal(size=(n, groups * fg, *out))
    return x, weight, b, g, (stride, padding, dilation, groups)


def close(a, b):
    scale = max(np.abs(b).max(initial=1.0), 1.0)
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * scale)


def all_three(x, w, b, g, layer, algorithm=None):
    return (
        conv.conv2d(x, w, b, *layer, algorithm=algorithm),
        conv.conv2d_input_grad(g, w, x.shape[2:], *layer, algorithm=algorithm),
        conv.conv2d_weight_grad(g, x, w.shape[2:], *layer, algorithm=algorithm),
    )


def nested_loops(x, w, b, stride, padding, dilation, groups):
    (n, _, h, wd), (f, cg, kh, kw) = x.shape, w.shape
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (wd + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, f, oh, ow))
    for i, o, r, s in np.ndindex(*y.shape):
        total = b[o]
        for ci, u, v in np.ndindex(cg, kh, kw):
            row = r * stride[0] + u * dilation[0] - padding[0]
            col = s * stride[1] + v * dilation[1] - padding[1]
            if 0 <= row < h and 0 <= col < wd:
                total += x[i, o // (f // groups) * cg + ci, row, col] * w[o, ci, u, v]
        y[i, o, r, s] = total
    return y


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (1, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d_matches_nested_loops(stride, dilation, groups):
    rng = np.random.default_rng(0)
    x, b = rng.normal(size=(2, 4, 6, 5)), rng.normal(size=6)
    w = rng.normal(size=(6, 4 // groups, 3, 2))
    layer = (stride, (1, 2), dilation, groups)
    close(conv.conv2d(x, w, b, *layer), nested_loops(x, w, b, *layer))
    close(conv.conv2d_reference(x, w, b, *layer), nested_loops(x, w, b, *layer))


@small
@given(layers())
def test_conv2d_and_its_gradients_are_adjoint(layer):
    x, w, _, g, how = layer
    y, gx, gw = all_three(x, w, None, g, how)
    assert (y.shape, gx.shape, gw.shape) == (g.shape, x.shape, w.shape)
    expected = np.vdot(y, g)
    scale = 1 + np.abs(y).ravel() @ np.abs(g).ravel()
    assert abs(np.vdot(gx, x) - expected) < 1e-12 * scale
    assert abs(np.vdot(gw, w) - expected) < 1e-12 * scale


@needs_jit
@small
@given(layers())
def test_compiled_conv2d_matches_its_reference(layer):
    x, w, b, g, how = layer
    for fast, slow in zip(
        all_three(x, w, b, g, how, "runs"), all_three(x, w, b, g, how, "reference"), strict=True
    ):
        close(fast, slow)
        assert fast.flags.carray


def check_float32(x, w, b, g, how, algorithm):
    """Within rounding: 4 times that of a sum of random signs, which pairs of sums stay below."""
    arrays = [a.astype(np.float32) for a in (x, w, b, g)]
    exact = all_three(*(a.astype(np.float64) for a in arrays), how, "reference")
    for fast, slow, terms in zip(all_three(*arrays, how, algorithm), exact, sums_of(x, w, g)):
        assert fast.dtype == np.float32 and fast.flags.carray
        tolerance = 4 * np.finfo(np.float32).eps * np.sqrt(terms) * np.abs(slow).max(initial=1)
        np.testing.assert_allclose(fast, slow, rtol=0, atol=tolerance)


def sums_of(x, w, g):
    """Terms of the longest sum in each of the three results."""
    f, c, kh, kw = w.shape
    return c * kh * kw, f * kh * kw, x.shape[0] * g.shape[2] * g.shape[3]


@st.composite
def deep_layers(draw):
    """As `layers`, with channels up to and above the length of a vector."""
    x, w, b, g, how = draw(layers())
    times = draw(st.sampled_from([1, 2, 4, 5, 9]))
    groups = how[3]
    rng = np.random.default_rng(0)
    wide = lambda a, axis: np.concatenate([a] * times, axis)  # noqa: E731
    w = rng.normal(size=(w.shape[0] * times, w.shape[1] * times, *w.shape[2:]))
    assert w.shape[0] % groups == 0
    return wide(x, 1), w, wide(b, 0), wide(g, 1), how


@needs_jit
@small
@given(deep_layers())
def test_blocked_conv2d_matches_the_reference(layer):
    check_float32(*layer, "blocked")


@needs_jit
@small
@given(deep_layers())
def test_blocked_conv2d_stays_inside_its_scratch_and_its_outputs(layer):
    x, w, b, g, how = layer
    with guarded(blocked, "empty", "zeros"):
        arrays = (a.astype(np.float32) for a in (x, w, b, g))
        results = all_three(*arrays, how, "blocked")
    assert all(np.isfinite(r).all() for r in results)


@needs_jit
@small
@given(layers())
def test_compiled_conv2d_stays_inside_its_scratch(layer):
    """Neither writes past its scratch, nor lets what it did not write reach a result."""
    x, w, b, g, how = layer
    with guarded(correlate):
        results = all_three(x, w, b, g, how, "runs")
    assert all(np.isfinite(r).all() for r in results)


REAL_LAYERS = [
    (1, 3, 150, 8, 7, 2, 3, 1),
    (5, 16, 32, 17, 3, 1, 1, 1),
    (3, 70, 9, 33, 3, 1, 1, 1),
    (2, 8, 40, 8, 3, 1, 1, 8),
    (40, 6, 14, 16, 5, 1, 0, 1),
    (4, 24, 15, 12, 1, 2, 0, 2),
    (2, 3, 33, 5, 3, 5, 0, 1),
    (2, 64, 56, 128, 3, 2, 1, 1),
    (1, 256, 14, 300, 1, 1, 0, 1),
]


@needs_jit
@pytest.mark.parametrize("algorithm", ["runs", "blocked"])
@pytest.mark.parametrize("n,c,h,f,k,stride,padding,groups", REAL_LAYERS)
def test_compiled_conv2d_matches_its_reference_on_real_layers(
    algorithm, n, c, h, f, k, stride, padding, groups
):
    rng = np.random.default_rng(1)
    out = (h + 2 * padding - k) // stride + 1
    shapes = ((n, c, h, h), (f, c // groups, k, k), (f,), (n, f, out, out))
    x, w, b, g = (rng.normal(size=shape) for shape in shapes)
    how = ((stride, stride), (padding, padding), (1, 1), groups)
    check_float32(x, w, b, g, how, algorithm)
    if algorithm == "runs":
        for fast, slow in zip(
            all_three(x, w, b, g, how, "runs"),
            all_three(x, w, b, g, how, "reference"),
            strict=True,
        ):
            close(fast, slow)


@needs_jit
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("algorithm", ["runs", "blocked"])
def test_conv2d_has_the_same_bits_on_any_number_of_threads(algorithm, stride):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(9, 8, 20, 20)).astype(np.float32)
    w, b = rng.normal(size=(12, 8, 3, 3)).astype(np.float32), np.ones(12, np.float32)
    g = rng.normal(size=(9, 12, 20 // stride, 20 // stride)).astype(np.float32)
    how = ((stride, stride), (1, 1), (1, 1), 1)
    before, bits = jit.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            jit.set_num_threads(threads)
            bits.append([r.tobytes() for r in all_three(x, w, b, g, how, algorithm)])
    finally:
        jit.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2]


@needs_jit
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_few_filters_leave_what_is_not_finite_to_the_windows_that_hold_it(bad):
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(2, 2, 9, 8)), rng.normal(size=(3, 2, 3, 3))
    b, g, how = rng.normal(size=3), rng.normal(size=(2, 3, 9, 8)), ((1, 1), (1, 1), (1, 1), 1)
    x[0, 1, 4, 3] = g[1, 2, 8, 2] = bad
    arrays = [a.astype(np.float32) for a in (x, w, b, g)]
    with np.errstate(invalid="ignore"):
        fast, slow = all_three(*arrays, how, "blocked"), all_three(x, w, b, g, how, "reference")
    for one, other in zip(fast, slow, strict=True):
        np.testing.assert_array_equal(np.isfinite(one), np.isfinite(other))
        assert not np.isfinite(one).all() and np.isfinite(one).any()


def test_a_bias_gradient_of_float16_keeps_its_digits():
    g = np.full((20000, 2, 2, 2), 0.01, np.float16)
    gb = conv.conv2d_bias_grad(g)
    assert gb.dtype == np.float16
    np.testing.assert_allclose(gb, 800.5, rtol=1e-3)


BOTH, SINGLE = (np.float32, np.float64), (np.float32,)
SERVED = [  # algorithm, images, filters, stride, groups, dtypes
    ("reference", (2, 3, 9, 11), (5, 3, 3, 3), 1, 1, BOTH),
    ("runs", (2, 3, 9, 11), (5, 3, 3, 3), 2, 1, BOTH),
    ("blocked", (2, 20, 9, 11), (35, 20, 3, 3), 1, 1, SINGLE),
    ("blocked", (2, 2, 9, 5), (3, 2, 3, 3), 2, 1, SINGLE),
    ("depthwise", (2, 3, 9, 40), (3, 1, 3, 3), 1, 3, BOTH),
    ("pointwise", (2, 3, 9, 11), (5, 3, 1, 1), 1, 1, BOTH),
    ("winograd", (2, 3, 9, 11), (5, 3, 3, 3), 1, 1, SINGLE),
    ("winograd", (1, 40, 4, 6), (40, 40, 3, 3), 1, 1, SINGLE),
]


@needs_jit
@pytest.mark.parametrize(
    "algorithm,images,filters,stride,groups,dtype",
    [(*layer, dtype) for *layer, dtypes in SERVED for dtype in dtypes],
)
def test_relu_in_the_same_pass_gives_what_it_gives_after_it(
    algorithm, images, filters, stride, groups, dtype
):
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=images).astype(dtype), rng.normal(size=filters).astype(dtype)
    b = rng.normal(size=len(w)).astype(dtype)
    x[0, 0, 1, 2] = np.nan
    padding = filters[2] // 2
    how = ((stride, stride), (padding, padding), (1, 1), groups, algorithm)
    after = np.maximum(conv.conv2d(x, w, b, *how), 0)
    assert np.isnan(after).any() and (after == 0).any() and (after > 0).any()
    np.testing.assert_array_equal(conv.conv2d(x, w, b, *how, relu=True), after)


def test_conv2d_takes_any_strides_and_leaves_its_inputs_alone():
    rng = np.random.default_rng(3)
    x, w, b = rng.normal(size=(2, 3, 8, 7)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    g, how = rng.normal(size=(2, 4, 6, 5)), ((1, 1), (0, 0), (1, 1), 1)
    strange = [np.asfortranarray(a) for a in (x, w, g)]
    strange[0].flags.writeable = False
    twins = [a.copy() for a in strange]
    for odd, plain in zip(
        all_three(strange[0], strange[1], b[::-1][::-1], strange[2], how),
        all_three(x, w, b, g, how),
        strict=True,
    ):
        np.testing.assert_array_equal(odd, plain)
    assert all((a == t).all() for a, t in zip(strange, twins, strict=True))


@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (2, 3, 5, 5)])
@pytest.mark.parametrize("f", [0, 2])
def test_conv2d_of_nothing_is_zero_or_bias(shape, f):
    x, w, b = np.ones(shape), np.zeros((f, 3, 3, 3)), np.full(f, 7.0)
    how = ((1, 1), (0, 0), (1, 1), 1)
    y, gx, gw = all_three(x, w, b, np.ones((shape[0], f, 3, 3)), how)
    assert y.shape == (shape[0], f, 3, 3) and (y == 7).all()
    assert gx.shape == shape and (gx == 0).all()
    assert gw.shape == w.shape and (gw == shape[0] * 9).all()


def test_conv2d_input_grad_leaves_rows_no_window_reaches_at_zero():
    """As output_padding of a transposed convolution asks: stride 3, one row and column more."""
    g, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    gx = conv.conv2d_input_grad(g, w, (6, 6), (3, 3), (0, 0), (1, 1), 1)
    assert (gx[0, 0, [2, 5]] == 0).all() and (gx[0, 0, :, [2, 5]] == 0).all()
    assert gx.sum() == 16


def test_conv2d_keeps_nan_to_the_windows_that_meet_it():
    x, w = np.zeros((1, 1, 9, 9)), np.ones((2, 1, 3, 3))
    x[0, 0, 4, 4] = np.nan
    y = conv.conv2d(x, w, None, (1, 1), (1, 1), (1, 1), 1)
    expected = np.zeros((9, 9), bool)
    expected[3:6, 3:6] = True
    assert (np.isnan(y) == expected).all()


def test_conv2d_algorithm_is_a_pure_function_and_can_be_forced():
    layer = ((1, 1), (1, 1), (1, 1), 1)
    for op, compiled, dtype in itertools.product(OPS, (False, True), (np.float32, np.float64)):
        name = conv.choose(op, (1, 1, 4, 4), (1, 1, 3, 3), *layer, np.dtype(dtype), compiled)
        assert name in conv.ALGORITHMS[op]
    x = np.ones((1, 1, 4, 4))
    y = conv.conv2d(x, x[:, :, :3, :3], None, (1, 1), (0, 0), (1, 1), 1, algorithm="reference")
    assert (y == 9).all()


def test_set_conv_algorithm_decides_for_what_winograd_serves():
    layer = ((1, 1), (1, 1), (1, 1), 1)

    def chosen(k=(3, 3), layer=layer, dtype=np.float32, c=16):
        w_shape = (c, c // layer[3], *k)
        return conv.choose("conv2d", (16, c, 64, 64), w_shape, *layer, np.dtype(dtype), True)

    assert conv.get_conv_algorithm() == "auto"
    assert chosen() == "winograd" and chosen(c=3) == "blocked"
    try:
        minigrad.set_conv_algorithm("direct")
        assert chosen() == "blocked"
        minigrad.set_conv_algorithm("winograd")
        assert chosen(c=3) == "winograd"
        assert chosen(dtype=np.float64) == "runs"
        assert chosen(k=(5, 5)) == "blocked"
        assert chosen(layer=((2, 2), (1, 1), (1, 1), 1)) == "blocked"
        assert chosen(layer=((1, 1), (3, 3), (1, 1), 1)) == "blocked"
        assert chosen(layer=((1, 1), (1, 1), (2, 4), 1)) == "winograd"
        assert chosen(layer=((1, 1), (1, 1), (1, 5), 1)) == "blocked"
        assert chosen(layer=((1, 1), (1, 1), (1, 1), 4), c=64) == "winograd"
        assert chosen(layer=((1, 1), (1, 1), (1, 1), 4), c=4 * 18) == "blocked"
    finally:
        minigrad.set_conv_algorithm("auto")
    with pytest.raises(ValueError, match=r"name must be 'auto', 'direct' or 'winograd'; got name"):
        minigrad.set_conv_algorithm("fft")


@pytest.mark.parametrize("algorithm", ["runs", "blocked", "depthwise", None])
def test_conv2d_weight_grad_of_fewer_outputs_than_would_fit(algorithm):
    """As output_padding of a transposed convolution asks, in its second derivative."""
    if algorithm is not None and not jit.jit_enabled():
        pytest.skip("the compiled kernels are off")
    groups = 24 if algorithm == "depthwise" else 1
    stride = (1, 1) if algorithm is None else (2, 2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 24, 21, 22)).astype(np.float32)
    out = (17, 19) if stride == (1, 1) else (9, 10)
    g = rng.normal(size=(2, 24, *out)).astype(np.float32)
    how = (stride, (1, 1), (1, 1), groups)
    got = conv.conv2d_weight_grad(g, x, (3, 3), *how, algorithm=algorithm)
    expected = conv.conv2d_weight_grad_reference(
        g.astype(np.float64), x.astype(np.float64), (3, 3), *how
    )
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-3)


@needs_jit
def test_conv2d_plan_does_not_depend_on_threads():
    layer = (8, 16, (32, 32), 16, (3, 3), (1, 1), (1, 1), (1, 1), 1, np.dtype(np.float32))
    plan = forward_plan(*layer)
    assert plan.chunks >= 8 and plan.chunks % 8 == 0
    assert "numba" in sys.modules


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_by_one_windows_of_fewer_outputs_than_would_fit(dtype):
    """Of a transposed layer with output_padding, which a dilation above 1 allows at stride 1."""
    rng = np.random.default_rng(0)
    g, w = (
        rng.normal(size=(2, 4, 15, 16)).astype(dtype),
        rng.normal(size=(4, 3, 1, 1)).astype(dtype),
    )
    how = ((1, 1), (0, 0), (2, 2), 1)
    got = conv.conv2d_input_grad(g, w, (16, 17), *how)
    slow = conv.conv2d_input_grad(g, w, (16, 17), *how, algorithm="reference")
    np.testing.assert_allclose(got, slow, atol=1e-5)
