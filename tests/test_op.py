"""How ops are declared: signatures, what rules may name, promotion, unbroadcasting, methods."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.op import Array, composite, op, registry
from minigrad.testing.strategies import broadcastable


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


def test_declaration_gives_function_method_and_registry_entry() -> None:
    @op(method="thrice")
    def thrice(input: Array) -> Array:
        """Three times the input."""
        return 3 * input

    thrice.gradient("input", lambda g: g * 3)
    try:
        x = leaf(2.0)
        assert "thrice" not in registry  # which lists minigrad's own
        assert thrice(x).item() == x.thrice().item() == 6.0
        assert thrice.__doc__ == "Three times the input."
        assert str(inspect.signature(thrice)) == "(input: 'Array') -> 'Array'"
        x.thrice().backward()
        assert x.grad.item() == 3.0
        assert repr(thrice(x).grad_fn) == "<ThriceBackward0>"
    finally:
        del mg.Tensor.thrice


def test_annotations_may_be_types() -> None:
    def same(input, other=None):  # type: ignore[no-untyped-def]
        return input

    same.__annotations__ = {"input": Array, "other": Array | None}
    assert op(same).op.inputs == ("input", "other")


def test_inputs_must_be_annotated() -> None:
    with pytest.raises(TypeError, match=r"nothing: .*Array"):

        @op
        def nothing(input: int) -> int:
            return input


def test_rule_for_an_unknown_input_is_refused() -> None:
    @op
    def same(input: Array) -> Array:
        return input

    with pytest.raises(TypeError, match=r"same: has no input 'x'; its inputs are \('input',\)"):
        same.gradient("x", lambda g: g)
    with pytest.raises(TypeError, match=r"same: a rule .* may name .*got 'nonsense'"):
        same.gradient("input", lambda g, nonsense: g)


def test_rule_gets_what_it_names() -> None:
    got: dict[str, object] = {}

    @op
    def scaled(input: Array, other: Array, factor: float = 2.0) -> Array:
        return input * other * factor

    @scaled.gradient("input")
    def _(g, y, other, input_shape, factor, needs):  # type: ignore[no-untyped-def]
        got.update(y=y.tolist(), other=other.tolist(), shape=input_shape, needs=needs, f=factor)
        return g * other * factor

    scaled(leaf(3.0), leaf(5.0).detach(), factor=4.0).backward()
    assert got == {"y": [60.0], "other": [5.0], "shape": (1,), "needs": ("input",), "f": 4.0}


def test_joint_rule_returns_one_gradient_per_input() -> None:
    @op
    def times(input: Array, other: Array) -> Array:
        return input * other

    @times.gradient("input", "other")
    def _(g, input, other):  # type: ignore[no-untyped-def]
        return g * other, g * input

    x, y = leaf(3.0), leaf(5.0)
    times(x, y).backward()
    assert (x.grad.item(), y.grad.item()) == (5.0, 3.0)


def test_several_outputs_and_a_missing_cotangent() -> None:
    @op(outputs="first second")
    def both(input: Array) -> tuple[Array, Array]:
        return 2 * input, 3 * input

    @both.gradient("input")
    def _(g):  # type: ignore[no-untyped-def]
        return g[0] * 2 + g[1] * 3

    x = leaf(1.0)
    first, second = both(x)
    assert (first.output_nr, second.output_nr) == (0, 1)
    second.backward(retain_graph=True)
    assert x.grad.item() == 3.0
    (first + second).backward()
    assert x.grad.item() == 8.0


def test_integer_output_carries_no_gradient() -> None:
    @op(outputs="values indices")
    def largest(input: Array) -> tuple[Array, Array]:
        return input.max(), input.argmax()

    @largest.gradient("input")
    def _(g, indices, input_shape):  # type: ignore[no-untyped-def]
        grad = np.zeros(input_shape)
        grad[indices.item()] = g.item()
        return mg.tensor(grad)

    x = leaf(1.0, 5.0, 2.0)
    values, indices = largest(x)
    assert values.requires_grad and not indices.requires_grad
    values.backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_byproduct_reaches_the_rule_and_not_the_caller() -> None:
    @op(byproducts="root")
    def rooted(input: Array) -> tuple[Array, Array]:
        root = np.sqrt(input)
        return root.copy(), root

    rooted.gradient("input", lambda g, root: g / (root * 2))
    x = leaf(4.0)
    rooted(x).backward()
    assert x.grad.item() == 0.25


def test_differentiating_a_byproduct_is_an_error_and_not_a_zero() -> None:
    @op(byproducts="root")
    def rooted(input: Array) -> tuple[Array, Array]:
        root = np.sqrt(input)
        return root.copy(), root

    rooted.gradient("input", lambda g, root: g / (root * 2))
    x = leaf(4.0)
    (g,) = mg.autograd.grad(rooted(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"rooted: .*by-product 'root'.*setting"):
        mg.autograd.grad(g, x)
    with pytest.raises(RuntimeError, match="by-product 'root'"):
        mg.autograd.grad(rooted(x), x, create_graph=True)[0].backward()


def test_variadic_input_takes_any_number() -> None:
    @op
    def total(tensors: Sequence[Array]) -> Array:
        return sum(tensors)

    total.gradient("tensors", lambda g, tensors: [g for _ in tensors])
    x, y = leaf(1.0), leaf(2.0)
    total([x, y, mg.tensor([3.0], dtype=mg.float64), x]).backward()
    assert (x.grad.item(), y.grad.item()) == (2.0, 1.0)
    with pytest.raises(TypeError, match=r"total: tensors must be a list or tuple"):
        total(x)
    with pytest.raises(TypeError, match=r"tensors\[1\] must be a Tensor; got str"):
        total([x, "y"])


def test_optional_input_may_be_none() -> None:
    @op
    def affine(input: Array, bias: Array | None = None) -> Array:
        return input * 1 if bias is None else input + bias

    affine.gradient("input", lambda g: g)
    affine.gradient("bias", lambda g: g)
    x, b = leaf(1.0), leaf(2.0)
    affine(x).backward()
    affine(x, b).backward()
    affine(x, bias=b).backward()
    assert (x.grad.item(), b.grad.item()) == (3.0, 2.0)


def test_rule_with_a_wrong_shape_is_an_error() -> None:
    @op
    def same(input: Array) -> Array:
        return input

    same.gradient("input", lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"same: the gradient of 'input'.*\(2,\).*returned \(\)"):
        same(leaf(1.0, 2.0)).backward(mg.tensor([1.0, 1.0]))


@given(broadcastable(2))
def test_gradient_is_summed_back_over_broadcast_dims(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (mg.tensor(a).requires_grad_() for a in pair)
    z = x * y
    seed = np.arange(1.0, z.numel() + 1).reshape(z.shape)
    z.backward(mg.tensor(seed))
    for t, other in ((x, pair[1]), (y, pair[0])):
        full = seed * other
        axes = tuple(range(full.ndim - t.ndim))
        expected = full.sum(axes)
        axes = tuple(i for i, n in enumerate(t.shape) if n == 1)
        np.testing.assert_allclose(
            t.grad.numpy(), expected.sum(axes, keepdims=True).reshape(t.shape)
        )


def test_gradient_has_the_dtype_of_its_input() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = mg.tensor([1.0, 2.0], dtype=mg.float64).requires_grad_()
    z = x * y
    assert z.dtype == mg.float64
    z.sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (mg.float32, mg.float64)


def test_python_scalars_are_weak() -> None:
    x = mg.tensor([1.0])
    assert (x * 1.5).dtype == (1.5 * x).dtype == mg.float32
    assert (mg.tensor([1]) * 2).dtype == mg.int64
    assert (mg.tensor([1]) * 2.0).dtype == mg.float32
    assert (mg.tensor([True]) * 2).dtype == mg.int64


def test_zero_dim_tensors_do_not_raise_the_dtype_of_others() -> None:
    x = mg.tensor([1.0])
    assert (x * mg.tensor(2.0, dtype=mg.float64)).dtype == mg.float32
    assert (mg.tensor([1]) * mg.tensor(2.0)).dtype == mg.float32


def test_arrays_may_stand_for_tensors_on_either_side() -> None:
    x = leaf(1.0, 2.0)
    a = np.array([3.0, 4.0])
    for y in (x * a, a * x):
        assert isinstance(y, mg.Tensor) and y.requires_grad
        assert y.tolist() == [3.0, 8.0]


def test_shapes_that_do_not_broadcast_are_both_named() -> None:
    with pytest.raises(ValueError, match=r"add: shapes must broadcast.*input \(2,\), other \(3,\)"):
        mg.ones(2) + mg.ones(3)
    with pytest.raises(RuntimeError):
        mg.ones(2) + mg.ones(3)


def test_wrong_type_names_the_argument() -> None:
    with pytest.raises(TypeError, match=r"mul: other must be a Tensor or a number; got str"):
        mg.mul(mg.ones(2), "x")


def test_missing_and_unknown_arguments_are_type_errors() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'other'"):
        mg.mul(mg.ones(2))
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        mg.exp(mg.ones(2), wrong=1)
    with pytest.raises(TypeError, match=r"multiple values|unexpected"):
        mg.mul(mg.ones(2), mg.ones(2), other=mg.ones(2))
    with pytest.raises(TypeError):
        mg.mul(mg.ones(2), mg.ones(2), mg.ones(2))


def test_axis_and_keepdims_stand_for_dim_and_keepdim() -> None:
    x = mg.ones(2, 3)
    assert x.sum(axis=1, keepdims=True).shape == (2, 1)
    assert mg.sum(x, axis=0).shape == (3,)


def test_not_differentiable_op_never_enters_a_graph() -> None:
    @op(differentiable=False)
    def steps(input: Array) -> Array:
        return np.floor(input)

    assert not steps(leaf(1.5)).requires_grad


def test_composite_is_registered_and_differentiates_through_its_ops() -> None:
    @composite
    def squared_sum(input: mg.Tensor, dim: int = 0) -> mg.Tensor:
        """Sum of squares."""
        return (input * input).sum(dim)

    x = leaf(1.0, 2.0)
    assert "squared_sum" not in registry
    squared_sum(x, axis=0).backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_numpy_warnings_are_not_passed_on() -> None:
    assert mg.tensor([1.0]).div(0.0).item() == np.inf
    assert np.isnan(mg.tensor([-1.0]).log().item())
    assert np.isinf(mg.tensor([1e30]).mul(1e30).item())
