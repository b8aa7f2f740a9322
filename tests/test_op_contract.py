"""Ops declared by users: what a declaration, a forward and a rule must hold, and what is said."""

from __future__ import annotations

import copy
import gc
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import functional, grad, gradcheck, gradgradcheck, set_contract_checks
from minigrad.op import Array, op


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


@pytest.fixture(autouse=True)
def _methods() -> Iterator[None]:
    before = set(vars(mg.Tensor))
    yield
    for name in set(vars(mg.Tensor)) - before:
        delattr(mg.Tensor, name)


def declared(rule: Any, **how: Any) -> Any:
    """x² with another gradient rule."""

    @op(**how)
    def square(input: Array) -> Array:
        return input * input

    square.gradient("input", rule)
    return square


# declaring


def test_whole_declaration_in_one_op() -> None:
    @op(outputs="y count", byproducts="scale", method="weigh", inplace="weigh_", constant="mask")
    def weigh(input: Array, mask: Array, bias: Array | None = None, *, factor: float = 2.0) -> Any:
        scale = mask * factor
        y = input * scale if bias is None else input * scale + bias
        return y, np.array((mask > 0).sum()), scale

    weigh.gradient("input", lambda g, mask, factor: g * mask * factor)
    weigh.gradient("bias", lambda g: g)
    x, mask, b = leaf(1.0, 2.0), leaf(1.0, 0.5), leaf(0.1, 0.2)
    y, count = weigh(x, mask, b, factor=3.0)
    assert (count.item(), count.requires_grad) == (2, False)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 1.5] and b.grad.tolist() == [1.0, 1.0] and mask.grad is None
    assert x.weigh(mask)[0].tolist() == [2.0, 2.0]
    assert gradcheck(lambda x, b: weigh(x, mask, b)[0], (x, b))
    assert gradgradcheck(lambda x, b: weigh(x, mask, b)[0], (x, b))


def test_constant_output_carries_no_gradient() -> None:
    @op(outputs="y size", constant="size")
    def sized(input: Array) -> Any:
        return 2 * input, np.abs(input)

    sized.gradient("input", lambda g: g * 2)
    x = leaf(3.0)
    y, size = sized(x)
    assert y.requires_grad and not size.requires_grad
    y.backward()
    assert x.grad.item() == 2.0
    only = op(constant="y")(lambda_forward())
    assert not only(x).requires_grad


def lambda_forward() -> Any:
    def floor(input: Array) -> Array:
        return np.floor(input)

    return floor


def test_input_without_a_rule_is_an_error_only_if_its_gradient_is_wanted() -> None:
    @op
    def product(input: Array, weight: Array) -> Array:
        return input * weight

    product.gradient("input", lambda g, weight: g * weight)
    x, w = leaf(2.0), leaf(3.0)
    product(x, w.detach()).backward()
    assert x.grad.item() == 3.0
    grad(product(x, w), x)
    with pytest.raises(RuntimeError, match=r"product: .*'weight'.*@op\(constant='weight'\)"):
        product(x, w).backward()


def test_jitted_forward_with_the_right_signature_is_an_op() -> None:
    numba = pytest.importorskip("numba", reason="the reference runs without")

    @op
    @numba.njit
    def cube(input: Array, factor: float = 1.0) -> Array:
        out = np.empty_like(input)
        for i in range(input.size):
            out[i] = factor * input[i] ** 3
        return out

    cube.gradient("input", lambda g, input, factor: g * input**2 * (3 * factor))
    assert gradcheck(lambda x: cube(x, 2.0), leaf(1.0, -0.5))

    @op
    @numba.njit
    def broken(input: Array, steps: tuple[int, ...] = (1,)) -> Array:
        return input + steps.missing

    text = r"broken: Numba cannot compile.*got input \(1,\) float64, steps \(2,\).*'missing'.*py:\d"
    with pytest.raises(TypeError, match=text):
        broken(leaf(1.0), (2,))


def test_scalar_of_a_kernel_takes_the_dtype_of_the_inputs() -> None:
    @op
    def total(input: Array) -> Any:
        return float(input.sum())

    assert total(mg.ones(3)).dtype == mg.float32


