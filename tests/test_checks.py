"""The checks of one op must fail when they should: each is given an op that breaks its rule."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import GradientError
from minigrad.op import Array, op
from minigrad.testing import checks
from minigrad.testing.cases import Case

SAMPLE: tuple[tuple[Any, ...], dict[str, Any]] = ((np.arange(1.0, 7.0).reshape(2, 3),), {})
CASE = Case(st.just(SAMPLE), oracle=lambda x: 2 * x, linear=True)


def doubled(forward: Any = None, rule: Any = None) -> Any:
    @op(name="doubled")
    def declared(input: Array) -> Array:
        return forward(input) if forward else 2 * input

    declared.gradient("input", rule or (lambda g: g * 2))
    return declared


def test_right_op_passes_every_check() -> None:
    right = doubled()
    for dtype in (mg.float32, mg.float64):
        checks.check_oracle(right, CASE, *SAMPLE, dtype)
        checks.check_dtypes(right, CASE, *SAMPLE, dtype)
    for check in (
        checks.check_gradient,
        checks.check_second_gradient,
        checks.check_linear,
        checks.check_layouts,
        checks.check_unmutated,
        checks.check_deterministic,
    ):
        check(right, CASE, *SAMPLE)


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_wrong_value_is_found_in_both_dtypes(dtype: Any) -> None:
    off = float(np.finfo(dtype).eps) * 400
    wrong = doubled(lambda x: (x * (2 + off)).astype(x.dtype))
    with pytest.raises(AssertionError, match=r"output 0 in float\d\d: off by"):
        checks.check_oracle(wrong, CASE, *SAMPLE, dtype)


def test_wrong_shape_is_found() -> None:
    with pytest.raises(AssertionError, match=r"shape is \(3, 2\); expected \(2, 3\)"):
        checks.check_oracle(doubled(lambda x: (2 * x).T), CASE, *SAMPLE, mg.float64)


def test_exact_case_allows_no_rounding() -> None:
    exact = Case(CASE.draw, oracle=CASE.oracle, exact=True)
    wrong = doubled(lambda x: np.nextafter(2 * x, 9))
    checks.check_oracle(wrong, CASE, *SAMPLE, mg.float64)
    with pytest.raises(AssertionError, match="exactly"):
        checks.check_oracle(wrong, exact, *SAMPLE, mg.float64)


def test_nan_at_another_place_is_found() -> None:
    with pytest.raises(AssertionError, match="not finite at other places"):
        checks.assert_close("y", np.array([np.nan, 1.0]), np.array([1.0, np.nan]), mg.float64, 1)


def test_wrong_rule_is_found_by_gradient_and_adjoint_identity() -> None:
    wrong = doubled(rule=lambda g: g * 2.01)
    with pytest.raises(AssertionError, match=r"1\.005 times what it should be"):
        checks.check_gradient(wrong, CASE, *SAMPLE)
    with pytest.raises(AssertionError, match="adjoint identity"):
        checks.check_linear(wrong, CASE, *SAMPLE)


def test_rule_that_drops_the_graph_is_found_by_the_second_gradient() -> None:
    @op
    def squared(input: Array) -> Array:
        return input * input

    squared.gradient("input", lambda g, input: g * 2 * input.detach())
    checks.check_gradient(squared, CASE, *SAMPLE)
    with pytest.raises(AssertionError, match=r"squared: .*cannot be differentiated again"):
        checks.check_second_gradient(squared, CASE, *SAMPLE)


def test_case_that_draws_a_kink_is_refused() -> None:
    at_zero = ((np.array([0.0, 1.0]),), {})
    with pytest.raises(AssertionError, match=r"the Case draws points without a derivative"):
        checks.check_gradient(mg.relu, CASE, *at_zero)


def test_output_of_another_dtype_is_found() -> None:
    with pytest.raises(AssertionError, match="output 0 is float64 for float32 inputs"):
        checks.check_dtypes(doubled(lambda x: 2.0 * x.astype("f8")), CASE, *SAMPLE, mg.float32)


def test_float32_gradient_of_another_algorithm_is_found() -> None:
    wrong = doubled(rule=lambda g: g * (2.001 if g.dtype == mg.float32 else 2))
    checks.check_gradient(wrong, CASE, *SAMPLE)
    with pytest.raises(AssertionError, match="float32 gradient 0: off by"):
        checks.check_precision(wrong, CASE, *SAMPLE)


def test_dependence_on_memory_layout_is_found() -> None:
    def by_address(x: Array) -> Array:
        return 2 * x if x.flags.c_contiguous else 2 * np.ascontiguousarray(x)[::-1]

    with pytest.raises(AssertionError, match=r"output 0, (transposed|strided|reversed) inputs"):
        checks.check_layouts(doubled(by_address), CASE, *SAMPLE)


def test_changed_input_is_found() -> None:
    def spoils(x: Array) -> Array:
        y = 2 * x
        x += 1
        return y

    with pytest.raises((AssertionError, GradientError), match="changed"):
        checks.check_unmutated(doubled(spoils), CASE, *SAMPLE)


def test_input_changed_by_a_rule_is_found() -> None:
    def spoils(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        input._data[0, 0] = 9
        return g * 2

    with pytest.raises((AssertionError, GradientError), match="changed"):
        checks.check_unmutated(doubled(rule=spoils), CASE, *SAMPLE)


def test_result_that_differs_from_run_to_run_is_found() -> None:
    count = itertools.count()
    with pytest.raises(AssertionError, match="two runs on the same inputs differ"):
        checks.check_deterministic(doubled(lambda x: 2 * x + next(count)), CASE, *SAMPLE)


def test_random_op_is_seeded_before_every_call() -> None:
    random = Case(CASE.draw, random=True)
    checks.check_deterministic(lambda x: x * mg.rand(3), random, *SAMPLE)
    checks.check_gradient(lambda x: x * mg.rand(3).double(), random, *SAMPLE)


def test_arguments_are_found_in_lists_and_keywords() -> None:
    a, b, c, k = np.ones(2), np.zeros(3), np.ones(1), np.array([1, 2])
    given = checks.Arguments(([a, b], 5, k), {"weight": c, "dim": 1}, constants=("weight",))
    assert given.live == [True, True, False, False]
    assert given.terms == 3
    args, kwargs = given.fill(["A", "B", "K", "C"])
    assert args == (["A", "B"], 5, "K")
    assert kwargs == {"weight": "C", "dim": 1}


def test_layouts_hold_the_same_values() -> None:
    a = np.arange(6.0).reshape(2, 3)
    found = dict(checks.layouts(a))
    assert set(found) == {"transposed", "strided", "reversed"}
    for b in found.values():
        np.testing.assert_array_equal(a, b)
        assert not b.flags.c_contiguous
    assert min(found["reversed"].strides) < 0
