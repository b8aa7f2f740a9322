"""check_op: kinds of failures, samples, options, the smallest example, and what is no failure."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from planted.bugs import BUGS
from planted.parts import A, B, array, binary, unary

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.op import Array, op
from minigrad.testing import CheckError, GradcheckError, KinkWarning, check_op
from minigrad.testing.cases import Case
from minigrad.testing.precise import check_precise, is_linear
from minigrad.testing.shrink import code, smallest
from minigrad.testing.strategies import arrays

PLAIN = Case()


def failure(name: str, **options: Any) -> CheckError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinkWarning)
        with pytest.raises(CheckError) as caught:
            check_op(BUGS[name].make(), [BUGS[name].sample], **options)
    return caught.value


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cos: sign", "wrong rule"),
        ("tanh: fused rule's sign", "wrong rule"),
        ("gelu: constant to four places", "precision"),
        ("product in float32", "precision"),
        ("step for float64 in float32 too", "precision"),
        ("pow: 0/0 in the rule", "non-finite"),
        ("rule differs from run to run", "non-deterministic"),
        ("forward differs from run to run", "non-deterministic"),
        ("float64 for float32", "dtype"),
        ("mul: size 1 read as the first", "shape"),
        ("input changed by the call", "mutated input"),
        ("input changed by the rule", "mutated input"),
        ("cotangent changed by the rule", "mutated input"),
        ("result in a buffer used again", "aliasing"),
        ("gradient in a buffer used again", "aliasing"),
        ("order of memory taken for order of dims", "layout"),
        ("results hoarded", "memory"),
    ],
)
def test_failure_has_its_kind(name: str, kind: str) -> None:
    error = failure(name, shrink=False)
    assert [f.kind for f in error.report.findings] == [kind]
    assert str(error).startswith(f"check_op: planted: {kind}: ")
    assert isinstance(error, (GradcheckError, AssertionError))


def test_wrong_value_is_found_with_a_reference_alone() -> None:
    def double(x: mg.Tensor) -> mg.Tensor:
        return x * 2

    assert check_op(double, A).ok
    with pytest.raises(CheckError, match="wrong value: output 0 in float32: off by"):
        check_op(double, A, reference=lambda x: 3 * x)


def test_second_order_failure_says_so_and_order_1_passes() -> None:
    for name, text in (
        ("tanh: fused rule's sign", "wrong rule: second order: input 0"),
        ("sin: slope taken as constant", "wrong rule: second order: planted: the gradient of 'inp"),
    ):
        assert text in str(failure(name))
        assert check_op(BUGS[name].make(), [BUGS[name].sample], order=1).ok


def test_values_are_labelled_yours_and_numerical() -> None:
    text = str(failure("cos: sign"))
    assert "yours" in text and "numerical" in text and "ratio -1" in text
    assert "Guess: the sign is flipped." in text


def test_example_is_small_and_fails_when_pasted() -> None:
    error = failure("softmax: sum missing")
    text = error.report.example
    bug = BUGS["softmax: sum missing"]
    assert "check_op(planted, [((np.array([[1.0]]),), {})])" in text
    with pytest.raises(CheckError):
        exec(text, {"planted": bug.make()})


def test_example_imports_the_op_and_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "my_ops.py"
    module.write_text(
        "import minigrad, numpy as np\n"
        "from minigrad.op import Array, op\n"
        "@op\n"
        "def cube(input: Array): return input**3\n"
        "cube.gradient('input', lambda g, input: g * input**2)\n"
        "class Cube(minigrad.autograd.Function):\n"
        "    forward = staticmethod(lambda ctx, x: x**3)\n"
        "    backward = staticmethod(lambda ctx, g: g)\n"
        "def other(x): return x**2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_ops  # type: ignore[import-not-found]

    monkeypatch.setenv("PYTHONPATH", f"{Path(mg.__file__).parents[1]}:{tmp_path}")
    for fn, how, text in (
        (my_ops.cube, {"order": 1}, "from my_ops import cube\n\ncheck_op(cube, [((np.array([["),
        (my_ops.Cube.apply, {}, "from my_ops import Cube\n\ncheck_op(Cube.apply, "),
        (my_ops.cube, {"reference": my_ops.other}, "import other\n\ncheck_op(cube, "),
    ):
        report = check_op(fn, A, raise_exception=False, **how)
        assert text in report.example, report.example
        run = subprocess.run([sys.executable, "-c", report.example], capture_output=True, text=True)
        kind = report.findings[0].kind
        assert run.returncode == 1 and f"CheckError: {report.name}: {kind}: " in run.stderr, run


def test_example_says_where_an_op_without_a_module_is_made() -> None:
    def local(x: mg.Tensor) -> mg.Tensor:
        return x.detach() * x

    text = check_op(local, A, raise_exception=False).example
    assert re.search(r"\n# local is in no module \(.*check_op.py:\d+\): paste this where", text)
    text = check_op(lambda x: x.detach() * x, A, raise_exception=False).example
    assert "\n# op is in no module (" in text and "check_op(op, " in text
    text = check_op(lambda x: x * np.nan, A, raise_exception=False).example
    assert "check_op(op, " in text
    values = np.array([np.nan, 1.0])
    text = check_op(lambda x: x * 1, values, reference=lambda x: x * 2, raise_exception=False)
    assert "\nfrom numpy import inf, nan\n" in text.example


def test_smallest_keeps_what_fails() -> None:
    x, w = np.arange(30.0).reshape(2, 3, 5), np.ones((4, 3))
    tried: list[int] = []

    def fails(sample: Any) -> bool:
        (a, b), _ = sample
        tried.append(1)
        return a.shape[1] == b.shape[1] and a.shape[2] >= 2 and bool((a >= 1).any())

    (a, b), _ = smallest(((x, w), {}), fails)
    assert a.shape[1:] == (1, 2) and b.shape[1] == 1
    assert len(tried) <= 60


def test_code_shows_lists_dtypes_keywords_and_options() -> None:
    sample = (([np.ones(1), np.array([True])], np.array([1, 2])), {"dim": 1, "w": np.zeros((0, 2))})
    text = code(mg.cat, sample, Case(order=1, constants=("w",)))
    assert "[np.array([1.0]), np.array([True], dtype=bool)], np.array([1, 2])" in text
    assert "{'dim': 1, 'w': np.zeros((0, 2))}" in text
    assert text.endswith("order=1, constants=('w',))")


def test_samples_may_be_arrays_tuples_or_drawn() -> None:
    assert check_op(mg.sin, A).checked > 0
    assert check_op(mg.mul, [(A, B), ((A, B[0]), {})]).ok
    assert check_op(mg.sum, [((A,), {"dim": 1}), (A, 0)]).ok
    assert check_op(mg.cat, [([A, B],), (([A, B],), {"dim": 1})]).ok


def test_sample_that_the_op_refuses_is_the_ops_error() -> None:
    with pytest.raises(ValueError, match="matmul"):
        check_op(mg.matmul, [(A, B)])


def test_kink_is_warned_of_with_its_point_and_not_counted() -> None:
    with pytest.warns(KinkWarning, match=r"not differentiable here.*index \(0,\) at 0 \(slopes"):
        assert check_op(mg.relu, np.array([0.0, 1.0])).kinks


def test_ties_that_are_right_raise_no_alarm() -> None:
    for fn in (lambda x: x.amax(1), lambda x: x.max(1)[0], lambda x: x.sort(1)[0]):
        with pytest.warns(KinkWarning):
            assert check_op(fn, np.array([[1.0, 1.0, 0.5]])).ok


def test_report_is_returned_if_nothing_is_to_be_raised() -> None:
    bug = BUGS["cos: sign"]
    report = check_op(bug.make(), [bug.sample], raise_exception=False)
    assert not report.ok and report.example


def test_op_without_gradient_is_checked_for_the_rest() -> None:
    assert check_op(mg.argsort, [(A, 1)], grad=False, reference=lambda x, d: np.argsort(x, d)).ok


def test_missing_rule_is_an_error_with_its_name() -> None:
    @op(name="ruleless")
    def ruleless(input: Array) -> Array:
        return input * 2

    with pytest.raises(CheckError, match="ruleless"):
        check_op(ruleless, A)


def test_constant_arguments_need_no_gradient() -> None:
    fn = unary(np.sin, lambda g, input: g * input.cos())
    assert check_op(lambda x, k: fn(x) * k.detach(), [(A, B)], constants=(1,)).ok


def test_views_and_the_input_itself_may_share_memory() -> None:
    for fn in (lambda x: x.t(), lambda x: x[1:], lambda x: x, lambda x: x.reshape(-1)):
        assert check_op(fn, A).ok


def test_hidden_sharing_is_found() -> None:
    from minigrad.tensor import wrap

    with pytest.raises(CheckError, match=r"aliasing: output 0 shares memory with input 0"):
        check_op(lambda x: wrap(x._data[1:]), A, grad=False)


def test_linear_ops_are_known_by_trying() -> None:
    for fn in (mg.neg, mg.cumsum, mg.flip):
        args = (A,) if fn is mg.neg else (A, 0) if fn is mg.cumsum else (A, (0,))
        assert is_linear(fn, PLAIN, args, {})
    for fn in (mg.relu, mg.sin, mg.abs):
        assert not is_linear(fn, PLAIN, (array(3, 4, low=-1),), {})
    assert not is_linear(mg.mul, PLAIN, (A, B), {})


@given(arrays(max_dims=1, low=0.1))
def test_ceil_is_linear_by_no_coincidence(a: np.ndarray) -> None:
    assert not is_linear(mg.ceil, PLAIN, (a,), {})


def test_linear_op_is_held_to_its_adjoint() -> None:
    wrong = unary(lambda x: 3 * x, lambda g: g * (3 + 1e-11))
    with pytest.raises(CheckError, match=r"adjoint identity|precision"):
        check_op(wrong, np.full((3,), 7.0))


@given(arrays(min_dims=1, low=0.5))
def test_gradients_are_compared_to_nearly_all_digits(a: np.ndarray) -> None:
    right = unary(lambda x: np.exp(np.sin(x)), lambda g, input, y: g * y * input.cos())
    check_precise(right, PLAIN, (a,), {})
    wrong = unary(
        lambda x: np.exp(np.sin(x)), lambda g, input, y: g * y * (input.cos() * (1 + 1e-8))
    )
    with pytest.raises(AssertionError, match="along a random direction yours is"):
        check_precise(wrong, PLAIN, (a,), {})


def test_broadcasting_of_size_1_is_compared_with_the_repeated_input() -> None:
    wrong = binary(
        lambda x, y: x * (y if y.shape[0] > 1 else y + 1),
        lambda g, input, other: g * (other if other.shape[0] > 1 else other + 1),
        lambda g, input: g * input,
        promote="arithmetic",
    )
    with pytest.raises(CheckError, match="broadcasting: input 1 of size 1 in dim 0, broadcast to"):
        check_op(wrong, [(A, B)])


def test_neural_ops_pass_with_all_their_inputs() -> None:
    x, w, b = array(1, 2, 5, 5), array(3, 2, 3, 3), array(3)
    assert check_op(F.conv2d, [(x, w, b), ((x, w, b), {"stride": 2, "padding": 1})]).ok
    assert check_op(F.cross_entropy, [(A, np.array([1, 0, 3]))]).ok
    assert check_op(F.dropout, [(A, 0.5)], random=True).ok


def test_float32_value_that_went_another_way_is_found_without_a_reference() -> None:
    def cancels(x: np.ndarray) -> np.ndarray:
        return (x + 1e6) - 1e6 if x.dtype == np.float32 else x * 1.0

    with pytest.raises(CheckError, match="precision: float32 output 0: off by"):
        check_op(unary(cancels, lambda g: g), A)


def test_guesses_at_terms_by_exp_of_an_output_and_at_borders_of_large_inputs() -> None:
    def log_softmax(x: np.ndarray) -> np.ndarray:
        return x - np.log(np.exp(x).sum(1, keepdims=True))

    with pytest.raises(CheckError, match=r"averages over dim 1, times exp\(output 0\), is missing"):
        check_op(unary(log_softmax, lambda g: g), A)
    rule = lambda g, input: F.pad((2 * g * input)[:, 1:], (1, 0))  # noqa: E731
    with pytest.raises(CheckError, match=r"only the border of dim 1 is wrong"):
        check_op(unary(np.square, rule), array(20, 40), shrink=False)
