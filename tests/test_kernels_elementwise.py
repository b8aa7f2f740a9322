"""NumPy's functions over threads against NumPy alone; and what freed memory costs."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.kernels import activation, elementwise, threads

ROOT = Path(__file__).resolve().parents[1]
SIZES = [elementwise.BIG - 1, elementwise.BIG, 3_000_001]


def numbers(size, dtype, seed=0):
    x = np.random.default_rng(seed).normal(size=size).astype(dtype)
    x[:4] = np.nan, np.inf, -np.inf, -0.0
    return x


@pytest.fixture(params=[1, 2, 4])
def some_threads(request):
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield
    threads.set_num_threads(before)


@pytest.mark.usefixtures("some_threads")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("f", [np.add, np.subtract, np.multiply])
def test_split_function_gives_the_bits_of_numpy_and_no_warning(f, size, dtype):
    x, z = numbers(size, dtype), numbers(size, dtype, 1)
    z[5] = x[5] = np.finfo(dtype).max
    with np.errstate(all="ignore"):
        expected, scaled = f(x, z), f(x, 3.0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        y = elementwise.apply(f, x, z)
        np.testing.assert_array_equal(elementwise.apply(f, x, 3.0), scaled)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == dtype and not np.shares_memory(y, x)


def test_split_function_leaves_other_arrays_to_numpy():
    x = np.random.default_rng(0).normal(size=(400, 500))
    row, whole = x[0], (9 * x).astype(np.int64)
    for a, b in ((x, row), (x.T, x.T.copy()), (whole, whole), (x, x.astype(np.float32)), (x, True)):
        got = elementwise.apply(np.multiply, a, b)
        np.testing.assert_array_equal(got, np.multiply(a, b))
        assert got.dtype == np.multiply(a, b).dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
@pytest.mark.parametrize("size", [0, 7, activation.SMALL + 1, 100_003])
def test_relu_is_the_maximum_with_zero(size, dtype):
    x = np.random.default_rng(0).normal(0, 5, size=size).astype(dtype)
    if size and x.dtype.kind == "f":
        x[:4] = np.nan, np.inf, -np.inf, -0.0
    y = activation.relu(x)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    assert y.dtype == dtype


def _faults(**env):
    """Page faults of twenty rounds of big arrays, after two rounds that find their memory."""
    code = """
import ctypes, resource
import numpy as np
from minigrad.kernels import memory
told = memory.keep_freed()
def round_():
    a = [np.ones(10**6) for _ in range(10)]
    return sum(a)
round_(); round_()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    round_()
print(int(told), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return tuple(int(v) for v in done.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="counts faults of the GNU C library")
def test_freed_memory_is_used_again_without_page_faults():
    told, faults = _faults(MINIGRAD_KEEP_MEMORY="1")
    if not told:
        pytest.skip("not the GNU C library")
    left, others = _faults(MINIGRAD_KEEP_MEMORY="0")
    assert left == 0
    assert faults < 50 < others


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(3,), (300, 300)])
def test_big_tensors_meet_numbers_as_small_ones_do(shape):
    x = minigrad.ones(*shape, requires_grad=True)
    assert (x * 1e39).max().item() == np.inf and (x - 1e39).dtype == minigrad.float32
    with pytest.raises(ValueError, match="mul: these arguments"):
        x * 10**400
    (x * 3 - x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(shape, 2, np.float32))
