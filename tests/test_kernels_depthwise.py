"""Depthwise convolution kernels against the definition in NumPy, at the edges of their memory."""

import numpy as np
import pytest
from guards import guarded
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minigrad.kernels import conv, depthwise, jit

needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
small = settings(max_examples=80, deadline=None)


def layer(n, c, hw, k, stride, padding, dilation, seed=0):
    """Arrays x, w, b, g of a layer and (stride, padding, dilation, groups)."""
    out = [
        (s + 2 * p - d * (u - 1) - 1) // t + 1
        for s, u, t, p, d in zip(hw, k, stride, padding, dilation, strict=True)
    ]
    rng = np.random.default_rng(seed)
    shapes = (n, c, *hw), (c, 1, *k), (c,), (n, c, *out)
    return [rng.normal(size=shape) for shape in shapes], (stride, padding, dilation, c)


@st.composite
def layers(draw):
    """Odd, tiny and wide planes; windows that padding, stride and dilation tear apart."""
    pair = lambda values: (draw(values), draw(values))  # noqa: E731
    k, stride = pair(st.integers(1, 5)), pair(st.sampled_from([1, 1, 2, 2, 3, 7]))
    padding, dilation = pair(st.integers(0, 4)), pair(st.integers(1, 3))
    extra = draw(st.integers(0, 9)), draw(st.one_of(st.integers(0, 40), st.just(150)))
    hw = tuple(
        max(1, d * (u - 1) + 1 - 2 * p) + e
        for d, u, p, e in zip(dilation, k, padding, extra, strict=True)
    )
    return layer(draw(st.integers(0, 3)), draw(st.integers(1, 5)), hw, k, stride, padding, dilation)


TALL = layer(2, 3, (400, 33), (3, 3), (1, 1), (1, 1), (1, 1))  # several strips
TALL_STRIDED = layer(1, 2, (301, 150), (5, 5), (2, 2), (2, 2), (1, 1))


def all_three(x, w, b, g, how, algorithm="depthwise"):
    return (
        conv.conv2d(x, w, b, *how, algorithm=algorithm),
        conv.conv2d_input_grad(g, w, x.shape[2:], *how, algorithm=algorithm),
        conv.conv2d_weight_grad(g, x, w.shape[2:], *how, algorithm=algorithm),
    )


@needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@small
@given(layers())
@example(TALL)
@example(TALL_STRIDED)
def test_depthwise_matches_the_reference(dtype, made):
    """Each result within eps · (terms + 1) · the sum of its terms' magnitudes."""
    arrays, how = made
    arrays = [a.astype(dtype) for a in arrays]
    wide = [a.astype(np.float64) for a in arrays]
    exact = all_three(*wide, how, "reference")
    sizes = all_three(*(np.abs(a) for a in wide), how, "reference")
    x, w, _, g = arrays
    window = w.shape[2] * w.shape[3]
    terms = window + 1, window, x.shape[0] * g.shape[2] * g.shape[3]
    for fast, slow, size, count in zip(all_three(*arrays, how), exact, sizes, terms, strict=True):
        assert fast.dtype == dtype and fast.flags.carray and fast.shape == slow.shape
        assert (np.abs(fast - slow) <= np.finfo(dtype).eps * (count + 1) * size).all()


@needs_jit
@small
@given(layers())
@example(TALL)
@example(TALL_STRIDED)
def test_depthwise_stays_inside_its_scratch_and_its_outputs(made):
    """Neither writes past them, nor lets what it did not write reach a result."""
    arrays, how = made
    with guarded(depthwise, "empty"):
        results = all_three(*(a.astype(np.float32) for a in arrays), how)
    assert all(np.isfinite(r).all() for r in results)


@needs_jit
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("c,hw", [(2, (250, 251)), (40, (60, 61))])
def test_depthwise_has_the_same_bits_on_any_number_of_threads(c, hw, stride):
    arrays, how = layer(9, c, hw, (3, 3), (stride, stride), (1, 1), (1, 1))
    arrays = [a.astype(np.float32) for a in arrays]
    before, bits = jit.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            jit.set_num_threads(threads)
            bits.append([r.tobytes() for r in all_three(*arrays, how)])
    finally:
        jit.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2]


@needs_jit
def test_depthwise_keeps_nan_to_the_planes_that_have_it():
    (x, w, b, g), how = layer(2, 3, (300, 40), (3, 3), (1, 1), (1, 1), (1, 1))
    x[0, 1] = g[0, 1] = np.nan
    y, gx, gw = all_three(*(a.astype(np.float32) for a in (x, w, b, g)), how)
    assert np.isnan(y[0, 1]).all() and np.isnan(gx[0, 1]).all() and np.isnan(gw[1]).all()
    for result in (y, gx):
        result[0, 1] = 0
        assert np.isfinite(result).all()
    assert np.isfinite(gw[[0, 2]]).all()


def test_depthwise_takes_any_strides_and_leaves_its_inputs_alone():
    (x, w, b, g), how = layer(2, 4, (8, 7), (3, 3), (1, 1), (0, 0), (1, 1))
    strange = [np.asfortranarray(x), np.asfortranarray(w), b[::-1].copy()[::-1], g[..., ::-1]]
    strange[3] = np.ascontiguousarray(g[..., ::-1])[..., ::-1]
    twins = [a.copy() for a in strange]
    for odd, plain in zip(all_three(*strange, how, None), all_three(x, w, b, g, how, None)):
        np.testing.assert_array_equal(odd, plain)
    assert all((a == t).all() for a, t in zip(strange, twins, strict=True))


@needs_jit
@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (2, 0, 5, 5)])
def test_depthwise_of_nothing_is_nothing(shape):
    (x, w, b, g), how = layer(*shape[:2], shape[2:], (3, 3), (1, 1), (1, 1), (1, 1))
    how = (*how[:3], max(how[3], 1))
    y, gx, gw = all_three(x, w, b, g, how)
    assert y.shape == gx.shape == shape
    assert gw.shape == w.shape and (gw == 0).all()


def test_one_filter_for_each_channel_is_depthwise():
    how = (2, 2), (1, 1), (1, 1)

    def chosen(c, f, groups, dtype=np.float32, compiled=True):
        shapes = (4, c, 9, 9), (f, c // groups, 3, 3)
        return conv.choose("conv2d", *shapes, *how, groups, np.dtype(dtype), compiled)

    assert chosen(16, 16, 16) == chosen(16, 16, 16, np.float64) == "depthwise"
    assert chosen(16, 32, 16) != "depthwise" and chosen(16, 16, 8) != "depthwise"
    assert chosen(16, 16, 16, compiled=False) == "reference"
