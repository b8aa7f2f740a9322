"""`x[index]` and `x[index] = value`: PyTorch's results, gradients, and clear errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, tensor


def _grad(fn: Any, *values: Any) -> list[Any]:
    leaves = [tensor(v, dtype=mg.float64, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [None if t.grad is None else t.grad.tolist() for t in leaves]


ROWS, COLS = tensor([0, 2, 0]), tensor([1, 1, 0])
INDICES: list[Any] = [
    0, -1, slice(None), slice(0, 2), slice(None, None, 2), None, Ellipsis, (0, 1), (Ellipsis, 0),
    (slice(None), 1), (0, slice(1, None), 2), (None, 0, None), (slice(None), None, 1), ROWS, [0, 1],
    (ROWS, COLS), (slice(None), ROWS), (0, slice(None), ROWS), (slice(None), 0, ROWS),
    (ROWS, slice(None), COLS), (ROWS, 0), (slice(0, 2), ROWS), (Ellipsis, ROWS, COLS), (ROWS, None),
    (ROWS, None, COLS), tensor([True, False, True]), (slice(None), tensor([True, True, False])),
    tensor(2), (tensor(1), ROWS), True, False, (tensor([[0], [2]]), COLS), [], (0, ROWS, COLS),
    tensor([[True, False, True], [False, True, False], [True, True, True]]), (ROWS[:, None], COLS),
]  # fmt: skip


def _as_torch(index: Any, torch: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_as_torch(i, torch) for i in index)
    return torch.from_numpy(index.numpy().copy()) if isinstance(index, Tensor) else index


@pytest.mark.parametrize("k", range(len(INDICES)))
def test_getitem_and_setitem_agree_with_torch(k: int) -> None:
    torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
    index, other = INDICES[k], _as_torch(INDICES[k], torch)
    a = np.arange(27.0).reshape(3, 3, 3)
    x, t = tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    y, u = x[index], t[other]
    assert y.shape == tuple(u.shape) and y.tolist() == u.tolist()
    w = np.arange(1.0, y.numel() + 1).reshape(y.shape)
    (y * tensor(w)).sum().backward()
    (u * torch.from_numpy(w)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == t.grad.tolist()
    v, s = (
        tensor(-1.0, dtype=mg.float64, requires_grad=True),
        torch.tensor(-1.0, requires_grad=True),
    )
    x2, t2 = x.detach().requires_grad_() * 1, t.detach().requires_grad_() * 1
    x2[index], t2[other] = v, s.double()
    (x2 * tensor(a)).sum().backward()
    (t2 * torch.from_numpy(a)).sum().backward()
    assert x2.tolist() == t2.tolist()
    expected = 0.0 if s.grad is None else float(s.grad)
    assert v.grad is not None and float(v.grad) == expected


def test_repeated_indices_add_up_in_the_gradient() -> None:
    assert _grad(lambda x: x[[0, 0, 1]], [1.0, 2.0, 3.0]) == [[2.0, 1.0, 0.0]]
    assert _grad(lambda x: x.index_select(0, tensor([1, 1])), [1.0, 2.0]) == [[0.0, 2.0]]
    assert _grad(lambda x: x.gather(0, tensor([1, 1, 0])), [1.0, 2.0]) == [[1.0, 2.0]]
    assert _grad(lambda x: x.as_strided((2, 2), (1, 1)), [1.0, 2.0, 3.0]) == [[1.0, 2.0, 1.0]]


def test_changing_the_index_after_the_call_leaves_the_gradient_right() -> None:
    x, index = tensor([1.0, 2.0, 3.0], requires_grad=True), tensor([0, 0])
    y = x[index]
    index.fill_(2)
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2, 0, 0]
    y = x.gather(0, index)
    index.fill_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_setitem_broadcasts_casts_and_counts() -> None:
    x = mg.zeros(2, 3, dtype=mg.int64)
    x[0] = 1.7
    x[:, 1] = tensor([5.0, 6.0])
    x[1] = tensor([[7, 8, 9]])
    x[x > 7] = 0
    x[[0, 1], [2, 2]] = np.array([-1, -2])
    assert x.tolist() == [[1, 5, -1], [7, 0, -2]]
    assert x._version == 5
    x[0, 0] += 10
    assert x[0, 0].item() == 11


def test_setitem_sends_gradients_to_both() -> None:
    x, v = mg.ones(3, requires_grad=True), tensor([2.0], requires_grad=True)
    y = x * 3
    y[1:] = v
    (y * tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad is not None and v.grad is not None
    assert x.grad.tolist() == [3, 0, 0] and v.grad.tolist() == [110]
    with pytest.raises(RuntimeError, match="setitem: a leaf Tensor that requires grad"):
        x[0] = 1


@pytest.mark.parametrize(
    "index, text",
    [
        (5, "index 5 is out of range for dim 0 with size 3"),
        ((0, -5), "index -5 is out of range for dim 1 with size 4"),
        ((0, 0, 0), "too many indices: 3 for a tensor with 2 dims"),
        ((slice(None), tensor([0, 4])), "index 4 is out of range for dim 1 with size 4"),
        ((Ellipsis, tensor([-5])), "index -5 is out of range for dim 1 with size 4"),
        (tensor([True, False]), r"got mask \(2,\) for dims 0 to 0 of shape \(3, 4\)"),
        (tensor([0.0]), "got a Tensor of dtype float32"),
        (1.0, "got float of dtype float64"),
        ("a", "an index must be int, bool, a slice"),
        ((tensor([0, 1]), tensor([0, 1, 2])), r"must broadcast together .* \(2,\), \(3,\)"),
    ],
)
def test_bad_indices_are_explained(index: Any, text: str) -> None:
    x = mg.zeros(3, 4)
    with pytest.raises(IndexError, match=text):
        x[index]
    with pytest.raises(IndexError, match=text):
        x[index] = 1.0
    assert float(x.sum()) == 0


def test_slices_with_steps_backwards_are_accepted() -> None:
    assert mg.arange(5)[::-2].tolist() == [4, 2, 0]
    assert _grad(lambda x: x[::-1] * tensor([1.0, 2.0]), [5.0, 6.0]) == [[2.0, 1.0]]
