"""no_grad, enable_grad, inference_mode, set_grad_enabled, anomaly mode, and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(np.array(values)).requires_grad_()


def recorded() -> bool:
    return bool((leaf(1.0) * 2).requires_grad)


@pytest.mark.parametrize("off", [mg.no_grad, mg.inference_mode, lambda: mg.set_grad_enabled(False)])
def test_switch_off_works_as_context(off: Callable[[], Any]) -> None:
    with off():
        assert not recorded()
        with mg.enable_grad():
            assert recorded()
            with off():
                assert not recorded()
        assert not recorded()
    assert recorded()


@pytest.mark.parametrize("off", [mg.no_grad, mg.inference_mode])
def test_switch_off_works_as_decorator_with_and_without_call(off: Any) -> None:
    @off()
    def called() -> bool:
        return recorded()

    @off
    def bare() -> bool:
        return recorded()

    assert not called() and not bare()
    assert called.__name__ == "called"
    assert recorded()


def test_set_grad_enabled_works_at_once_as_context_and_as_decorator() -> None:
    mg.set_grad_enabled(False)
    try:
        assert not recorded()
        with mg.set_grad_enabled(True):
            assert recorded()
        assert not recorded()
    finally:
        mg.set_grad_enabled(True)

    @mg.set_grad_enabled(False)
    def off() -> bool:
        return recorded()

    assert recorded() and not off() and recorded()


def test_mode_is_restored_after_an_exception() -> None:
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert recorded()


def test_one_switch_object_can_be_entered_twice() -> None:
    off = mg.no_grad()
    with off:
        with off:
            assert not recorded()
        assert not recorded()
    assert recorded()


def test_mode_belongs_to_its_thread() -> None:
    seen: list[bool] = []
    with mg.no_grad():
        worker = threading.Thread(target=lambda: seen.append(recorded()))
        worker.start()
        worker.join()
    assert seen == [True]


def test_inference_tensor_can_never_enter_a_graph() -> None:
    with mg.inference_mode():
        t = mg.tensor([1.0]) * 2
    assert t.is_inference()
    with pytest.raises(RuntimeError, match="inference_mode"):
        t.requires_grad_()
    with pytest.raises(RuntimeError, match="inference_mode"):
        leaf(1.0) * t
    assert (leaf(1.0) + t.clone()).requires_grad


def test_result_of_no_grad_is_a_leaf() -> None:
    with mg.no_grad():
        y = leaf(1.0) * 2
    assert y.is_leaf and not y.requires_grad and y.grad_fn is None


def test_anomaly_mode_names_the_op_and_the_line() -> None:
    x = leaf(0.0)
    with mg.autograd.detect_anomaly():
        y = (x * 0.0).sqrt() * 0.0  # here
        with pytest.raises(
            RuntimeError, match=r"SqrtBackward0.*NaN.*test_engine_modes\.py.*# here"
        ):
            y.backward()


def test_anomaly_mode_says_how_to_see_the_line() -> None:
    y = leaf(0.0).sqrt() * 0.0
    with mg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="before the forward pass"):
        y.backward()


def test_without_anomaly_mode_nan_passes_through() -> None:
    x = leaf(0.0)
    (x.sqrt() * 0.0).backward()
    assert np.isnan(x.grad.item())


def _in_threads(count: int, work: Callable[[int], None]) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(i: int) -> None:
        try:
            start.wait()
            work(i)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def _slope(start: float) -> np.ndarray:
    x = mg.tensor(np.full(20, start)).requires_grad_()
    for _ in range(5):
        y = x
        for _ in range(50):
            y = y * x + 1.0
        y.sum().backward()
    return x.grad.numpy()


def test_threads_walk_separate_graphs_at_once() -> None:
    grads: dict[int, np.ndarray] = {}
    _in_threads(4, lambda i: grads.__setitem__(i, _slope(0.1 * i)))
    for i in range(4):
        np.testing.assert_array_equal(grads[i], _slope(0.1 * i))


def test_threads_add_to_shared_leaves_without_losing_any() -> None:
    size = 300_000  # NumPy lets go of the interpreter's lock, for long enough to be overtaken
    for _ in range(5):
        x = mg.tensor(np.ones(size)).requires_grad_()
        seed = mg.tensor(np.ones(size))
        _in_threads(4, lambda _, x=x, seed=seed: [(x * 2.0).backward(seed) for _ in range(4)])
        np.testing.assert_array_equal(x.grad.numpy(), np.full(size, 32.0))


def test_threads_walk_one_graph_through_shared_nodes() -> None:
    x = mg.tensor(np.ones(4)).requires_grad_()
    y = (x * 3.0).exp()
    grads: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        (g,) = mg.autograd.grad((y * float(i)).sum(), x, retain_graph=True)
        grads[i] = g.numpy()

    _in_threads(4, work)
    for i in range(4):
        np.testing.assert_allclose(grads[i], 3 * i * np.exp(3.0))
