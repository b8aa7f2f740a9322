"""The tests are tested: planted wrong gradient rules must be caught and explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.op import Array, op
from minigrad.testing import GradcheckError, gradcheck, gradgradcheck
from minigrad.testing.strategies import arrays, broadcastable

pytestmark = pytest.mark.usefixtures("scratch_registry")

Rule = Callable[..., Any]


def unary(forward: Callable[[Array], Array], rule: Rule) -> Callable[[mg.Tensor], mg.Tensor]:
    @op(name="planted")
    def planted(input: Array) -> Array:
        return forward(input)

    planted.gradient("input", rule)
    return planted


def binary(
    forward: Callable[[Array, Array], Array], one: Rule, two: Rule, promote: str | None = None
) -> Callable[..., mg.Tensor]:
    @op(name="planted", promote=promote)
    def planted(input: Array, other: Array) -> Array:
        return forward(input, other)

    planted.gradient("input", one)
    planted.gradient("other", two)
    return planted


def values(*shape: int, seed: int = 0, low: float = 0.3, high: float = 1.8) -> mg.Tensor:
    a = np.random.default_rng(seed).uniform(low, high, shape)
    return mg.tensor(a).requires_grad_()


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _conv(x: Array) -> Array:
    """Sliding sums of 3 over the last dim, padded by 1."""
    p = np.pad(x, ((0, 0), (1, 1)))
    return p[:, :-2] + 2 * p[:, 1:-1] + 3 * p[:, 2:]


def _conv_adjoint(g: mg.Tensor, padding: int, weights: tuple[int, ...]) -> mg.Tensor:
    n = g.shape[1]
    p = F.pad(g, (padding, 2 - padding))
    return sum(w * p[:, i : i + n] for i, w in enumerate(weights))


# name: (op with a wrong rule, inputs, what the guess must say)
PLANTED: dict[str, tuple[Callable[[], Any], tuple[mg.Tensor, ...], str]] = {
    "sign flipped": (
        lambda: unary(np.cos, lambda g, input: g * input.sin()),
        (values(3, 4),),
        "sign is flipped",
    ),
    "factor two missing": (
        lambda: unary(np.square, lambda g, input: g * input),
        (values(3, 4),),
        "0.5 times what it should be",
    ),
    "factor of the input missing": (
        lambda: unary(lambda x: x**2 / 2, lambda g: g),
        (values(3, 4),),
        "a factor of its own value is missing",
    ),
    "factor of the output missing": (
        lambda: unary(np.exp, lambda g: g),
        (values(3, 4),),
        "a factor of output 0 is missing",
    ),
    "factor of the other operand missing": (
        lambda: binary(np.multiply, lambda g: g, lambda g, input: g * input),
        (values(3, 4), values(3, 4, seed=1)),
        "a factor of input 1 is missing",
    ),
    "rule gives zero": (
        lambda: unary(np.tanh, lambda g: g * 0),
        (values(3, 4),),
        "gives zero",
    ),
    "term missing": (
        lambda: unary(_softmax, lambda g, y: g * y),
        (values(3, 4),),
        "term",
    ),
    "axes swapped": (
        lambda: unary(lambda x: x.swapaxes(0, 1).copy(), lambda g: g),
        (values(3, 3),),
        "dims 0 and 1 are swapped",
    ),
    "dim reversed": (
        lambda: unary(lambda x: np.flip(x, 1).copy(), lambda g: g),
        (values(2, 5),),
        "dim 1 is reversed",
    ),
    "off by one in an index": (
        lambda: unary(lambda x: np.roll(x, 2, 1), lambda g: g.roll(-1, 1)),
        (values(2, 6),),
        "dim 1 is shifted",
    ),
    "off by one in padding": (
        lambda: unary(_conv, lambda g: _conv_adjoint(g, 2, (3, 2, 1))),
        (values(2, 7),),
        "dim 1 is shifted",
    ),
    "window not turned round": (
        lambda: unary(_conv, lambda g: _conv_adjoint(g, 1, (1, 2, 3))),
        (values(2, 7),),
        "",
    ),
    "mean taken for sum": (
        lambda: unary(np.sum, lambda g, input_shape: g.expand(input_shape) / 12.0),
        (values(3, 4),),
        "12 is the number of elements",
    ),
    "summed over a dim": (
        lambda: unary(np.copy, lambda g, input_shape: g.sum(1, True).expand(input_shape)),
        (values(3, 4),),
        "summed over dim 1",
    ),
    "averaged in broadcast reduction": (
        lambda: binary(np.add, lambda g: g, lambda g: g.mean(0, keepdim=True).expand(1, 4)),
        (values(3, 4), values(1, 4, seed=1)),
        "times what it should be",
    ),
    "border treated as inside": (
        lambda: unary(lambda x: np.pad(x[:, 1:-1], ((0, 0), (1, 1))), lambda g: g * 1.0),
        (values(2, 6),),
        "only the border of dim 1",
    ),
    "only one of many elements wrong": (
        lambda: unary(
            np.sin,
            lambda g, input: g * input.cos() + mg.tensor(np.eye(1, 400, 123)).reshape(20, 20),
        ),
        (values(20, 20),),
        "index (6, 3)",
    ),
    "constant added": (
        lambda: unary(np.sin, lambda g, input: g * input.cos() + 0.01),
        (values(3, 4),),
        "the same amount, 0.01",
    ),
    "abs instead of sign": (
        lambda: unary(np.abs, lambda g: g),
        (mg.tensor(np.array([-1.0, 2.0, -0.5, 1.5])).requires_grad_(),),
        "only signs differ",
    ),
    "wrong permutation": (
        lambda: unary(lambda x: x[[3, 0, 4, 1, 2]], lambda g: g[[3, 0, 4, 1, 2]]),
        (values(5),),
        "wrong places",
    ),
    "gradient not a number": (
        lambda: unary(np.square, lambda g, input: (g * input) / (input * 0)),
        (values(3),),
        "",
    ),
    "second input's rule wrong": (
        lambda: binary(
            np.divide, lambda g, other: g / other, lambda g, input, other: g * input / other
        ),
        (values(3), values(3, seed=1)),
        "input 1",
    ),
    "kink with a slope of neither side": (
        lambda: unary(lambda x: np.maximum(x, 0), lambda g, input: g * (input >= 0) * 1.5),
        (mg.tensor(np.array([0.0])).requires_grad_(),),
        "",
    ),
}


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_planted_mistake_is_caught_and_guessed(name: str) -> None:
    make, inputs, said = PLANTED[name]
    with pytest.raises(GradcheckError) as caught:
        gradcheck(make(), inputs)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(PLANTED) - {"kink with a slope of neither side"}))
def test_planted_mistake_is_caught_along_random_directions(name: str) -> None:
    make, inputs, _ = PLANTED[name]
    assert not gradcheck(make(), inputs, fast_mode=True, raise_exception=False)


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
    with pytest.raises(GradcheckError, match=r"gradgradcheck: .*input 0.*"):
        gradgradcheck(half, x)


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
