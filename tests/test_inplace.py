"""In-place changes: the graph afterwards, what is refused, and the messages."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minigrad as mg


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


def test_in_place_op_returns_self_and_changes_the_memory() -> None:
    x = mg.tensor([1.0, 2.0])
    before = x._data
    assert x.mul_(3) is x
    assert x._data is before
    assert x.tolist() == [3.0, 6.0]


def test_in_place_op_enters_the_graph() -> None:
    x = leaf(2.0, 3.0)
    y = x * 1.0
    y.mul_(x)
    y.exp_()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy() * np.exp([4.0, 9.0]))


def test_augmented_assignment_changes_in_place() -> None:
    x = leaf(2.0)
    y = x * 3
    alias = y
    y += 1
    y *= x
    y -= 4
    y /= 2
    assert y is alias
    assert y.item() == (7 * 2 - 4) / 2
    y.backward()
    assert x.grad.item() == (6 * 2 + 1) / 2  # d/dx of (3x + 1) x / 2


def test_leaf_that_requires_grad_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"mul_: a leaf.*in-place.*no_grad"):
        leaf(1.0).mul_(2)
    with pytest.raises(RuntimeError, match=r"a view of a leaf"):
        leaf(1.0, 2.0)[0].mul_(2)
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="a leaf"):
        x += 1


def test_leaf_may_be_changed_inside_no_grad() -> None:
    x = leaf(1.0, 2.0)
    with mg.no_grad():
        x -= 0.5
        x[0] = 9
    assert x.tolist() == [9.0, 1.5]
    assert x.is_leaf and x.requires_grad


def test_leaf_changed_after_it_was_saved_names_op_and_line() -> None:
    x = leaf(2.0)
    y = x * x
    with mg.no_grad():
        x.add_(1)
    with pytest.raises(
        RuntimeError, match=r"MulBackward0.*modified by an inplace.*version 0.*add_"
    ):
        y.backward()


def test_changed_operand_error_shows_the_user_line() -> None:
    x, w = leaf(2.0), mg.tensor(np.array([3.0]))
    y = x * w
    w.mul_(2)  # the culprit
    with pytest.raises(RuntimeError, match=r"mul_ at .*test_inplace\.py:\d+ \(.*# the culprit\)"):
        y.backward()


def test_changed_output_that_a_rule_needs_is_an_error() -> None:
    y = leaf(2.0).exp()
    z = y * 1.0
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"ExpBackward0.*modified"):
        z.backward()


def test_change_that_no_rule_minds_is_allowed() -> None:
    x, w = leaf(2.0), mg.tensor(np.array([3.0]))
    y = x + w
    w.mul_(2)
    y.backward()
    assert x.grad.item() == 1.0


def test_change_through_detach_is_noticed() -> None:
    x = leaf(2.0)
    y = x * 1.0
    z = y * y
    y.detach().mul_(5)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.backward()


def test_change_through_a_view_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    z = (y * y).sum()
    y[0].mul_(5)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.backward()


def test_change_of_the_base_is_noticed_by_what_a_view_saved() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    v = y[:1]
    z = (v * v).sum()
    y.mul_(5)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.backward()


def test_base_sees_the_gradient_of_a_changed_view() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1.0
    y[1:].mul_(10)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 10.0, 10.0]


def test_view_of_a_view_reaches_the_base() -> None:
    x = mg.tensor(np.arange(6.0)).requires_grad_()
    y = x * 1.0
    y.reshape(2, 3).transpose(0, 1)[1].mul_(4)
    y.sum().backward()
    assert x.grad.tolist() == [1, 4, 1, 1, 4, 1]


def test_sibling_view_is_refreshed() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    first, all_of_it = y[:1], y[:]
    y.mul_(7)
    (first.sum() + all_of_it.sum()).backward()
    assert x.grad.tolist() == [14.0, 7.0]


def test_view_of_a_constant_base_follows_when_the_base_gets_a_graph() -> None:
    x = leaf(5.0)
    base = mg.zeros(3, dtype=mg.float64)
    view = base[1:]
    base[1] = x[0]
    view.sum().backward()
    assert x.grad.tolist() == [1.0]


def test_setitem_chain_gives_gradients_to_values_and_to_what_is_left() -> None:
    x, w = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 2
    y[0] = w[0]
    y[1:2] = y[2:].clone() * w
    y[y > 1000] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 2 + 20]
    assert w.grad.tolist() == [1.0 + 6.0]


def test_setitem_broadcasts_the_value() -> None:
    w = leaf(1.0)
    y = mg.zeros(2, 3, dtype=mg.float64)
    y[:, 1:] = w
    y.sum().backward()
    assert w.grad.item() == 4.0


def test_broadcasting_the_changed_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match=r"add_.*own shape \(1,\); got \(3,\)"):
        mg.tensor([1.0]).add_(mg.tensor([1.0, 2.0, 3.0]))


def test_expanded_tensor_is_refused() -> None:
    x = mg.tensor([1.0]).expand(3)
    with pytest.raises(RuntimeError, match=r"share one memory location.*\.clone\(\)"):
        x.mul_(2)
    with pytest.raises(RuntimeError, match=r"share one memory|read-only"):
        x[0] = 1.0


@pytest.mark.parametrize(("left", "right"), [("int64", "float32"), ("bool", "int64")])
def test_result_of_a_higher_kind_is_refused(left: str, right: str) -> None:
    x = mg.tensor(np.ones(2, left))
    with pytest.raises(RuntimeError, match=re.escape(f"{right} can't be cast")):
        x.add_(mg.tensor(np.ones(2, right)))


def test_wider_float_is_cast_to_the_tensor_dtype() -> None:
    x = mg.tensor([1.0, 2.0])
    x.add_(mg.tensor([0.5, 0.5], dtype=mg.float64))
    assert x.dtype == mg.float32
    assert x.tolist() == [1.5, 2.5]


def test_refused_change_leaves_values_and_version_alone() -> None:
    x = mg.tensor([1, 2])
    version = x._version
    with pytest.raises(RuntimeError):
        x.div_(3)
    assert x.tolist() == [1, 2]
    assert x._version == version


def test_version_counts_changes_and_views_share_it() -> None:
    x = mg.tensor([1.0, 2.0])
    view = x[:1]
    x.mul_(2)
    view.add_(1)
    assert x._version == view._version == 2
    assert x.clone()._version == 0


def test_data_shares_memory_and_is_not_tracked() -> None:
    x = leaf(2.0)
    y = x * x
    x.data.mul_(3)
    assert x.item() == 6.0
    y.backward()
    assert x.grad.item() == 12.0


def test_requires_grad_follows_the_value_written() -> None:
    x = leaf(2.0)
    y = mg.ones(1, dtype=mg.float64)
    y.mul_(x)
    assert y.requires_grad and not y.is_leaf
    y.backward()
    assert x.grad.item() == 1.0


def test_zero_of_a_recorded_tensor_cuts_its_gradient() -> None:
    x = leaf(2.0)
    y = x * 3
    y.zero_()
    (y + x).backward()
    assert x.grad.item() == 1.0


def test_hook_from_before_the_change_still_belongs_to_the_old_value() -> None:
    x = leaf(2.0)
    y = x * 3
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    y.mul_(10)
    y.backward()
    assert seen == [10.0]
    assert x.grad.item() == 30.0


def test_retained_gradient_is_that_of_the_latest_value() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y[0].mul_(10)
    (y * 7).sum().backward()
    assert y.grad.tolist() == [7.0, 7.0]
    assert x.grad.tolist() == [7 * 10 * 3 * 2, 7 * 3 * 2]


def test_in_place_op_in_double_backward() -> None:
    x = leaf(2.0)
    y = x * x
    y.mul_(x)
    (g,) = mg.autograd.grad(y, x, create_graph=True)
    (h,) = mg.autograd.grad(g, x)
    assert g.item() == 12.0
    assert h.item() == 12.0
