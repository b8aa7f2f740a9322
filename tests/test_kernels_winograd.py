"""Winograd convolution against its formulas' definition, nested sums in float64, and its bounds."""

import os
import subprocess
import sys

import numpy as np
import pytest
from guards import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import conv, jit, winograd, winograd_simd
from minigrad.kernels.simd import lanes

needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
EPS = np.finfo(np.float32).eps

# What rounding may cost, in units of eps times the scale that `bound` computes. The transforms
# amplify by at most |Aᵀ|·|Bᵀ| in each axis; random signs make it far less. Measured over 10 000
# drawn layers: at most 6.
GROWTH = 32


def one_axis(formula, size):
    """The matrix of a formula, from its values on the unit vectors."""
    return np.array(formula(list(np.eye(size)))).T.reshape(size, -1).T


def test_winograd_formulas_correlate_four_outputs_with_three_taps():
    rng = np.random.default_rng(0)
    d, w = rng.normal(size=6), rng.normal(size=3)
    at, g, bt = (
        one_axis(f, n)
        for f, n in (
            (winograd_simd.output_values, 6),
            (winograd_simd.filter_points, 3),
            (winograd_simd.input_points, 6),
        )
    )
    expected = [d[i : i + 3] @ w for i in range(4)]
    np.testing.assert_allclose(at @ ((g @ w) * (bt @ d)), expected, atol=1e-13)


def test_winograd_adjoint_formulas_are_transposes():
    for formula, adjoint, size, other in (
        (winograd_simd.output_values, winograd_simd.cotangent_points, 6, 4),
        (winograd_simd.filter_points, winograd_simd.filter_cotangent, 3, 6),
    ):
        np.testing.assert_allclose(one_axis(formula, size), one_axis(adjoint, other).T)


def test_winograd_tiles_apply_a_formula_along_both_axes():
    tile = np.random.default_rng(1).normal(size=(6, 6))
    matrix = one_axis(winograd_simd.input_points, 6)
    got = np.array(winograd_simd.along_both(winograd_simd.input_points, tile.tolist()))
    np.testing.assert_allclose(got, matrix @ tile @ matrix.T, atol=1e-13)


