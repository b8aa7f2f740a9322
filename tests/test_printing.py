"""How tensors are shown: PyTorch's layout, checked against it where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad.printing import set_printoptions


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    yield
    set_printoptions(profile="default")


def _repr(values: Any, dtype: str = "float32") -> str:
    return repr(minigrad.tensor(np.asarray(values, dtype)))


def test_whole_floats_have_a_point_and_no_decimals() -> None:
    assert _repr([1, 2, -30]) == "tensor([  1.,   2., -30.])"


def test_fractions_have_four_decimals() -> None:
    assert _repr([[1.5, 2], [3, 4]]) == "tensor([[1.5000, 2.0000],\n        [3.0000, 4.0000]])"


def test_wide_ranges_are_shown_in_scientific_notation() -> None:
    assert _repr([1e-5, 1]) == "tensor([1.0000e-05, 1.0000e+00])"


def test_nan_and_inf_are_shown() -> None:
    assert _repr([1, np.nan, -np.inf]) == "tensor([1., nan, -inf])"


def test_dtype_is_named_unless_it_is_the_default() -> None:
    assert _repr([1], "int64") == "tensor([1])"
    assert _repr([True], "bool") == "tensor([True])"
    assert _repr([1], "int32") == "tensor([1], dtype=minigrad.int32)"
    assert _repr([1], "float64") == "tensor([1.], dtype=minigrad.float64)"


def test_empty_tensors_show_their_size() -> None:
    assert _repr(np.zeros((0, 3))) == "tensor([], size=(0, 3))"
    assert _repr([], "int64") == "tensor([], dtype=minigrad.int64)"


def test_graph_is_named() -> None:
    x = minigrad.tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], grad_fn=<MulBackward0>)"


def test_large_tensors_leave_out_the_middle() -> None:
    assert _repr(np.arange(2000), "int64") == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"


def test_options_change_what_is_shown() -> None:
    set_printoptions(precision=1, threshold=3, edgeitems=1)
    assert _repr([0.25, 1, 2, 3.5]) == "tensor([0.2,  ..., 3.5])"
    set_printoptions(profile="default", sci_mode=True)
    assert _repr([1.5]) == "tensor([1.5000e+00])"


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="profile must be one of 'default', 'short', 'full'"):
        set_printoptions(profile="long")


SHAPES = st.sampled_from(
    [(), (0,), (0, 3), (1,), (7,), (30,), (3, 4), (2, 3, 4), (1, 1, 9), (40, 40), (2, 10, 100)]
)


@given(SHAPES, st.sampled_from([1e-6, 1e-3, 1.0, 1e4, 1e7]), st.integers(0, 2**32 - 1), st.data())
def test_floats_are_shown_as_torch_shows_them(
    shape: tuple[int, ...], scale: float, seed: int, data: Any
) -> None:
    torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
    rng = np.random.default_rng(seed)
    a = np.asarray(rng.standard_normal(shape) * scale)
    if data.draw(st.booleans()):
        a = np.asarray(np.round(a))
    if data.draw(st.booleans()) and a.size:
        a.flat[rng.integers(a.size)] = data.draw(st.sampled_from([0, -0.0, np.nan, np.inf]))
    a = a.astype(np.float32)
    assert repr(minigrad.tensor(a)) == repr(torch.from_numpy(a))


@given(SHAPES, st.sampled_from(["int64", "bool"]), st.integers(0, 2**32 - 1))
def test_integers_are_shown_as_torch_shows_them(
    shape: tuple[int, ...], dtype: str, seed: int
) -> None:
    torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
    a = np.random.default_rng(seed).integers(-1000, 1000, shape)
    a = np.asarray(a > 0 if dtype == "bool" else a)
    ours, theirs = repr(minigrad.tensor(a)), repr(torch.from_numpy(a))
    assert ours.replace("minigrad.", "torch.") == theirs
