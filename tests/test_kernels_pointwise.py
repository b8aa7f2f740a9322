"""1x1 convolution against its reference: odd sizes, both dtypes, guards, threads."""

import numpy as np
import pytest
from guards import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import conv, jit, pointwise, threads

pytestmark = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
LAYER = ((1, 1), (0, 0), (1, 1), 1)


@st.composite
def layers(draw):
    """x, w, b, g of images of at least two vectors, around whole tiles and spans."""
    dtype = np.dtype(draw(st.sampled_from([np.float32, np.float64])))
    tile = pointwise.pixels(dtype)
    pixels = draw(st.one_of(st.integers(tile, 5 * tile), st.sampled_from([tile, 7 * tile, 1500])))
    shape = draw(st.sampled_from([(1, pixels), (pixels, 1), (tile, -(-pixels // tile))]))
    n, c, k = draw(st.integers(1, 4)), draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = ((n, c, *shape), (k, c, 1, 1), (k,), (n, k, *shape))
    return [rng.normal(size=s).astype(dtype) for s in shapes]


def both(x, w, b, g, algorithm):
    return (
        conv.conv2d(x, w, b, *LAYER, algorithm=algorithm),
        conv.conv2d_input_grad(g, w, x.shape[2:], *LAYER, algorithm=algorithm),
    )


def check(x, w, b, g):
    exact = both(*(a.astype(np.float64) for a in (x, w, b, g)), "reference")
    terms = x.shape[1] + 1, w.shape[0]
    for fast, slow, count in zip(both(x, w, b, g, "pointwise"), exact, terms, strict=True):
        assert fast.dtype == x.dtype and fast.shape == slow.shape and fast.flags.carray
        bound = 4 * np.finfo(x.dtype).eps * count * max(1, np.abs(slow).max())
        np.testing.assert_allclose(fast, slow, rtol=0, atol=bound)


@settings(max_examples=80, deadline=None)
@given(layers())
def test_pointwise_matches_the_reference(layer):
    kept = [a.copy() for a in layer]
    check(*layer)
    for a, before in zip(layer, kept, strict=True):
        np.testing.assert_array_equal(a, before)


@settings(max_examples=30, deadline=None)
@given(layers())
def test_pointwise_stays_inside_its_scratch_and_its_outputs(layer):
    with guarded(pointwise, "empty"):
        results = both(*layer, "pointwise")
    assert all(np.isfinite(r).all() for r in results)


@pytest.mark.parametrize(
    "n,c,h,k", [(2, 64, 56, 64), (16, 256, 14, 100), (1, 512, 14, 9), (3, 1, 40, 1)]
)
def test_pointwise_matches_the_reference_on_real_layers_that_lie_in_any_order(n, c, h, k):
    rng = np.random.default_rng(n + c)
    shapes = ((h, h, c, n), (1, 1, c, k), (k,), (h, k, n, h))
    x, w, b, g = (rng.standard_normal(s, dtype=np.float32) for s in shapes)
    check(x.T, w.T, b, g.transpose(2, 1, 0, 3))


def test_pointwise_has_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(3, 20, 37, 29)), rng.normal(size=(30, 20, 1, 1))
    g, before, bits = rng.normal(size=(3, 30, 37, 29)), threads.get_num_threads(), set()
    try:
        for count in (1, 2, 4):
            threads.set_num_threads(count)
            bits.add(tuple(r.tobytes() for r in both(x, w, None, g, "pointwise")))
    finally:
        threads.set_num_threads(before)
    assert len(bits) == 1


def test_pointwise_is_chosen_for_what_it_serves():
    def chosen(op="conv2d", x=(2, 8, 16, 16), w=(4, 8, 1, 1), stride=(1, 1), padding=(0, 0), g=1):
        return conv.choose(op, x, w, stride, padding, (1, 1), g, np.dtype(np.float32), True)

    assert chosen() == chosen("conv2d_input_grad") == "pointwise"
    others = [
        chosen("conv2d_weight_grad"), chosen(x=(2, 8, 1, 5)), chosen(w=(4, 8, 3, 3)),
        chosen(stride=(2, 2)), chosen(padding=(1, 1)), chosen(w=(4, 4, 1, 1), g=2),
    ]  # fmt: skip
    assert "pointwise" not in others
