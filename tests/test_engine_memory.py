"""Depth and lifetime of graphs: long chains, and freeing by reference count alone."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg

DEEP = 100_000


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_chain_of_100_000_ops_works_forward_and_backward() -> None:
    x = mg.tensor([1.0]).requires_grad_()
    y = x
    for _ in range(DEEP):
        y = y + 1.0
    y.backward()
    assert y.item() == DEEP + 1
    assert x.grad.item() == 1.0


@pytest.mark.parametrize("kind", ["plain", "in place", "views", "function", "double"])
def test_dropping_a_deep_graph_does_not_overflow_the_stack(kind: str) -> None:
    # In a process of its own, with the small stack that a thread has: an overflow kills it. Python
    # 3.13 itself lets deallocations nest deeper before it defers them, and needs 1 MB.
    stack = 512 if sys.version_info < (3, 13) else 1024
    code = f"""
import threading, numpy as np, minigrad as mg
class Same(mg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 1.0
    @staticmethod
    def backward(ctx, g):
        return g
def build():
    x = mg.tensor(np.ones(2)).requires_grad_()
    y = x * 1.0
    for i in range({DEEP if kind == "plain" else DEEP // 4}):
        if {kind!r} == "plain": y = y * 1.0
        elif {kind!r} == "in place": y.mul_(1.0)
        elif {kind!r} == "views": y = y.reshape(2)
        elif {kind!r} == "function": y = Same.apply(y)
        else: y = y * y
    if {kind!r} == "double":
        g, = mg.autograd.grad(y.sum(), x, create_graph=True)
        del g
    del y
threading.stack_size({stack} * 1024)
t = threading.Thread(target=build); t.start(); t.join()
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "alive", done.stderr[-2000:]


def _saved(x: mg.Tensor) -> mg.Tensor:
    return (x * x).exp()


def _hooked(x: mg.Tensor) -> mg.Tensor:
    y = x * 2
    y.register_hook(lambda g: g * 2)
    return y * 3


def _retained(x: mg.Tensor) -> mg.Tensor:
    y = x * 2
    y.retain_grad()
    z = y * 3
    z.retain_grad()
    return z


def _views(x: mg.Tensor) -> mg.Tensor:
    y = (x * 2).reshape(2, 2)
    return y[0].reshape(2) * y[1]


def _in_place(x: mg.Tensor) -> mg.Tensor:
    y = x * 2
    y.mul_(3)
    y[0] = 1.0
    v = y[1:]
    v.exp_()
    return y * v.sum()


def _several_outputs(x: mg.Tensor) -> mg.Tensor:
    values, indices = x.sort()
    return values * indices


def _function(x: mg.Tensor) -> mg.Tensor:
    class Exp(mg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return g * ctx.saved_tensors[1]

    return Exp.apply(x)


GRAPHS = [_saved, _hooked, _retained, _views, _in_place, _several_outputs, _function]


@pytest.mark.parametrize("walked", [False, True])
@pytest.mark.parametrize("make", GRAPHS)
def test_dropped_graph_is_freed_without_the_collector(
    no_collector: None, make: Callable[[mg.Tensor], mg.Tensor], walked: bool
) -> None:
    x = mg.tensor(np.arange(1.0, 5.0)).requires_grad_()
    y = make(x)
    node, tensor, array = (weakref.ref(v) for v in (y.grad_fn, y, y._data))
    if walked:
        y.sum().backward()
    del y
    assert node() is None
    assert tensor() is None
    assert array() is None


def test_graph_of_gradients_is_freed_without_the_collector(no_collector: None) -> None:
    x = mg.tensor(np.arange(1.0, 5.0)).requires_grad_()
    y = (x.exp() * x).sum()
    (g,) = mg.autograd.grad(y, x, create_graph=True)
    node = weakref.ref(g.grad_fn)
    (h,) = mg.autograd.grad((g * g).sum(), x, create_graph=True)
    del y, g, h
    assert node() is None


def test_backward_frees_what_the_graph_kept(no_collector: None) -> None:
    x = mg.tensor(np.ones(4)).requires_grad_()
    y = x * 2
    z = (y * y).sum()
    held = weakref.ref(y._data)
    del y
    assert held() is not None
    z.backward()
    assert held() is None


def test_rule_keeps_alive_only_what_it_names(no_collector: None) -> None:
    x = mg.tensor(np.ones(4)).requires_grad_()
    y = x * 2
    z = y + 1.0  # the gradient of a sum needs no operand
    held = weakref.ref(y._data)
    del y
    assert held() is None
    z.sum().backward()
