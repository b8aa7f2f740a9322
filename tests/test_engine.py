"""The walk: fan-in, seeds, retained graphs, hooks, and which rules run. Modes and memory apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.op import Array, op
from minigrad.testing.strategies import arrays


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


def test_gradient_of_a_product_is_the_other_factor() -> None:
    x, y = leaf(2.0), leaf(5.0)
    (x * y).sum().backward()
    assert x.grad.item() == 5.0
    assert y.grad.item() == 2.0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), arrays(shape=(3,)))
def test_fan_in_sums_the_cotangents_of_all_uses(uses: list[int], value: np.ndarray) -> None:
    x = mg.tensor(value).requires_grad_()
    pool = [x * 1.0]
    factors = [1.0]
    for pick in uses:
        i, j = pick % len(pool), (3 * pick + 1) % len(pool)
        pool.append(pool[i] + pool[j])
        factors.append(factors[i] + factors[j])
    pool[-1].sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, factors[-1]))


def test_same_tensor_twice_in_one_op_gets_both_cotangents() -> None:
    x = leaf(3.0)
    (x * x).backward(mg.tensor([1.0], dtype=mg.float64))
    assert x.grad.item() == 6.0


def test_backward_of_a_leaf_gives_it_the_seed() -> None:
    x = leaf(3.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_second_backward_with_retained_graph_accumulates_exactly() -> None:
    x = mg.tensor(np.random.default_rng(0).normal(size=50)).requires_grad_()
    y = ((x * x).exp() * x).sum()
    y.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    y.backward(retain_graph=True)
    np.testing.assert_array_equal(x.grad.numpy(), first + first)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), first + first + first)


def test_freed_graph_walked_again_says_retain_graph() -> None:
    x = leaf(1.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"MulBackward0.*second time.*retain_graph=True"):
        y.backward()


def test_graph_that_kept_nothing_may_be_walked_again() -> None:
    x = leaf(1.0)
    y = x + x
    y.backward()
    y.backward()
    assert x.grad.item() == 4.0


def test_non_scalar_without_seed_is_an_error_with_the_right_code() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(
        RuntimeError, match=r"scalar outputs; got shape \(2,\).*\.sum\(\)\.backward"
    ):
        (x * 2).backward()


def test_seed_of_another_shape_is_an_error_with_both_shapes() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"\(2,\); got \(3,\)"):
        (x * 2).backward(mg.tensor(np.ones(3)))


def test_tensor_without_graph_cannot_be_walked() -> None:
    with pytest.raises(RuntimeError, match=r"does not require grad.*requires_grad=True"):
        mg.tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match=r"int64.*only floating"):
        mg.tensor([1]).backward()


def test_integer_tensor_cannot_require_grad() -> None:
    with pytest.raises(RuntimeError, match=r"only floating.*got dtype int64.*\.float\(\)"):
        mg.tensor([1, 2]).requires_grad_()
    with pytest.raises(RuntimeError, match="only floating"):
        mg.tensor([True], requires_grad=True)


def test_two_roots_walk_together() -> None:
    x = leaf(2.0)
    y, z = x * 3, x * x
    mg.autograd.backward([y, z], [mg.tensor([1.0]), mg.tensor([10.0])])
    assert x.grad.item() == 3 + 40


def test_backward_to_inputs_touches_no_other_leaf() -> None:
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    (z * x).backward(inputs=[x])
    assert x.grad.item() == 12.0
    assert y.grad is None


def test_backward_to_a_non_leaf_collects_there() -> None:
    x = leaf(2.0)
    y = x * 3
    (y * y).backward(inputs=[y])
    assert y.grad.item() == 12.0
    assert x.grad is None


def test_backward_to_no_inputs_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"`inputs` is empty"):
        leaf(1.0).backward(inputs=[])
    with pytest.raises(RuntimeError, match="must require grad"):
        leaf(1.0).backward(inputs=[mg.tensor([1.0])])


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_leaf_owns_its_gradient(shape: tuple[int, ...]) -> None:
    a, b = (mg.tensor(np.ones(shape)).requires_grad_() for _ in range(2))
    seed = mg.tensor(np.ones(shape))
    (a + b).backward(seed)
    buffers = [a.grad._data, b.grad._data, seed._data, a._data, b._data]
    for i, x in enumerate(buffers):
        for y in buffers[i + 1 :]:
            assert not np.shares_memory(x, y)
    for g in buffers[:2]:
        assert g.flags.writeable and g.flags.c_contiguous
    a.grad._data[...] = 7
    assert (b.grad.numpy() == 1).all()


def test_gradient_from_a_broadcast_is_writable() -> None:
    x = mg.tensor(np.ones((3, 4))).requires_grad_()
    x.sum().backward()
    x.grad.mul_(2)
    assert (x.grad.numpy() == 2).all()
    x.sum().backward()
    assert (x.grad.numpy() == 3).all()


def test_hook_that_keeps_a_gradient_does_not_share_it_with_the_leaf() -> None:
    x = leaf(1.0, 2.0)
    kept: list[mg.Tensor] = []
    x.register_hook(lambda g: kept.append(g))
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    np.testing.assert_array_equal(kept[0].numpy(), [3.0, 3.0])


def test_hooks_run_in_order_and_replace_the_gradient() -> None:
    x = leaf(1.0)
    y = x * 2
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 10)
    handle = y.register_hook(lambda g: seen.append(g.item()))
    (y * 3).sum().backward(retain_graph=True)
    assert seen == [3.0, 30.0]
    assert x.grad.item() == 60.0
    handle.remove()
    handle.remove()
    seen.clear()
    (y * 3).sum().backward()
    assert seen == [3.0]


def test_hook_that_returns_another_shape_is_refused() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match=r"MulBackward0: a hook must return .*\(2,\).*\(1,\)"):
        y.sum().backward()
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match=r"a hook of a leaf must return .*\(2,\).*\(1,\)"):
        (x * 3).sum().backward()


def test_hook_of_a_leaf_sees_the_sum_of_all_uses_once() -> None:
    x = leaf(1.0)
    seen: list[float] = []
    x.register_hook(lambda g: seen.append(g.item()) or g * 2)
    (x * 2 + x * 3).backward()
    assert seen == [5.0]
    assert x.grad.item() == 10.0


def test_hook_needs_a_tensor_that_requires_grad() -> None:
    with pytest.raises(RuntimeError, match="does not require grad"):
        mg.tensor([1.0]).register_hook(print)


def test_retain_grad_keeps_the_gradient_of_a_non_leaf() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    (y * y).backward(retain_graph=True)
    assert y.grad.item() == 12.0
    (y * y).backward()
    assert y.grad.item() == 24.0


def test_retained_gradient_is_what_all_hooks_have_made() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward(create_graph=True)
    assert y.grad.item() == 10.0


def test_retained_gradient_with_create_graph_can_be_differentiated() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward(create_graph=True)
    assert mg.autograd.grad(y.grad, x)[0].item() == 6.0


def test_only_rules_of_wanted_inputs_run() -> None:
    ran: list[str] = []

    @op
    def spied(input: Array, other: Array) -> Array:
        return input * other

    spied.gradient("input", lambda g, other: ran.append("input") or g * other)
    spied.gradient("other", lambda g, input: ran.append("other") or g * input)
    x, y = leaf(2.0), leaf(3.0)
    spied(x, y.detach()).backward()
    assert ran == ["input"]
    ran.clear()
    mg.autograd.grad(spied(x, y), y)
    assert ran == ["other"]


def test_branch_that_leads_to_no_target_does_not_run() -> None:
    @op
    def no_rule(input: Array) -> Array:
        return input + 1

    x, y = leaf(2.0), leaf(3.0)
    z = no_rule(x) * y
    assert mg.autograd.grad(z, y, retain_graph=True)[0].item() == 3.0
    with pytest.raises(RuntimeError, match=r"no_rule: has no gradient rule for input 'input'"):
        z.backward()


def test_zero_cotangent_still_reaches_the_leaves() -> None:
    x = leaf(2.0)
    ((x * 3) * 0.0).backward()
    assert x.grad.item() == 0.0


def test_error_in_a_rule_leaves_the_mode_as_it_was() -> None:
    @op
    def broken(input: Array) -> Array:
        return input + 1

    @broken.gradient("input")
    def _(g: mg.Tensor) -> mg.Tensor:
        raise KeyError("inside the rule")

    with pytest.raises(KeyError):
        broken(leaf(1.0)).backward()
    assert mg.is_grad_enabled()
    assert (leaf(1.0) * 2).requires_grad


def test_node_is_named_as_in_pytorch() -> None:
    y = leaf(1.0) * 2
    assert y.grad_fn.name() == type(y.grad_fn).__name__ == "MulBackward0"


def test_passes_that_are_not_recorded_agree_with_those_that_are() -> None:
    x, w = leaf(0.5, -1.5), leaf(2.0, 0.3)
    y = ((x * w).tanh() / w - (2 - x).relu() * x).exp() + x[0]
    bare = mg.autograd.grad(y.sum(), [x, w], retain_graph=True)
    recorded = mg.autograd.grad(y.sum(), [x, w], create_graph=True)
    for a, b in zip(bare, recorded):
        assert a.grad_fn is None and b.grad_fn is not None
        np.testing.assert_array_equal(a.numpy(), b.detach().numpy())


def test_backward_is_silent_where_numpy_would_warn() -> None:
    x = leaf(1e-200)
    (1 / x).backward()
    assert x.grad.item() == -np.inf


def test_a_rule_that_calls_ops_by_name_runs_on_arrays_unless_it_looks_at_more() -> None:
    x = mg.randn(2, 3, 8, 8, requires_grad=True)
    conv, norm = mg.nn.Conv2d(3, 4, 3), mg.nn.Sequential(mg.nn.BatchNorm2d(3), mg.nn.ReLU())
    for y in (conv(x), norm(x), x.relu(), x.exp(), x * x, mg.nn.functional.max_pool2d(x, 2)):
        assert y.grad_fn.plan.steps is not None
        recorded = mg.autograd.grad(y.sum(), x, create_graph=True)[0]
        (bare,) = mg.autograd.grad(y.sum(), x)
        assert not bare.requires_grad
        np.testing.assert_allclose(bare.numpy(), recorded.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert mg.cumprod(x, 0).grad_fn.plan.steps is None  # its rule reads shapes and zeros
