"""Products of matrices in strips against sums in float64, for any shape, dtype and thread count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import gemm, jit


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 300), st.integers(0, 200), st.integers(0, 300),
    st.sampled_from([np.float32, np.float64]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_matmul_matches_sums_in_float64(m, k, n, dtype, left, right):
    rng = np.random.default_rng(m + 7 * k + 31 * n)
    a = rng.normal(size=(k, m) if left else (m, k)).astype(dtype)
    b = rng.normal(size=(n, k) if right else (k, n)).astype(dtype)
    a, b = a.T if left else a, b.T if right else b
    y = gemm.matmul(a, b)
    assert y.shape == (m, n) and y.dtype == dtype
    exact = np.einsum("mk,kn->mn", a.astype(np.float64), b.astype(np.float64))
    bound = 4 * np.finfo(dtype).eps * np.sqrt(max(k, 1)) * np.abs(exact).max(initial=1)
    np.testing.assert_allclose(y, exact, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m,k,n", [(1, 4096, 100), (7, 304, 204), (64, 3136, 128), (70, 512, 36)])
def test_matmul_of_long_rows_with_rows_matches_sums_in_float64(m, k, n, dtype):
    rng = np.random.default_rng(m + k + n)
    a, w = (rng.normal(size=(rows, k)).astype(dtype) for rows in (m, n))
    before = jit.get_num_threads()
    try:
        bits = set()
        for threads in (1, 2, 4):
            jit.set_num_threads(threads)
            bits.add(gemm.matmul(a, w.T).tobytes())
    finally:
        jit.set_num_threads(before)
    exact = a.astype(np.float64) @ w.T.astype(np.float64)
    bound = 4 * np.finfo(dtype).eps * np.sqrt(k) * np.abs(exact).max()
    np.testing.assert_allclose(gemm.matmul(a, w.T), exact, rtol=0, atol=bound)
    assert len(bits) == 1


@pytest.mark.parametrize("m,k,n", [(64, 400, 120), (200, 1000, 10), (10, 1000, 200)])
def test_matmul_has_the_same_bits_on_any_number_of_threads(m, k, n):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))
    before, bits = jit.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            jit.set_num_threads(threads)
            bits.append(gemm.matmul(a, b).tobytes())
    finally:
        jit.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2]


def test_matmul_of_integers_is_numpys():
    a = np.arange(100 * 90).reshape(100, 90)
    np.testing.assert_array_equal(gemm.matmul(a, a.T), a @ a.T)
