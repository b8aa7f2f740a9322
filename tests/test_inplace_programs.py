"""Random small programs of views and in-place ops, run here and in PyTorch.

Values and gradients must be equal, or minigrad must refuse: a silent difference is the one thing
that may not happen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import minigrad as mg

torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")

SHAPES = [(4,), (2, 3), (3, 2), (2, 2, 2)]


def _index(t: Any, k: int) -> Any:
    return [slice(None, 1), slice(None, None, 2), slice(1, None), 0, -1, Ellipsis][k % 6]


def _view(t: Any, k: int) -> Any:
    choice = k % 6
    if choice == 0:
        return t[_index(t, k // 6)] if t.ndim else t.reshape(1)
    if choice == 1:
        return t.transpose(0, -1) if t.ndim else t
    if choice == 2:
        return t.unsqueeze(0)
    if choice == 3:
        return t.reshape(-1)  # a copy where it must be
    if choice == 4:
        return t.narrow(0, 0, 1) if t.ndim and t.shape[0] else t
    return t.detach() if k % 5 == 0 else t[..., :1] if t.ndim else t


def _change(t: Any, other: Any, k: int) -> None:
    choice = k % 8
    if choice == 0:
        t.mul_(other)
    elif choice == 1:
        t.add_(other)
    elif choice == 2:
        t.mul_(0.5)
    elif choice == 3:
        t.sin_()
    elif choice == 4:
        t.zero_()
    elif choice == 5:
        t.copy_(other)
    elif choice == 6 and t.ndim:
        t[_index(t, k // 8)] = 0.25
    elif t.ndim:
        t[_index(t, k // 8)] = other.sum()


def _combine(a: Any, b: Any, k: int) -> Any:
    return [lambda: a * b, lambda: a + b, lambda: a.sin() * 2, lambda: a * a.sum()][k % 4]()


Step = tuple[str, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["view", "change", "change", "combine", "view"]),
        st.integers(0, 11),
        st.integers(0, 11),
        st.integers(0, 47),
    ),
    min_size=1,
    max_size=10,
)


def _run(leaves: list[Any], program: list[Step]) -> list[Any]:
    """All tensors that the program made."""
    pool = [leaves[0] * 1.0, leaves[1] * 1.0, leaves[0], leaves[2]]
    memory = [0, 1, 2, 3]  # whose memory each may share
    for what, i, j, k in program:
        i, j = i % len(pool), j % len(pool)
        a, b = pool[i], pool[j]
        if what == "view":
            pool.append(_view(a, k))
            memory.append(memory[i])
        elif what == "change":
            # Reading what is being written: PyTorch's result depends on the order of its loops.
            _change(a, b.clone() if memory[i] == memory[j] and i != j else b, k)
        else:
            pool.append(_combine(a, b, k))
            memory.append(len(pool))
    return pool


def _outcome(lib: Any, values: list[np.ndarray], program: list[Step]) -> Any:
    """(values of all tensors, gradients), or the error."""
    make = torch.from_numpy if lib is torch else mg.tensor
    leaves = [make(v.copy()) for v in values]
    for t in leaves[:2]:
        t.requires_grad_()
    try:
        pool = _run(leaves, program)
        got = [t.detach().numpy().copy() for t in pool]
        total = sum((t * t).sum() for t in pool if t.requires_grad)
        grads: list[Any] = [None, None]
        if not isinstance(total, int):
            total.backward()
            grads = [None if t.grad is None else t.grad.numpy().copy() for t in leaves[:2]]
    except (RuntimeError, ValueError, IndexError) as e:
        return e
    return got, grads


@settings(max_examples=10 * settings.default.max_examples)
@given(st.sampled_from(SHAPES), steps)
def test_programs_of_views_and_changes_agree_with_torch(
    shape: tuple[int, ...], program: list[Step]
) -> None:
    rng = np.random.default_rng(math.prod(shape))
    values = [rng.uniform(0.5, 1.5, shape) for _ in range(3)]
    right = _outcome(torch, values, program)
    mine = _outcome(mg, values, program)
    event("torch refuses" if isinstance(right, Exception) else "torch runs")
    event("minigrad refuses" if isinstance(mine, Exception) else "minigrad runs")
    if isinstance(mine, Exception):
        assert str(mine)
        return
    if isinstance(right, Exception):  # torch refuses some programs that are well defined
        return
    for i, (a, b) in enumerate(zip(mine[0], right[0])):
        np.testing.assert_allclose(a, b, rtol=1e-10, err_msg=f"tensor {i} of {program}")
    for i, (g, h) in enumerate(zip(mine[1], right[1])):
        g = np.zeros(shape) if g is None else g
        h = np.zeros(shape) if h is None else h
        np.testing.assert_allclose(
            g, h, rtol=1e-9, atol=1e-12, err_msg=f"gradient {i} of {program}"
        )


def test_most_programs_that_torch_runs_are_run() -> None:
    """Refusing everything would pass the test above."""
    rng = np.random.default_rng(0)
    values = [rng.uniform(0.5, 1.5, (2, 3)) for _ in range(3)]
    kinds = ["view", "change", "change", "combine", "view"]
    ran = refused = 0
    for _ in range(150):
        program = [
            (kinds[rng.integers(5)], *(int(n) for n in rng.integers(0, 48, 3)))
            for _ in range(rng.integers(1, 7))
        ]
        if not isinstance(_outcome(torch, values, program), Exception):
            ran += 1
            refused += isinstance(_outcome(mg, values, program), Exception)
    assert ran > 50
    assert refused <= ran // 20, f"{refused} of {ran} programs refused"
