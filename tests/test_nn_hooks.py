"""Hooks of modules: before and after forward, and on the gradients that pass."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import nn


class Double(nn.Module):
    def forward(self, x, y=None):
        return x * 2 if y is None else (x * 2, y * 3)


def leaf(*values):
    return minigrad.tensor(list(values), requires_grad=True)


def test_forward_hooks_see_and_replace():
    m = Double()
    seen = []
    pre = m.register_forward_pre_hook(lambda mod, args: (args[0] + 1,))
    post = m.register_forward_hook(lambda mod, args, out: seen.append((args, out)) or out * 10)
    assert m(leaf(1.0)).item() == 40 and seen[0][0][0].item() == 2 and seen[0][1].item() == 4
    pre.remove()
    assert m(leaf(1.0)).item() == 20
    post.remove()
    assert m(leaf(1.0)).item() == 2 and m._hooks is None


def test_hooks_run_in_order_and_prepend_goes_first():
    m, order = Double(), []
    m.register_forward_hook(lambda *_: order.append("a"))
    m.register_forward_hook(lambda *_: order.append("b"))
    m.register_forward_hook(lambda *_: order.append("c"), prepend=True)
    m(leaf(1.0))
    assert order == ["c", "a", "b"]


def test_hooks_with_kwargs_see_and_replace_them():
    m = Double()
    m.register_forward_pre_hook(lambda mod, a, k: (a, {"y": k["y"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda mod, a, k, out: (out[0], k["y"]), with_kwargs=True)
    out = m(leaf(1.0), y=leaf(5.0))
    assert out[1].item() == 6


def test_always_called_hook_runs_when_forward_raises():
    m, seen = nn.Linear(2, 2), []
    m.register_forward_hook(lambda mod, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError):
        m(minigrad.tensor([1.0, 2.0, 3.0]))
    assert seen == [None]


def test_full_backward_hook_sees_gradients_of_arguments_and_results():
    m, seen = Double(), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go)))
    x, y = leaf(1.0), leaf(2.0)
    a, b = m(x, y)
    (a * 5 + b).sum().backward()
    (gi, go), = seen
    assert [g.item() for g in go] == [5, 1] and [g.item() for g in gi] == [10, 3]
    assert x.grad.item() == 10 and y.grad.item() == 3


def test_full_backward_hook_replaces_grad_input():
    m = Double()
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 100,))
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0] + 1,))
    x = leaf(1.0)
    m(x).sum().backward()
    assert x.grad.item() == 201


def test_backward_pre_hook_replaces_grad_output():
    m, seen = Double(), []
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 10,))
    m.register_full_backward_hook(lambda mod, gi, go: seen.append(go[0].item()))
    x = leaf(1.0)
    m(x).sum().backward()
    assert seen == [10] and x.grad.item() == 20


def test_backward_hook_of_a_layer_whose_input_needs_no_gradient():
    m, seen = nn.Linear(2, 1), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go)))
    m(minigrad.tensor([[1.0, 2.0]])).sum().backward()
    assert seen[0][0] == (None,) and seen[0][1][0].item() == 1
    np.testing.assert_array_equal(m.weight.grad.numpy(), [[1, 2]])


def test_backward_hook_must_return_as_many_gradients():
    m = Double()
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match=r"as many gradients as it was given \(1\); got 2"):
        m(leaf(1.0)).sum().backward()


def test_backward_hooks_do_not_change_gradients_of_gradients():
    m = Double()
    m.register_full_backward_hook(lambda mod, gi, go: None)
    x = leaf(3.0)
    (g,) = minigrad.autograd.grad((m(x) ** 2).sum(), [x], create_graph=True)
    (gg,) = minigrad.autograd.grad(g.sum(), [x])
    assert g.item() == 24 and gg.item() == 8


def test_no_gate_without_recording():
    m = Double()
    m.register_full_backward_hook(lambda mod, gi, go: None)
    with minigrad.no_grad():
        assert m(leaf(1.0)).grad_fn is None
