"""gradcheck beyond right and wrong: kinks, non-finite, random, mutating, dtypes, large inputs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import (
    GradcheckError,
    KinkWarning,
    examine,
    gradcheck,
    gradgradcheck,
)
from minigrad.testing.strategies import arrays, integers


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("fn", "point"),
    [
        (lambda x: x.relu(), (0.0, 1.0, -1.0)),
        (lambda x: x.abs(), (0.0, 1.0, -1.0)),
        (lambda x: x.max(), (1.0, 1.0, 0.5)),
        (lambda x: x.amax(), (1.0, 1.0, 0.5)),
        (lambda x: x.clamp(0.5, 1.0), (0.5, 0.7, 2.0)),
        (lambda x: x.floor(), (1.0, 0.7, 2.5)),
        (lambda x: mg.maximum(x, x.flip(0)), (1.0, 1.0)),
    ],
)
def test_kink_is_reported_and_not_counted_as_wrong(fn: object, point: object, fast: bool) -> None:
    said = r"not differentiable here.*: input 0 index \(\d,\) .*slopes"
    with pytest.warns(KinkWarning, match=said):
        assert gradcheck(fn, leaf(*point), fast_mode=fast)


@pytest.mark.parametrize("distance", [1e-7, 3e-7, 9e-7, 1e-5])
def test_kink_close_by_is_no_kink(distance: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", KinkWarning)
        assert gradcheck(lambda x: x.relu(), leaf(distance, -distance))


def test_tie_that_is_counted_twice_is_wrong() -> None:
    class Largest(mg.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: mg.Tensor) -> mg.Tensor:
            ctx.save_for_backward(x)
            return x.max()

        @staticmethod
        def backward(ctx: object, g: mg.Tensor) -> mg.Tensor:
            (x,) = ctx.saved_tensors
            return g * (x == x.max())

    with pytest.warns(KinkWarning), pytest.raises(GradcheckError, match=r"kink or tie, .*2 times"):
        gradcheck(Largest.apply, leaf(1.0, 1.0, 0.5))


def test_kink_does_not_hide_a_wrong_gradient_elsewhere() -> None:
    class Wrong(mg.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: mg.Tensor) -> mg.Tensor:
            ctx.save_for_backward(x)
            return x.relu()

        @staticmethod
        def backward(ctx: object, g: mg.Tensor) -> mg.Tensor:
            return g * 0.9 * (ctx.saved_tensors[0] > 0)

    with pytest.warns(KinkWarning), pytest.raises(GradcheckError, match=r"index \(1,\)"):
        gradcheck(Wrong.apply, leaf(0.0, 1.0))


def test_sharp_but_smooth_bend_is_no_false_alarm() -> None:
    assert gradcheck(lambda x: (x * 1e4).tanh(), leaf(1e-5, 3e-5, -2e-5))


def test_large_values_are_no_false_alarm() -> None:
    assert gradcheck(lambda x: x * x * x, leaf(1e5, -3e4, 2.0))
    assert gradcheck(lambda x: x.exp().sum() * 1e6, leaf(1.0, 2.0))


def test_non_finite_output_is_named() -> None:
    with pytest.raises(GradcheckError, match=r"non-finite: output 0 is -inf at index \(1,\)"):
        gradcheck(lambda x: x.log(), leaf(1.0, 0.0))


def test_non_finite_gradient_is_named_with_its_value() -> None:
    with pytest.raises(GradcheckError, match=r"non-finite: the gradient of input 0 is .*inf.*0\.0"):
        gradcheck(lambda x: x.sqrt(), leaf(1.0, 0.0))


def test_random_function_is_called_non_deterministic() -> None:
    draws = iter(range(100))
    with pytest.raises(GradcheckError, match=r"non-deterministic: output 0 differs.*Seed"):
        gradcheck(lambda x: x * float(next(draws)), leaf(1.0))
    draws = iter(range(100))
    assert not gradcheck(lambda x: x * float(next(draws)), leaf(1.0), raise_exception=False)


def test_mutated_input_is_named() -> None:
    def bad(x: mg.Tensor) -> mg.Tensor:
        x._data[0] += 1
        return x * 2

    with pytest.raises(GradcheckError, match="mutated input: input 0 was changed by the call"):
        gradcheck(bad, leaf(1.0, 2.0))


def test_inputs_are_as_before_afterwards() -> None:
    x = leaf(0.1, 0.2, 1e9)
    before = x.detach().numpy().copy()
    gradcheck(lambda t: t * t, x)
    assert x.detach().numpy().tobytes() == before.tobytes()
    assert x.grad is None


def test_inputs_are_as_before_after_an_error() -> None:
    calls = iter(range(100))

    def fails(x: mg.Tensor) -> mg.Tensor:
        if next(calls) > 6:
            raise KeyError("in the middle of a difference")
        return x * x

    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(KeyError):
        gradcheck(fails, x)
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_no_input_that_requires_grad_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one input must require grad"):
        gradcheck(lambda x: x * 2, mg.tensor([1.0]))


def test_single_precision_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"input 0 has dtype float32.*\.double\(\)"):
        gradcheck(lambda x: x * 2, mg.tensor([1.0], requires_grad=True), eps=1e-2, atol=1e-2)


def test_other_arguments_are_passed_on() -> None:
    assert gradcheck(lambda x, k, mask: (x * k)[mask], (leaf(1.0, 2.0), 3, np.array([True, False])))


def test_function_may_close_over_the_tensor() -> None:
    layer = mg.nn.Linear(3, 2).double()
    x = mg.tensor(np.ones((1, 3)))
    assert gradcheck(lambda *_: layer(x), tuple(layer.parameters()))


def test_strided_expanded_and_read_only_inputs_are_checked() -> None:
    a = np.arange(6.0).reshape(2, 3)
    frozen = a.copy()
    frozen.flags.writeable = False
    for array in (a.T, a[:, ::2], a[::-1], np.broadcast_to(a[0], (2, 3)), frozen):
        x = mg.from_numpy(array).requires_grad_()
        assert gradcheck(lambda t: t.sin(), x)


def test_empty_and_0_dim_inputs_are_checked() -> None:
    assert gradcheck(lambda x: x * 2, mg.tensor(np.zeros((0, 3))).requires_grad_())
    assert gradcheck(lambda x: x.exp(), mg.tensor(np.array(0.5)).requires_grad_())


def test_unused_input_and_integer_outputs_are_fine() -> None:
    assert gradcheck(lambda x, y: (x * 2, x.argmax()), (leaf(1.0, 2.0), leaf(3.0)))
    assert gradcheck(lambda x: x.detach() * 0, leaf(1.0))


def test_output_that_should_depend_and_does_not_is_wrong() -> None:
    with pytest.raises(GradcheckError, match="gives zero"):
        gradcheck(lambda x: x.detach() * 2, leaf(1.0))


@given(arrays(shape=st.just((40, 50))), st.integers(0, 1999))
def test_large_input_is_searched_for_one_wrong_element(a: np.ndarray, k: int) -> None:
    hole = np.ones(2000)
    hole[k] = 0.5
    mask = mg.tensor(hole.reshape(40, 50))

    class Wrong(mg.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: mg.Tensor) -> mg.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, g: mg.Tensor) -> mg.Tensor:
            return g * 2 * mask

    report = examine(Wrong.apply, mg.tensor(a).requires_grad_())
    assert not report.ok
    assert f"index ({k // 50}, {k % 50}): yours" in str(report)


def test_report_counts_what_was_checked() -> None:
    report = examine(lambda x: x * 2, leaf(1.0, 2.0, 3.0))
    assert report.ok and report.checked == 3 and "3 elements agree" in str(report)


def test_message_shows_index_both_values_ratio_and_input() -> None:
    class Half(mg.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: mg.Tensor) -> mg.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, g: mg.Tensor) -> mg.Tensor:
            return g

    with pytest.raises(GradcheckError) as e:
        gradcheck(Half.apply, mg.tensor(np.array([[1.0, 2.0]])).requires_grad_())
    text = str(e.value)
    assert "wrong rule: input 0 of shape (1, 2): 2 of 2 compared elements differ" in text
    assert "index (0, 0): yours" in text and "ratio 0.5, at value" in text
    assert "input 0 is [[1., 2.]]" in text


def test_unsupported_modes_are_refused_by_name() -> None:
    for name in ("check_batched_grad", "check_forward_ad"):
        with pytest.raises(NotImplementedError, match=name):
            gradcheck(lambda x: x, leaf(1.0), **{name: True})


def test_gradgradcheck_with_given_and_strided_cotangents() -> None:
    x = leaf(1.0, 2.0)
    assert gradgradcheck(lambda t: t * t * t, x, mg.tensor(np.array([1.0, -2.0])))
    assert gradgradcheck(lambda t: t * t * t, x, gen_non_contig_grad_outputs=True)
    assert gradgradcheck(lambda t: (t.sin(), t.exp()), x)


def test_gradgradcheck_of_a_linear_function() -> None:
    assert gradgradcheck(lambda t: t * 3, leaf(1.0, 2.0))


@given(st.integers(1, 5).flatmap(lambda n: integers((n,), 0, n, distinct=True)))
def test_strategy_of_distinct_integers_is_a_permutation(a: np.ndarray) -> None:
    assert sorted(a.tolist()) == list(range(a.size))


@given(arrays(away_from=(0.0, 1.0), gap=0.2, distinct=True))
def test_strategy_keeps_its_distance(a: np.ndarray) -> None:
    assert (np.abs(a) >= 0.2 - 1e-6).all() and (np.abs(a - 1) >= 0.2 - 1e-6).all()
    assert len(set(a.ravel().tolist())) == a.size
    assert (a.astype(np.float32) == a).all()


def test_strategies_refuse_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="nothing is left"):
        given(arrays(low=-0.05, high=0.05))(lambda a: None)()
    with pytest.raises(ValueError, match="low must be below high"):
        given(integers((2,), 3, 3))(lambda a: None)()