def test_lists_of_inputs_and_numbers_are_known_however_they_are_annotated() -> None:
    def total(xs: Any, power: Any = 1) -> Any:
        return sum(x**power for x in xs)

    for kind in ("Sequence[Array]", "list[Array]", list[Array], tuple[Array, ...]):
        for number in ("int", int):
            total.__annotations__ = {"xs": kind, "power": number}
            summed = op(total)
            summed.gradient("xs", lambda g, xs: [g] * len(xs))
            x, y = leaf(1.0), leaf(2.0)
            summed([x, y]).backward()
            assert x.grad.item() == y.grad.item() == 1.0
            with pytest.raises(TypeError, match=r"total: power must be an int; got power 2\.5"):
                summed([x, y], 2.5)
            with pytest.raises(TypeError, match=r"total: .* 'powr'; .* are xs, power\."):
                summed([x, y], powr=2)


def test_declarations_that_mean_nothing_are_refused() -> None:
    def starred(*tensors: Array) -> Any: ...
    def mixed(tensors: Sequence[Array], weight: Array) -> Any: ...
    def plain(input: Array) -> Any: ...

    for forward, how, text in (
        (starred, {}, r"starred: .*got \*tensors.*Sequence\[Array\]"),
        (mixed, {}, r"mixed: .*must be the only one; got inputs tensors, weight"),
        (plain, {"promote": "yes"}, r"plain: promote must be 'arithmetic' or 'float'; got 'yes'"),
        (plain, {"outputs": "input b"}, r"plain: outputs .*names of their own; got input"),
        (plain, {"constant": "mask"}, r"plain: constant must name .*\(input, y\); got mask"),
        (plain, {"method": "add"}, r"plain: Tensor has a 'add' already"),
        (plain, {"inplace": "mul_"}, r"plain: Tensor has a 'mul_' already"),
    ):
        with pytest.raises(TypeError, match=text):
            op(**how)(forward)  # type: ignore[call-overload]
    square = declared(lambda g, input: g * 2 * input)
    with pytest.raises(TypeError, match=r"square: has a gradient rule for input 'input' already"):
        square.gradient("input", lambda g: g)
    with pytest.raises(TypeError, match=r"square: a rule takes the cot.*got no param.*py:\d+"):
        declared(lambda: None)
    with pytest.raises(TypeError, match=r"\(input, y, needs\); got 'x'"):
        declared(lambda g, x: g)
    for _ in range(2):  # a cell that is run again
        declared(lambda g: g, method="squared_twice", inplace="squared_twice_")


# the forward


def test_changed_input_is_named_and_restored() -> None:
    @op
    def spoils(input: Array, other: Array) -> Array:
        other *= 2
        return input + other

    x = mg.tensor([1.0, 2.0])
    with pytest.raises(
        RuntimeError, match=r"spoils: forward must not change.*'other' of shape \(2"
    ):
        spoils(mg.ones(2), x)
    assert x.tolist() == [1.0, 2.0]
    with set_contract_checks(False):
        spoils(mg.ones(2), mg.ones(2))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "got None. Does it end in a return"),
        (mg.ones(2), "got a Tensor. A forward gets and gives ndarrays"),
        ((1, 2), r'got a tuple. Several outputs are declared.*outputs="values indices"'),
        (np.array([None]), "array of numbers; got dtype object"),
    ],
)
def test_what_is_no_array_is_refused(value: Any, text: str) -> None:
    @op
    def gives(input: Array) -> Any:
        return value

    with pytest.raises(TypeError, match=f"gives: .*{text}"):
        gives(mg.ones(2))


def test_number_of_outputs_is_checked() -> None:
    @op(outputs="a b", byproducts="c")
    def gives(input: Array) -> Any:
        return input, input

    with pytest.raises(
        TypeError, match=r"return 3 values \(a, b, c\) as a tuple; got a tuple of 2"
    ):
        gives(mg.ones(2))


def test_output_never_shares_memory_with_an_input() -> None:
    @op
    def head(input: Array) -> Array:
        return input[:1]

    @op
    def same(input: Array) -> Array:
        return input

    x = mg.ones(2)
    for y in (head(x), same(x)):
        y.add_(1)
    assert x.tolist() == [1.0, 1.0]


