"""The tests are tested: planted wrong gradient rules must be caught and explained."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted.alarms import count_alarms
from planted.bugs import BUGS
from planted.checkers import CHECKERS
from planted.checkers import caught as caught_by
from planted.parts import array, binary, unary
from planted.right import in_right_form

import minigrad as mg
from minigrad.op import Array, op
from minigrad.testing import (
    CheckError,
    GradcheckError,
    KinkWarning,
    check_op,
    gradcheck,
    gradgradcheck,
)
from minigrad.testing.strategies import arrays, broadcastable


def values(*shape: int) -> mg.Tensor:
    return mg.from_numpy(array(*shape)).requires_grad_()


@pytest.mark.parametrize("name", sorted(BUGS))
def test_planted_bug_is_caught_and_guessed(name: str) -> None:
    bug = BUGS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinkWarning)  # some show only at a tie or a kink
        with pytest.raises(CheckError) as caught:
            check_op(bug.make(), [bug.sample])
    text = str(caught.value)
    assert bug.guess in text
    assert "import numpy as np\nfrom minigrad.testing import check_op\n# planted is in no " in text
    assert "\n\ncheck_op(planted, " in text


def test_planted_bugs_are_many_and_of_every_family() -> None:
    assert len(BUGS) >= 60
    assert len({bug.family for bug in BUGS.values()}) >= 16


@pytest.mark.parametrize("name", sorted(in_right_form()))
def test_right_op_in_the_same_dress_raises_no_alarm(name: str) -> None:
    fn, sample = in_right_form()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinkWarning)
        report = check_op(fn, [sample])
    assert report.ok
    assert bool(report.kinks) == (name in ("relu at 0", "max-pool with ties"))


def test_no_false_alarm_on_drawn_cases_of_right_ops() -> None:
    done, alarms = count_alarms(240, every=4)
    assert done >= 240
    assert not alarms, "\n".join(alarms)


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n, bug in BUGS.items()
        if bug.family in ("elementwise", "shape", "linalg", "conv", "norm")
        and n not in ("exp: one part in a thousand", "pow: 0/0 in the rule")
    ),
)
def test_planted_mistake_is_caught_along_random_directions(name: str) -> None:
    bug = BUGS[name]
    inputs = [mg.from_numpy(a.copy()).requires_grad_() for a in bug.sample]
    assert not gradcheck(bug.make(), inputs, fast_mode=True, raise_exception=False)


def test_other_checkers_see_less() -> None:
    names = ["gelu: constant to four places", "result in a buffer used again", "results hoarded"]
    for name in names:
        bug = BUGS[name]
        assert caught_by(CHECKERS["minigrad check_op"], bug.make(), bug.sample)
        assert not caught_by(CHECKERS["one random coordinate at 1e-2"], bug.make(), bug.sample)


@settings(max_examples=15)
@given(arrays(min_dims=1, max_side=10), st.sampled_from([1.01, 0.99, -1.0, 0.0]))
def test_wrong_factor_is_caught_at_any_shape(a: np.ndarray, factor: float) -> None:
    wrong = unary(np.exp, lambda g, y: g * y * factor)
    x = mg.tensor(a).requires_grad_()
    assert not gradcheck(wrong, x, raise_exception=False)
    assert not gradcheck(wrong, x, raise_exception=False, fast_mode=True)


@settings(max_examples=15)
@given(broadcastable(2, min_dims=1))
def test_right_rules_raise_no_alarm(pair: tuple[np.ndarray, np.ndarray]) -> None:
    inputs = tuple(mg.tensor(a).requires_grad_() for a in pair)
    right = binary(
        lambda x, y: np.sin(x) * y,
        lambda g, input, other: g * input.cos() * other,
        lambda g, input: g * input.sin(),
        promote="arithmetic",
    )
    assert gradcheck(right, inputs)
    assert gradcheck(right, inputs, fast_mode=True)
    assert gradgradcheck(right, inputs)


def test_wrong_second_rule_is_caught_by_gradgradcheck_alone() -> None:
    def slope(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        return g * input.cos() if not mg.is_grad_enabled() else g * input.detach().cos()

    half = unary(np.sin, slope)
    x = values(4)
    assert gradcheck(half, x)
    with pytest.raises(GradcheckError, match=r"gradgradcheck: wrong rule: .*values left the graph"):
        gradgradcheck(half, x)
    assert not gradgradcheck(half, x, raise_exception=False)
    fused = BUGS["tanh: fused rule's sign"].make()
    assert gradcheck(fused, x)
    with pytest.raises(GradcheckError, match=r"(?s)gradgradcheck: wrong rule: input 0.*sign"):
        gradgradcheck(fused, x)


def test_rule_that_needs_all_cotangents_is_caught() -> None:
    @op(outputs="first second")
    def pair(input: Array) -> tuple[Array, Array]:
        return 2 * input, 3 * input

    @pair.gradient("input")
    def _(g: tuple[mg.Tensor, mg.Tensor]) -> mg.Tensor:
        lost = bool((g[0] == 0).all() or (g[1] == 0).all())
        return g[0] * 0 if lost else g[0] * 2 + g[1] * 3

    with pytest.raises(GradcheckError, match=r"missing \(zero\) cotangent"):
        gradcheck(pair, values(3))
