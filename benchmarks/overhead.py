"""What small tensors cost: an op over the NumPy call inside it, a chain of ops, a tiny network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from .contestants import Contestant
from .measure import in_turn
from .results import Result

__all__ = ["overhead"]

CHAIN = 200  # ops in the chain whose backward is timed; its ends weigh 1/200
BinaryOp = Callable[[Any, Any], Any]


def overhead(
    libraries: list[Contestant], only: Callable[[str, str], bool], budget: float = 2.0
) -> list[Result]:
    """Microseconds per op on 16 numbers beside NumPy's bare call; and of two small steps."""
    libs = {c.name: c.lib for c in libraries if c.name in ("minigrad", "eager")}
    found = [r for name, case in _OPS.items() if only("op", name) for r in _op(libs, name, *case)]
    small = {
        f"{CHAIN} chained elementwise ops, forward + backward": _chain,
        "MLP 2-16-16-2 training step, batch 32": _mlp_step,
    }
    for name, make in small.items():
        if only("small", name):
            steps = {n: make(lib) for n, lib in libs.items()}
            found.append(Result("small", name, in_turn(steps, 101, budget), "us"))
    return found


A = np.linspace(0.5, 1.5, 16, dtype=np.float32)
B = A[::-1].copy()
ONES = np.ones_like(A)
_OPS: dict[str, tuple[BinaryOp, Callable[[], Any], Callable[[], Any]]] = {
    "add": (lambda x, y: x + y, lambda: A + B, lambda: ONES),
    "mul": (lambda x, y: x * y, lambda: A * B, lambda: ONES * B),
    "exp": (lambda x, y: x.exp(), lambda: np.exp(A), lambda: ONES * A),
    "relu": (lambda x, y: x.relu(), lambda: np.maximum(A, 0), lambda: ONES * (A > 0)),
}


def _op(
    libs: dict[str, ModuleType], name: str, op: BinaryOp, forward: Callable[[], Any],
    backward: Callable[[], Any],
) -> list[Result]:
    calls: dict[str, Callable[[], Any]] = {"numpy": forward}
    steps: dict[str, Callable[[], Any]] = {}
    for library, lib in libs.items():
        x, y = lib.tensor(A, requires_grad=True), lib.tensor(B)
        calls[library] = partial(op, x, y)
        steps[library] = _chain_backward(lib, op, x, y)
    took = {n: t / CHAIN for n, t in in_turn(steps).items()}
    took = {**in_turn({"numpy": backward}), **took}
    return [
        Result("op", f"{name}, recorded", in_turn(calls), "us"),
        Result("op", f"{name}, its step in backward", took, "us"),
    ]


def _chain_backward(lib: ModuleType, op: BinaryOp, x: Any, y: Any) -> Callable[[], Any]:
    """Backward through CHAIN recorded calls of `op` (exp of exp may overflow: no matter)."""
    h = x
    for _ in range(CHAIN):
        h = op(h, y)
    seed = lib.ones_like(h)
    return lambda: lib.autograd.grad(h, x, seed, retain_graph=True)


def _chain(lib: ModuleType) -> Callable[[], Any]:
    """h <- sigmoid(tanh(h · y + y) - y), over and over, on 16 numbers."""
    x, y = lib.tensor(A, requires_grad=True), lib.tensor(B)
    seed = lib.ones_like(x)

    def step() -> None:
        x.grad = None
        h = x
        for _ in range(CHAIN // 5):
            h = ((h * y + y).tanh() - y).sigmoid()
        h.backward(seed)

    return step


def _mlp_step(lib: ModuleType) -> Callable[[], Any]:
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)
    )
    rng = np.random.default_rng(0)
    x = lib.tensor(rng.standard_normal((32, 2), dtype=np.float32))
    target = lib.tensor(rng.integers(0, 2, 32))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()

    return step
