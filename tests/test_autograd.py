"""autograd.grad: what it returns, what it leaves alone, and gradients of gradients."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import grad


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


def test_grad_returns_a_tuple_and_touches_no_grad() -> None:
    x, y = leaf(2.0), leaf(3.0)
    got = grad(x * y, (x, y))
    assert isinstance(got, tuple) and [g.item() for g in got] == [3.0, 2.0]
    assert x.grad is None and y.grad is None


def test_grad_with_respect_to_a_non_leaf() -> None:
    x = leaf(2.0)
    y = x * 3
    z = y * y * x
    gy, gx = grad(z, [y, x])
    assert gy.item() == 2 * 6 * 2
    assert gx.item() == 36 + 24 * 3


def test_grad_of_a_tensor_with_respect_to_itself_is_the_seed() -> None:
    x = leaf(2.0)
    y = x * 3
    assert grad(y, y)[0].item() == 1.0
    assert grad(x, x)[0].item() == 1.0


def test_same_input_twice_gets_the_gradient_twice() -> None:
    x = leaf(2.0)
    a, b = grad(x * 5, (x, x))
    assert a.item() == b.item() == 5.0


def test_unused_input_is_an_error_none_or_zeros() -> None:
    x, y = leaf(2.0), leaf(3.0, 4.0)
    with pytest.raises(RuntimeError, match=r"input 1 of shape \(2,\) was not used.*allow_unused"):
        grad(x * 2, (x, y))
    assert grad(x * 2, (x, y), allow_unused=True)[1] is None
    assert grad(x * 2, (x, y), materialize_grads=True)[1].tolist() == [0.0, 0.0]


def test_input_without_requires_grad_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"input 0 of shape \(1,\) does not"):
        grad(leaf(1.0) * 2, mg.tensor([1.0]))
    with pytest.raises(TypeError, match="must be Tensors; got float"):
        grad(leaf(1.0) * 2, [1.0])


def test_cotangents_are_one_per_output() -> None:
    x = leaf(1.0, 2.0)
    seeds = [mg.tensor(np.array([1.0, 10.0])), mg.tensor(np.array([100.0, 0.0]))]
    (g,) = grad([x * 2, x * 3], x, seeds)
    assert g.tolist() == [302.0, 20.0]
    with pytest.raises(RuntimeError, match="2 tensors and 1 gradients"):
        grad([x * 2, x * 3], x, seeds[:1])


def test_gradient_without_create_graph_is_a_constant() -> None:
    x = leaf(2.0)
    (g,) = grad(x * x, x)
    assert not g.requires_grad


def test_third_derivative() -> None:
    x = leaf(0.7)
    y = (x * x).exp()
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True)
    v = 0.7
    assert y.item() == pytest.approx((8 * v**3 + 12 * v) * np.exp(v * v))


def test_backward_with_create_graph_leaves_a_gradient_that_can_be_differentiated() -> None:
    x = leaf(3.0)
    (x * x * x).backward(create_graph=True)
    assert x.grad.requires_grad
    (g,) = grad(x.grad, x)
    assert g.item() == 18.0


def test_gradient_penalty_matches_the_formula() -> None:
    w, x = leaf(2.0), leaf(3.0)
    (g,) = grad((w * x * x).sum(), x, create_graph=True)  # 2 w x
    penalty = (g * g).sum()
    penalty.backward()
    assert w.grad.item() == 2 * (2 * 2.0 * 3.0) * 2 * 3.0
    assert x.grad.item() == 2 * (2 * 2.0 * 3.0) * 2 * 2.0


def test_grad_inside_no_grad_works_on_a_graph_from_outside() -> None:
    x = leaf(2.0)
    y = x * x
    with mg.no_grad():
        assert grad(y, x)[0].item() == 4.0


def test_retain_graph_defaults_to_create_graph() -> None:
    x = leaf(2.0)
    y = x * x
    grad(y, x, create_graph=True)
    grad(y, x)
    with pytest.raises(RuntimeError, match="second time"):
        grad(y, x)


def test_hook_takes_part_in_grad() -> None:
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    assert grad(y * 1.0, x)[0].item() == 30.0


def test_batched_gradients_are_refused() -> None:
    x = leaf(2.0)
    with pytest.raises(NotImplementedError, match="once per cotangent"):
        grad(x * 2, x, is_grads_batched=True)
