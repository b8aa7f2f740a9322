"""Gradients that take over the memory of a cotangent do so only where nobody else has it."""

import subprocess
import sys

import numpy as np
import pytest

import minigrad
from minigrad import nn, opnode
from minigrad.kernels import norm
from minigrad.op import Array, op

SHAPE = (4, 6, 5, 5)


@pytest.fixture
def spared(monkeypatch):
    """For each gradient of a batch norm, whether it could overwrite its cotangent."""
    seen, original = [], norm.batch_norm_grad

    def noted(*args):
        seen.append(args[7])
        return original(*args)

    monkeypatch.setattr(norm, "batch_norm_grad", noted)
    return seen


def images(seed=0, **options):
    return minigrad.tensor(np.random.default_rng(seed).normal(size=SHAPE), **options)


def grads(make, recorded):
    """The gradients of all that `make` names, by a pass that overwrites nothing, if recorded."""
    loss, named = make()
    return [g.detach().numpy() for g in minigrad.autograd.grad(loss, named, create_graph=recorded)]


def chain():
    x, one, two = images(requires_grad=True), nn.BatchNorm2d(6).double(), nn.BatchNorm2d(6).double()
    return (two(one(x).tanh()).tanh() * images(1)).sum(), [x, one.weight, two.bias]


def shared_by_two():
    x, one, two = images(requires_grad=True), nn.BatchNorm2d(6).double(), nn.BatchNorm2d(6).double()
    return ((one(x) + two(x * x)) * images(1)).sum(), [x, one.weight, two.weight]


def shared_with_a_leaf():
    x, z = images(requires_grad=True), images(2, requires_grad=True)
    one = nn.BatchNorm2d(6).double()
    return ((one(x) + z).exp() * images(1)).sum(), [z, x, one.weight]


def wanted_itself():
    x, one = images(requires_grad=True), nn.BatchNorm2d(6).double()
    y = one(x)
    return (y.exp() * images(1)).sum(), [y, x]


def seen_through_a_view():
    x, one = images(requires_grad=True), nn.BatchNorm2d(6).double()
    flat = one(x).reshape(4, -1)
    return (flat.exp() * images(1).reshape(4, -1)).sum(), [x, flat]


@pytest.mark.parametrize(
    "make", [chain, shared_by_two, shared_with_a_leaf, wanted_itself, seen_through_a_view]
)
def test_gradients_are_those_of_a_recorded_pass(make):
    for got, expected in zip(grads(make, False), grads(make, True), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(opnode.USUAL == 0, reason="a debugger looks on, so nothing is taken over")
def test_a_cotangent_that_only_the_walk_has_is_overwritten(spared):
    loss, named = chain()
    minigrad.autograd.grad(loss, named)
    assert spared == [True, True]


def test_a_cotangent_that_the_user_gave_is_left_alone(spared):
    x, g = images(requires_grad=True), images(1)
    before = g.numpy().copy()
    nn.BatchNorm2d(6).double()(x).backward(g)
    assert spared == [False]
    np.testing.assert_array_equal(g.numpy(), before)


def test_a_cotangent_that_a_hook_kept_is_left_alone(spared):
    x, kept = images(requires_grad=True), []
    y = nn.BatchNorm2d(6).double()(x)
    y.register_hook(lambda g: kept.append(g))
    (y.exp() * images(1)).sum().backward()
    assert spared == [False]
    np.testing.assert_allclose(kept[0].numpy(), (y.exp() * images(1)).detach().numpy())


def test_a_retained_gradient_is_not_what_is_overwritten():
    x = images(requires_grad=True)
    y = nn.BatchNorm2d(6).double()(x)
    y.retain_grad()
    (y.exp() * images(1)).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), (y.exp() * images(1)).detach().numpy())


def test_a_rule_of_a_users_op_may_ask_and_is_told_no():
    told = []

    @op
    def twice(input: Array):
        return 2 * input

    @twice.gradient("input")
    def _(g, spare):
        told.append(spare)
        return 2 * g

    twice(images(requires_grad=True)).exp().sum().backward()
    assert told == [False]


def test_nothing_is_taken_over_where_a_debugger_looked_on():
    code = (
        "import sys; sys.settrace(lambda *args: None); import minigrad.opnode as o\n"
        "import minigrad.differentiate as d; assert o.USUAL == d.USUAL == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
