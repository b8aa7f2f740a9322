"""What the strategies draw: distances, distinct values, scales, whole argument lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.testing import arguments, property_test
from minigrad.testing.strategies import broadcastable, well_scaled


def tensors(args: tuple[Any, ...]) -> list[Any]:
    return [mg.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args]


@given(well_scaled(), well_scaled(positive=True, small=1e-4, large=1e-2))
def test_well_scaled_values_stay_in_their_decades(a: np.ndarray, b: np.ndarray) -> None:
    assert ((np.abs(a) >= 0.009) & (np.abs(a) <= 101)).all()
    assert ((b >= 0.9e-4) & (b <= 1.01e-2)).all()


@given(broadcastable(3, distinct=True))
def test_broadcastable_arrays_broadcast_and_hold_no_tie(parts: tuple[np.ndarray, ...]) -> None:
    np.broadcast_shapes(*[p.shape for p in parts])
    flat = np.concatenate([p.ravel() for p in parts])
    assert len(np.unique(flat)) == flat.size


@pytest.mark.parametrize(("fn", "dims"), [(F.conv1d, 1), (F.conv2d, 2)])
def test_drawn_convolutions_are_valid(fn: Any, dims: int) -> None:
    @given(arguments.conv_arguments(dims))
    def check(sample: Any) -> None:
        args, kwargs = sample
        assert fn(*tensors(args), **kwargs).numel() > 0

    check()


@pytest.mark.parametrize(
    ("fn", "dims", "average"),
    [(F.max_pool1d, 1, False), (F.max_pool2d, 2, False), (F.avg_pool2d, 2, True)],
)
def test_drawn_poolings_are_valid_and_hold_no_tie(fn: Any, dims: int, average: bool) -> None:
    @given(arguments.pool_arguments(dims, average))
    def check(sample: Any) -> None:
        args, kwargs = sample
        assert fn(*tensors(args), **kwargs).numel() > 0
        assert len(np.unique(args[0])) == args[0].size

    check()


@given(arguments.norm_arguments())
def test_drawn_normalizations_are_valid(sample: Any) -> None:
    args, kwargs = sample
    assert F.layer_norm(*tensors(args), **kwargs).isfinite().all()


@pytest.mark.parametrize(
    ("fn", "draw"),
    [
        (F.conv2d, arguments.refused_conv_arguments(2)),
        (F.conv1d, arguments.refused_conv_arguments(1)),
        (F.max_pool2d, arguments.refused_pool_arguments(2)),
        (F.avg_pool2d, arguments.refused_pool_arguments(2, average=True)),
        (F.layer_norm, arguments.refused_norm_arguments()),
    ],
)
def test_wrong_arguments_are_refused(fn: Any, draw: Any) -> None:
    @given(draw)
    def check(sample: Any) -> None:
        args, kwargs, what = sample
        with pytest.raises((ValueError, RuntimeError, TypeError)) as e:
            fn(*tensors(args), **kwargs)
        assert str(e.value), what

    check()


test_sine = property_test(mg.sin)
test_product = property_test(mg.mul, reference=np.multiply)
test_maximum = property_test(mg.maximum, reference=np.maximum)
test_convolution = property_test(F.conv2d, arguments.conv_arguments())
test_max_pooling = property_test(F.max_pool2d, arguments.pool_arguments())
test_relu = property_test(mg.relu, reference=lambda x: np.maximum(x, 0))
test_layer_norm = property_test(F.layer_norm, arguments.norm_arguments())


def test_property_test_of_a_wrong_op_ends_in_a_small_example() -> None:
    def wrong(x: mg.Tensor) -> mg.Tensor:
        return x * x.detach()

    with pytest.raises(AssertionError, match="wrong rule: input 0") as e:
        property_test(wrong)()
    text = str(e.value)
    assert "check_op(wrong, [((np.array(" in text
    assert text.split("check_op(wrong, ")[1].count(",") <= 6  # one number, or close to it


def test_property_test_fails_at_a_kink() -> None:
    at_zero = property_test(mg.relu, st.just(np.zeros(2)))
    with pytest.raises(AssertionError, match=r"kink: .*not differentiable here"):
        at_zero()


def test_property_test_knows_its_options() -> None:
    with pytest.raises(TypeError, match="unknown option 'oder'"):
        property_test(mg.sin, oder=1)
