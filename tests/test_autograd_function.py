"""autograd.Function: the contract with ctx, and what goes wrong."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import Function, grad, gradcheck, gradgradcheck
from minigrad.autograd.function import once_differentiable


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


class Exp(Function):
    @staticmethod
    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
        (y,) = ctx.saved_tensors
        return g * y


class Scale(Function):
    """A non-tensor argument, a tensor without a gradient, and attributes on ctx."""

    @staticmethod
    def forward(ctx: Any, x: mg.Tensor, factor: float, w: mg.Tensor, flag: bool) -> mg.Tensor:
        ctx.save_for_backward(x, w)
        ctx.factor = factor
        ctx.seen = ctx.needs_input_grad
        return x * w * factor

    @staticmethod
    def backward(ctx: Any, g: mg.Tensor) -> Any:
        x, w = ctx.saved_tensors
        gw = g * x * ctx.factor if ctx.needs_input_grad[2] else None
        return g * w * ctx.factor, None, gw, None


def test_gradients_of_any_order() -> None:
    x = leaf(0.5, -1.0)
    assert gradcheck(Exp.apply, x)
    assert gradgradcheck(Exp.apply, x)
    y = Exp.apply(x)
    assert repr(y.grad_fn) == "<ExpBackward>"
    assert y.requires_grad and not y.is_leaf


def test_non_tensor_arguments_get_none() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    assert gradcheck(lambda x, w: Scale.apply(x, 3.0, w, True), (x, w))
    y = Scale.apply(x, 3.0, w.detach(), True)
    assert y.grad_fn.ctx.seen == (True, False, False, False)
    y.sum().backward()
    assert x.grad.tolist() == [9.0, 12.0] and w.grad is None


def test_forward_does_not_record_and_no_graph_is_made_without_need() -> None:
    class Look(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            assert not mg.is_grad_enabled()
            return x * 2

    assert not Look.apply(mg.ones(2)).requires_grad
    with mg.no_grad():
        assert not Look.apply(leaf(1.0)).requires_grad


class Both(Function):
    @staticmethod
    def forward(ctx: Any, x: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor, mg.Tensor]:
        values, places = x.sort()
        ctx.mark_non_differentiable(places)
        ctx.set_materialize_grads(False)
        return values * 1.0, x * 3, places

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any, _: Any) -> Any:
        ctx.arrived = (g is None, h is None)
        return h * 3 if g is None else (g * 0 if h is None else g * 0 + h * 3)


def test_several_outputs_with_missing_cotangents() -> None:
    x = leaf(2.0, 1.0)
    _values, tripled, places = Both.apply(x)
    assert not places.requires_grad and places.tolist() == [1, 0]
    node = tripled.grad_fn
    tripled.sum().backward()
    assert node.ctx.arrived == (True, False)
    assert x.grad.tolist() == [3.0, 3.0]


def test_missing_cotangents_are_zeros_by_default() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor, h: mg.Tensor) -> mg.Tensor:
            assert g.shape == h.shape
            return g * 2 + h * 3

    x = leaf(1.0, 1.0)
    Two.apply(x)[1].sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert gradcheck(Two.apply, x) and gradgradcheck(Two.apply, x)


def test_straight_through_estimator_and_gradient_reversal() -> None:
    class Through(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            return x.round()

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return -g

    x = leaf(0.4, 1.6)
    y = Through.apply(x)
    assert y.tolist() == [0.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0]


def test_returning_an_input_or_its_view_is_safe() -> None:
    class Same(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return g * ctx.saved_tensors[0]

    x = leaf(3.0)
    y = Same.apply(x)
    assert y is not x and x.is_leaf
    y.mul_(2)
    assert x.item() == 3.0
    y.backward()
    assert x.grad.item() == 6.0


def test_setup_context_may_stand_apart() -> None:
    class Square(Function):
        @staticmethod
        def forward(x: mg.Tensor) -> mg.Tensor:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return g * 2 * ctx.saved_tensors[0]

    assert gradcheck(Square.apply, leaf(1.0, 2.0))


def test_dirty_input_is_changed_in_place() -> None:
    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return g * 2

    x = leaf(1.0, 2.0)
    y = x * 1.0
    assert Double.apply(y) is y
    assert y.tolist() == [2.0, 4.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="a leaf Tensor"):
        Double.apply(leaf(1.0))


def test_saved_tensor_changed_in_place_is_noticed() -> None:
    x = leaf(1.0)
    w = mg.tensor(np.array([2.0]))
    y = Scale.apply(x, 1.0, w, True)
    w.add_(1)
    with pytest.raises(RuntimeError, match=r"ScaleBackward.*modified by an inplace.*add_"):
        y.backward()


def test_second_walk_says_retain_graph() -> None:
    y = Exp.apply(leaf(1.0))
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match=r"ExpBackward.*second time.*retain_graph=True"):
        y.backward()


def test_once_differentiable_refuses_a_second_gradient() -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(3.0)
    assert gradcheck(Square.apply, x)
    (g,) = grad(Square.apply(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        grad(g, x)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        (g * x).backward()


def _returning(value: Any) -> type[Function]:
    class Returns(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor, k: float) -> mg.Tensor:
            return x * k

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> Any:
            return value(g)

    return Returns


def test_wrong_number_type_or_shape_of_gradients_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"one gradient per argument.*got 1 for 2"):
        _returning(lambda g: g).apply(x, 2.0).sum().backward()
    with pytest.raises(TypeError, match="argument 0 must be a Tensor or None; got float"):
        _returning(lambda g: (1.0, None)).apply(x, 2.0).sum().backward()
    with pytest.raises(ValueError, match=r"argument 0 must have its shape \(2,\); got \(3,\)"):
        _returning(lambda g: (mg.ones(3), None)).apply(x, 2.0).sum().backward()


def test_extra_nones_and_broadcast_gradients_are_accepted() -> None:
    x = leaf(1.0, 2.0)
    _returning(lambda g: (g, None, None)).apply(x, 2.0).sum().backward()
    _returning(lambda g: (mg.ones(3, 2), None)).apply(x, 2.0).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]
    assert x.grad.dtype == mg.float64


def test_gradient_of_none_stops_the_walk() -> None:
    x = leaf(1.0)
    _returning(lambda g: (None, None)).apply(x, 2.0).backward()
    assert x.grad is None


def test_function_is_not_instantiated_and_needs_its_methods() -> None:
    with pytest.raises(RuntimeError, match=r"Exp: .*Exp\.apply"):
        Exp()
    with pytest.raises(NotImplementedError, match="define forward"):
        Function.apply(leaf(1.0))

    class NoBackward(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            return x * 2

    with pytest.raises(NotImplementedError, match="define backward"):
        NoBackward.apply(leaf(1.0)).backward()


def test_only_tensors_can_be_saved() -> None:
    class Saves(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            ctx.save_for_backward(x, None, 3)
            return x * 1

    with pytest.raises(TypeError, match=r"save_for_backward: .*got int at place 2"):
        Saves.apply(leaf(1.0))


def test_forward_must_return_tensors() -> None:
    class Number(Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> Any:
            return 3.0

    with pytest.raises(TypeError, match="Number: forward must return Tensors; got float"):
        Number.apply(leaf(1.0))


# misuse, and what is said


def _square(**methods: Any) -> type[Function]:
    """x², with parts replaced."""

    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
        return g * 2 * ctx.saved_tensors[0]

    parts = {"forward": forward, "backward": backward, **methods}
    return type("Square", (Function,), {k: staticmethod(v) for k, v in parts.items()})


def test_methods_must_be_static() -> None:
    with pytest.raises(
        TypeError, match=r"Bad: backward must be a static.*@staticmethod.*def backw"
    ):

        class Bad(Function):
            def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
                return g


def test_forward_called_by_name_is_an_error_with_the_right_code() -> None:
    with pytest.raises(TypeError, match=r"Exp\.forward: .*Call Exp\.apply\(\.\.\.\)"):
        Exp.forward(leaf(1.0))

    class Twice(Exp):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            return Exp.forward(ctx, x)

    assert gradcheck(Twice.apply, leaf(1.0))
    with pytest.raises(TypeError, match=r"Exp\.apply: takes no keyword arguments; got x"):
        Exp.apply(x=leaf(1.0))


def test_output_as_an_attribute_is_an_error_with_the_right_code() -> None:
    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        y = x.exp()
        ctx.kept = (3, y)
        return y

    exp = _square(forward=forward)
    with pytest.raises(RuntimeError, match=r"Square: ctx\.kept holds an output.*save_for_backward"):
        exp.apply(leaf(1.0))
    assert exp.apply(mg.ones(1)).item() > 2  # nothing is recorded


def test_saving_twice_is_an_error() -> None:
    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_backward(x)
        return x * x

    with pytest.raises(RuntimeError, match=r"save_for_backward: may be called once.*all at once"):
        _square(forward=forward).apply(leaf(1.0))


def test_marks_take_tensors() -> None:
    for name in ("mark_dirty", "mark_non_differentiable"):

        def forward(ctx: Any, x: mg.Tensor, name: str = name) -> mg.Tensor:
            getattr(ctx, name)("x")
            return x * x

        with pytest.raises(TypeError, match=rf"{name}: takes Tensors or None; got str at place 0"):
            _square(forward=forward).apply(leaf(1.0))


@pytest.mark.parametrize("raw", [False, True])
def test_input_changed_without_mark_dirty_is_an_error(raw: bool) -> None:
    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        if raw:
            x.detach().numpy()[:] *= 2
        else:
            x.mul_(2)
        return x * 1

    x = mg.tensor([1.0, 2.0])
    with pytest.raises(
        RuntimeError, match=r"Square: forward changed argument 0.*ctx.mark_dirty\(x\)"
    ):
        _square(forward=forward).apply(x)
    with mg.autograd.set_contract_checks(False):
        _square(forward=forward).apply(x)


def test_misuse_of_ctx_shows_the_right_code() -> None:
    def assigns(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        ctx.saved_tensors = (x,)
        return x * x

    def marks(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        ctx.mark_non_differentiable(x > 0)
        return x * x

    for forward, text in (
        (assigns, r"Write ctx\.save_for_backward\(x, y\) in forward"),
        (marks, r"Square: .*must be an output; .*Write ctx\.mark_non_differentiable\(index\)"),
        (lambda ctx, x: x.numpy() * 2, r"Square: .*got ndarray\. Return minigrad\.from_numpy"),
    ):
        with pytest.raises((RuntimeError, TypeError), match=text):
            _square(forward=forward).apply(leaf(1.0))


def test_dirty_tensor_must_be_an_input_and_an_output() -> None:
    def forgets(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x * 1

    def invents(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        y = x * 1
        ctx.mark_dirty(y)
        return y

    with pytest.raises(RuntimeError, match=r"mark_dirty must be returned as an output too"):
        _square(forward=forgets).apply(leaf(1.0) * 1)
    with pytest.raises(RuntimeError, match=r"mark_dirty must be an input; got a tensor of shape"):
        _square(forward=invents).apply(leaf(1.0) * 1)


def test_messages_about_gradients_name_the_line_of_backward() -> None:
    x = leaf(1.0, 2.0)
    for value, text in (
        (lambda g: g, r"Write return g0, g1\. It"),
        (lambda g: (g.detach().numpy(), None), r"got ndarray.*from_numpy.*@once_differentiable"),
        (lambda g: (g.int(), None), r"have its dtype float64; got int32"),
        (lambda g: (g * np.inf, None), r"is inf at \[0\] although"),
        (lambda g: (g.mul_(2), None), r"changed its gradient in place.*g = g \* 2"),
    ):
        with pytest.raises((RuntimeError, TypeError), match=rf"{text}.*test_autograd_function.py:"):
            _returning(value).apply(x, 2.0).backward(mg.ones(2, dtype=mg.float64))


def test_backward_outside_the_graph_is_an_error_in_second_order() -> None:
    def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
        (x,) = ctx.saved_tensors
        return mg.from_numpy(2 * g.detach().numpy() * x.detach().numpy())

    x = leaf(3.0)
    for value in (3.0, 0.0):
        x = leaf(value)
        (g,) = grad(_square(backward=backward).apply(x), x, create_graph=True)
        assert g.item() == 2 * value
        with pytest.raises(RuntimeError, match=r"argument 0 cannot be .*@once_differentiable"):
            (g + x).backward()
    zeros = _square(backward=lambda ctx, g: mg.zeros_like(g))
    (g,) = grad((zeros.apply(x) + x * x).sum(), x, create_graph=True)
    assert grad(g, x)[0].item() == 2.0


KEPT = {  # what forward keeps of x² besides x, and how backward gets at it
    "attribute": (lambda ctx, x: setattr(ctx, "k", 2 * x), lambda ctx: ctx.k),
    "in a list": (lambda ctx, x: setattr(ctx, "k", [2 * x]), lambda ctx: ctx.k[0]),
    "array": (
        lambda ctx, x: setattr(ctx, "k", 2 * x.numpy()),
        lambda ctx: mg.from_numpy(ctx.k),
    ),
    "saved": (lambda ctx, x: ctx.save_for_backward(2 * x), lambda ctx: ctx.saved_tensors[0]),
}


@pytest.mark.parametrize("how", sorted(KEPT))
def test_intermediate_that_was_kept_is_an_error_in_second_order(how: str) -> None:
    keep, kept = KEPT[how]

    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        keep(ctx, x)
        return x * x

    f = _square(forward=forward, backward=lambda ctx, g: g * kept(ctx))
    x = leaf(3.0)
    f.apply(x).backward()
    assert x.grad.item() == 6.0
    y = f.apply(x)
    (g,) = grad(y, x, create_graph=True)
    text = r"argument 0 cannot be .*takes what forward kept.*return from forward.*function.py:"
    with pytest.raises(RuntimeError, match=text):
        grad(g, x)
    grad(f.apply(x), x, create_graph=True)[0].sum()
    assert "requires_grad" not in repr(getattr(y.grad_fn.ctx, "k", ""))


def test_inputs_and_masks_that_were_kept_are_no_error_in_second_order() -> None:
    def forward(ctx: Any, x: mg.Tensor, c: mg.Tensor) -> mg.Tensor:
        ctx.c, ctx.mask = c, x > 0
        ctx.save_for_backward(x, c, x < 0)
        return x * x * c

    def backward(ctx: Any, g: mg.Tensor) -> Any:
        x, c, negative = ctx.saved_tensors
        return (ctx.mask * 2.0 + negative * 2.0) * g * x * c * ctx.c / c, None

    x, c = leaf(3.0, -1.0), mg.tensor([2.0, 5.0], dtype=mg.float64)
    (g,) = grad(_square(forward=forward, backward=backward).apply(x, c).sum(), x, create_graph=True)
    assert grad(g.sum(), x)[0].tolist() == [4.0, 10.0]


def test_function_called_in_a_backward_may_use_numpy_in_its_forward() -> None:
    def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
        (x,) = ctx.saved_tensors
        return g * 2 * _square(forward=identity, backward=lambda ctx, g: g).apply(x)

    def identity(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        return mg.from_numpy(x.numpy() + x.sum().item() * 0)

    x = leaf(3.0)
    (g,) = grad(_square(backward=backward).apply(x), x, create_graph=True)
    assert grad(g, x)[0].item() == 2.0


def test_once_differentiable_also_refuses_where_nothing_that_was_saved_is_in_a_graph() -> None:
    def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
        ctx.slope = 2 * x
        return x * x

    def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
        return g * ctx.slope

    x = leaf(3.0)
    f = _square(forward=forward, backward=once_differentiable(backward))
    (g,) = grad(f.apply(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match="SquareBackward: trying to differentiate twice"):
        grad(g, x)


def test_split_forward_takes_defaults_and_keywords() -> None:
    class Power(Function):
        @staticmethod
        def forward(x: mg.Tensor, n: int = 2) -> mg.Tensor:
            return x**n

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, ctx.n = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> Any:
            return g * ctx.n * ctx.saved_tensors[0] ** (ctx.n - 1), None

    x = leaf(2.0)
    (Power.apply(x) + Power.apply(x, n=3)).backward()
    assert x.grad.item() == 16.0


def test_other_outputs_are_passed_on_and_needs_input_grad_is_that_of_the_inputs() -> None:
    def forward(ctx: Any, x: mg.Tensor) -> Any:
        ctx.save_for_backward(x)
        return x * x, x.numel(), ctx.needs_input_grad

    def backward(ctx: Any, g: mg.Tensor, n: None, m: None) -> mg.Tensor:
        assert n is None and m is None
        return g * 2 * ctx.saved_tensors[0]

    f = _square(forward=forward, backward=backward)
    x = leaf(3.0)
    y, n, needs = f.apply(x)
    y.backward()
    assert (x.grad.item(), n, needs) == (6.0, 1, (True,))
    with mg.no_grad():
        assert f.apply(x)[2] == (True,) and not f.apply(x)[0].requires_grad


def test_saved_outputs_die_by_reference_count() -> None:
    gc.disable()
    try:
        gc.collect()
        x = leaf(1.0, 2.0)
        y = Exp.apply(x)
        (g,) = grad(y.sum(), x, create_graph=True)
        died = weakref.ref(y.grad_fn)
        del y, g
        assert died() is None and gc.collect() == 0
    finally:
        gc.enable()