# the rule


@pytest.mark.parametrize(
    ("rule", "kind", "text"),
    [
        (lambda g: g.sum(), RuntimeError, r"shape \(2,\); the rule returned \(\)\. The rule"),
        (lambda g: 0.0, TypeError, r"must be a Tensor or None; got a float. Return None if"),
        (lambda g: g.detach().numpy(), TypeError, r"got a ndarray. Rules are written with ops"),
        (lambda g: g.int(), RuntimeError, r"have its dtype float64; the rule returned int32"),
        (lambda g: g.float(), RuntimeError, r"have its dtype float64; the rule returned float32"),
        (lambda g: g.mul_(2), RuntimeError, r"changed what it was given in place.*g = g \* 2"),
        (lambda g, input: g / (input - 1), RuntimeError, r"is inf at \[0\] although.*where"),
    ],
)
def test_rule_that_breaks_the_contract_is_named(rule: Any, kind: Any, text: str) -> None:
    square = declared(rule)
    for _ in range(2):  # also when the shapes are known
        with pytest.raises(kind, match=rf"(?s)square: .*{text}.*test_op_contract.py:\d+") as e:
            square(leaf(1.0, 2.0)).backward(mg.tensor(np.ones(2)))
        assert "'input'" in str(e.value)


def test_joint_rule_must_return_one_gradient_per_input() -> None:
    @op
    def times(input: Array, other: Array) -> Array:
        return input * other

    times.op.gradient("input", "other", lambda g, input, other: g * other)
    with pytest.raises(
        RuntimeError, match=r"tuple of 2 gradients.*'input', 'other'; got one Tensor"
    ):
        times(leaf(1.0), leaf(2.0)).backward()

    @op
    def total(tensors: Sequence[Array]) -> Array:
        return sum(tensors)

    total.gradient("tensors", lambda g: [g])
    with pytest.raises(RuntimeError, match=r"tuple of 2 gradients.*tensors in the list; got 1"):
        total([leaf(1.0), leaf(2.0)]).backward()


def test_kept_input_changed_by_numpy_in_the_rule_is_noticed() -> None:
    def rule(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        input.detach().numpy()[:] = 0
        return g

    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="changed what it was given"):
        declared(rule)(x).backward()
    assert x.item() == 1.0


def test_infinite_gradient_is_let_through_where_values_are_infinite_or_checks_are_off() -> None:
    square = declared(lambda g, input: g * input)
    x = leaf(np.inf, 1.0)
    square(x).backward(mg.tensor(np.ones(2)))
    assert np.isinf(x.grad[0].item())
    with set_contract_checks(False):
        declared(lambda g, input: g / (input - 1))(leaf(1.0)).backward()
    set_contract_checks(True)


def test_large_gradients_are_looked_through_at_times() -> None:
    square = declared(lambda g, input: g / (input - 1))
    x = mg.ones(2000, dtype=mg.float64).requires_grad_()
    with pytest.raises(RuntimeError, match=r"shape \(2000,\), is inf at \[0\]"):
        square(x).sum().backward()


# the second order


RAW = {
    "detach": lambda g, input: g.detach() * 2 * input,
    "numpy": lambda g, input: mg.from_numpy(2 * g.detach().numpy() * input.detach().numpy()),
    "data": lambda g, input: g.data * input.data * 2,
    "detach in part": lambda g, input: g * 2 * input.detach(),
    "detach, clone": lambda g, input: g * input.detach().clone().mul_(2),
    "detach_": lambda g, input: g * 2 * (input * 1).detach_(),
    "detach, as a leaf": lambda g, input: g * 2 * input.detach().requires_grad_(),
    "detach, not as a leaf": lambda g, input: g * 2 * input.detach().requires_grad_(False),
    "data in part": lambda g, input: g * 2 * input.data,
    "set data": lambda g, input: g * 2 * _with_data(input),
    "numpy in part": lambda g, input: g * mg.from_numpy(2 * input.detach().numpy()),
    "times an array": lambda g, input: g * (2 * input.detach().numpy()),
    "asarray": lambda g, input: g * mg.from_numpy(2 * np.asarray(input.detach())),
    "numpy without detach": lambda g, input: g * (2 * input.numpy()),
    "dlpack": lambda g, input: g * (2 * np.from_dlpack(input.detach())),
    "tolist": lambda g, input: g * mg.tensor(input.tolist(), dtype=g.dtype) * 2,
    "item": lambda g, input: g * 2 * input.item(),
    "float": lambda g, input: g * (2 * float(input)),
    "tensor": lambda g, input: g * mg.tensor(2 * input),
    "full": lambda g, input: g * mg.full((1,), 2 * input, dtype=g.dtype),
    "no_grad": lambda g, input: g * _unrecorded(input),
    "set_grad_enabled": lambda g, input: g * _switched_off(input),
    "grad": lambda g, input: _graded(g, input, create_graph=False),
    "backward": lambda g, input: _backward(g, input),
    "setting": lambda g, input: g * _scaled(mg.ones_like(g), 2 * input),
}