@st.composite
def layers(draw):
    """x, w, b, g in float32 and the settings, of sizes around vectors, tiles and blocks."""
    size = st.one_of(st.integers(1, 9), st.integers(10, 40))
    channels = st.one_of(st.integers(1, 5), st.integers(6, 70))
    n, c, k, groups = draw(st.integers(1, 3)), draw(channels), draw(channels), 1
    if draw(st.booleans()):
        groups, wide = draw(st.integers(2, 4)), lanes(np.dtype(np.float32))
        c, k = (wide * -(-m // (wide * 2)) for m in (c, k))
    dilation = tuple(draw(st.one_of(st.just(1), st.integers(1, 4))) for _ in range(2))
    padding = tuple(draw(st.integers(0, 2 * d)) for d in dilation)
    h, w = (max(draw(size), 2 * d + 1 - 2 * p) for d, p in zip(dilation, padding))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    out = conv.out_hw((h, w), (3, 3), (1, 1), padding, dilation)
    shapes = ((n, groups * c, h, w), (groups * k, c, 3, 3), (groups * k,), (n, groups * k, *out))
    arrays = (rng.standard_normal(s, dtype=np.float32) for s in shapes)
    return *arrays, padding, dilation, groups


def three(x, w, b, g, padding, algorithm, dilation=(1, 1), groups=1):
    how = ((1, 1), padding, dilation, groups)
    return (
        conv.conv2d(x, w, b, *how, algorithm=algorithm),
        conv.conv2d_input_grad(g, w, x.shape[2:], *how, algorithm=algorithm),
        conv.conv2d_weight_grad(g, x, (3, 3), *how, algorithm=algorithm),
    )


def check(x, w, b, g, padding, dilation=(1, 1), groups=1):
    how = dilation, groups
    exact = three(*(a.astype(np.float64) for a in (x, w, b, g)), padding, "reference", *how)
    results = three(x, w, b, g, padding, "winograd", *how)
    sums = 9 * w.shape[1], 9 * w.shape[0] // groups, g.size // w.shape[0]
    for fast, slow, terms in zip(results, exact, sums, strict=True):
        assert fast.dtype == np.float32 and fast.shape == slow.shape and fast.flags.carray
        bound = GROWTH * EPS * np.sqrt(terms) * max(1, np.abs(slow).max())
        np.testing.assert_allclose(fast, slow, rtol=0, atol=bound)


@needs_jit
@settings(max_examples=80, deadline=None)
@given(layers())
def test_winograd_matches_the_reference(layer):
    check(*layer)


@needs_jit
@pytest.mark.parametrize(
    "n,c,h,w,k",
    [
        (5, 16, 32, 32, 16), (2, 64, 56, 56, 64), (1, 3, 224, 224, 16), (2, 300, 7, 7, 270),
        (1, 512, 7, 7, 512), (3, 130, 14, 15, 200), (1, 256, 14, 14, 256), (40, 32, 5, 3, 33),
    ],
)  # fmt: skip
def test_winograd_matches_the_reference_on_real_layers(n, c, h, w, k):
    rng = np.random.default_rng(n + c + h + w + k)
    shapes = ((n, c, h, w), (k, c, 3, 3), (k,), (n, k, h, w))
    check(*(rng.standard_normal(s, dtype=np.float32) for s in shapes), (1, 1))


@needs_jit
@settings(max_examples=40, deadline=None)
@given(layers())
def test_winograd_stays_inside_its_scratch_and_its_outputs(layer):
    """Guards around every array that it writes; what it did not write reaches no result."""
    x, w, b, g, padding, *how = layer
    with guarded(winograd, "empty") as made:
        results = three(x, w, b, g, padding, "winograd", *how)
    assert len(made) >= 6
    assert all(np.isfinite(r).all() for r in results)


@needs_jit
@pytest.mark.parametrize("c,k", [(8, 12), (272, 260)])
def test_winograd_has_the_same_bits_on_any_number_of_threads(c, k):
    rng = np.random.default_rng(2)
    x, g = (rng.standard_normal((9, m, 12, 12), dtype=np.float32) for m in (c, k))
    w, b = rng.standard_normal((k, c, 3, 3), dtype=np.float32), np.ones(k, np.float32)
    before, bits = jit.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            jit.set_num_threads(threads)
            bits.append([r.tobytes() for r in three(x, w, b, g, (1, 1), "winograd")])
    finally:
        jit.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2]


@needs_jit
def test_winograd_takes_any_strides_and_leaves_its_inputs_alone():
    rng = np.random.default_rng(3)
    shapes = ((2, 18, 8, 7), (20, 18, 3, 3), (20,), (2, 20, 8, 7))
    plain = [rng.standard_normal(s, dtype=np.float32) for s in shapes]
    strange = [np.asfortranarray(a) for a in plain]
    strange[0].flags.writeable = False
    for odd, even in zip(
        three(*strange, (1, 1), "winograd"), three(*plain, (1, 1), "winograd"), strict=True
    ):
        np.testing.assert_array_equal(odd, even)
    assert all((a == b).all() for a, b in zip(strange, plain, strict=True))


@needs_jit
def test_winograd_of_nothing_is_empty_or_zero():
    x, w = np.ones((0, 16, 5, 5), np.float32), np.ones((16, 16, 3, 3), np.float32)
    y, gx, gw = three(x, w, None, x, (1, 1), "winograd")
    assert y.shape == gx.shape == x.shape
    assert gw.shape == w.shape and (gw == 0).all()


NARROW = """
import numpy as np
from minigrad.kernels import conv
from minigrad.kernels.simd import vector_bytes
assert vector_bytes() == 16
rng = np.random.default_rng(0)
x, w = (rng.standard_normal(s, dtype=np.float32) for s in ((2, 9, 7, 10), (13, 9, 3, 3)))
for name, stride, out in (("winograd", 1, (7, 10)), ("blocked", 2, (4, 5))):
    how = ((stride, stride), (1, 1), (1, 1), 1)
    g = rng.standard_normal((2, 13, *out), dtype=np.float32)
    for f, args in (
        (conv.conv2d, (x, w, None)),
        (conv.conv2d_input_grad, (g, w, (7, 10))),
        (conv.conv2d_weight_grad, (g, x, (3, 3))),
    ):
        exact = [a.astype(float) if isinstance(a, np.ndarray) else a for a in args]
        difference = f(*args, *how, algorithm=name) - f(*exact, *how, algorithm="reference")
        assert np.abs(difference).max() < 1e-4, (name, f)
print("ok")
"""


@needs_jit
def test_convolutions_are_right_on_processors_with_short_vectors(tmp_path):
    """Vectors of 4, as on ARM and old x86; the code has the length in many places."""
    env = os.environ | {
        "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", NARROW], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "ok\n", done.stderr