def _with_data(input: mg.Tensor) -> mg.Tensor:
    t = mg.zeros_like(input)
    t.data = input
    return t


@mg.no_grad()
def _unrecorded(input: mg.Tensor) -> mg.Tensor:
    return 2 * input


def _switched_off(input: mg.Tensor) -> mg.Tensor:
    before = mg.is_grad_enabled()
    mg.set_grad_enabled(False)
    out = 2 * input
    mg.set_grad_enabled(before)
    return out


def _graded(g: mg.Tensor, input: mg.Tensor, create_graph: bool) -> Any:
    with mg.enable_grad():
        x = input if input.requires_grad else input.detach().requires_grad_()
        return grad(x * x, x, g, create_graph=create_graph)[0]


def _backward(g: mg.Tensor, input: mg.Tensor) -> Any:
    with mg.enable_grad():
        x = input.detach().requires_grad_()
        (x * x).backward(g)
    return x.grad


@op
def _scaled(input: Array, factor: Any) -> Array:
    return input * np.asarray(factor)


_scaled.gradient("input", lambda g, factor: g * factor)


@pytest.mark.parametrize("how", sorted(RAW))
def test_rule_that_leaves_the_graph_is_an_error_in_second_order(how: str) -> None:
    square = declared(RAW[how])
    x = leaf(3.0)
    square(x).backward()
    assert x.grad.item() == 6.0
    text = (
        r"(?s)square: the gradient of 'input' cannot .*values left the graph at "
        r".*test_op_contract.py:\d+ \(.*test_op_contract.py:\d+.*square_grad\(g"
    )
    (g,) = grad(square(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match=text):
        grad(g, x)
    (g,) = grad(square(square(x)), x, create_graph=True)
    with pytest.raises(RuntimeError, match=text):
        (g + x).backward()
    zero = leaf(0.0)  # where what it returns happens to be zero
    (g,) = grad(square(zero), zero, create_graph=True)
    with pytest.raises(RuntimeError, match=text):
        grad(g, zero)


def test_copied_leaf_has_left_the_graph() -> None:
    x = leaf(3.0)
    (g,) = grad(declared(lambda g, input: g * 2 * copy.deepcopy(input))(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"values left the graph at .*copy.py:\d+"):
        grad(g, x)


def test_what_leaves_the_graph_in_one_rule_leaves_others_alone() -> None:
    @op
    def product(input: Array, weight: Array) -> Array:
        return input * weight

    product.gradient("input", lambda g, weight: g * weight.item())
    product.gradient("weight", lambda g, input: g * input)
    x, w = leaf(2.0), leaf(3.0)
    gx, gw = grad(product(x, w), (x, w), create_graph=True)
    assert grad(gw, x, retain_graph=True)[0].item() == 1.0
    with pytest.raises(RuntimeError, match="product: the gradient of 'input' cannot"):
        grad(gx, w)
    assert not mg.engine.mode.trace


def test_trace_of_a_rule_that_raises_ends() -> None:
    def rule(g: mg.Tensor) -> Any:
        raise KeyError("mine")

    x = leaf(2.0)
    with pytest.raises(KeyError):
        grad(declared(rule)(x), x, create_graph=True)
    assert not x.detach().requires_grad


def test_setting_that_requires_grad_is_an_error() -> None:
    x, w = leaf(2.0), leaf(3.0)
    with pytest.raises(RuntimeError, match=r"scaled: 'factor' is a setting.*factor.detach"):
        _scaled(x, w)
    _scaled(x, w.detach()).backward()
    assert x.grad.item() == 3.0
    with mg.no_grad():
        assert _scaled(x, w).item() == 6.0


def test_product_with_the_jacobian_of_a_raw_rule_is_an_error_and_not_zero() -> None:
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        functional.jvp(declared(RAW["numpy"]), mg.tensor([3.0]), mg.tensor([1.0]))


def test_rules_written_with_ops_do_not_cry_wolf() -> None:
    relu = declared(lambda g, input: g * (input > 0).double())
    for mask in (
        lambda g, input: g * (input.detach() > 0),
        lambda g, input: g * (input.data.sign() + 1).floor().clamp(max=1),
        lambda g, input: mg.where(input.detach() > 0, g, mg.zeros_like(g)),
        lambda g, input: g.index_fill(0, input.detach().argsort(), 0) + g * int(input.sum() > -9),
        lambda g, input: g if bool(input.sum() > 9) else g * 1,
        lambda g, input: f"{input.sum():.1f} {input}" and g * 1,
    ):
        x = leaf(-1.0, 0.5, 2.0)
        (g,) = grad((declared(mask)(x) + x**3).sum(), x, create_graph=True)
        assert grad(g.sum(), x)[0].tolist() == [-6.0, 3.0, 12.0]
    sign = declared(lambda g: mg.zeros_like(g))
    none = declared(lambda g: None)
    same = declared(lambda g: g)
    x = leaf(-1.0, 0.0, 2.0)
    for f in (relu, sign, none, same):
        y = (f(x) + x**3).sum()
        (g,) = grad(y, x, create_graph=True)
        (h,) = grad(g.sum(), x)
        assert h.tolist() == [-6.0, 0.0, 12.0]
    (g,) = grad(same(x).sum(), x, create_graph=True)
    assert not g.requires_grad  # as for an op of our own
    functional.jvp(sign, x, mg.tensor(np.ones(3)))


def test_composite_rule_with_grad_inside_is_in_the_graph() -> None:
    def rule(g: mg.Tensor, input: mg.Tensor) -> Any:
        return _graded(g, input, create_graph=mg.is_grad_enabled())

    assert gradcheck(declared(rule), leaf(1.0, 2.0))
    assert gradgradcheck(declared(rule), leaf(1.0, 2.0))


def test_graph_of_a_custom_op_dies_by_reference_count() -> None:
    square = declared(lambda g, y, input: g * 2 * input + y * 0)
    gc.disable()
    try:
        gc.collect()
        x = leaf(1.0, 2.0)
        (g,) = grad(square(x).sum(), x, create_graph=True)
        grad(g.sum(), x)
        del x, g
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_nothing_is_printed_by_a_correct_op() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        declared(lambda g, input: g * 2 * input)(leaf(1.0)).backward()


def test_methods_views_and_broadcasting_of_custom_ops() -> None:
    @op(method="scaled", inplace="scaled_", promote="arithmetic")
    def scaled(input: Array, other: Array) -> Array:
        return input * other

    scaled.gradient("input", lambda g, other: g * other)
    scaled.gradient("other", lambda g, input: g * input)

    @op(view=True, method="tail")
    def tail(input: Array) -> Array:
        return input[1:]

    tail.gradient("input", lambda g: mg.cat([g[:1] * 0, g]))
    x, w = leaf(1.0, 2.0), leaf(3.0)
    (x * 1).scaled_(w).tail().scaled(2.0).backward()
    assert x.grad.tolist() == [0.0, 6.0] and w.grad.tolist() == [4.0]
    y = x.detach()
    y.tail().add_(1)
    assert y.tolist() == [1.0, 3.0]
    assert gradcheck(scaled, (leaf(1.0, 2.0), leaf(3.0)))
    assert gradgradcheck(scaled, (leaf(1.0, 2.0), leaf(3.0)))
