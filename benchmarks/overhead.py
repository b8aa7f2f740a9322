"""What one op costs over the NumPy call inside it: recording it, and its step in backward."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from .measure import Result, in_turn

__all__ = ["overhead"]

CHAIN = 200  # ops in the chain whose backward is timed; its ends weigh 1/200


def overhead(libraries: dict[str, ModuleType]) -> list[Result]:
    """Microseconds per op on 16 numbers; NumPy's column is the bare call on the same arrays."""
    a = np.linspace(0.5, 1.5, 16, dtype=np.float32)
    b = a[::-1].copy()
    ones = np.ones_like(a)
    cases: list[tuple[str, Callable[[Any, Any], Any], Callable[[], Any], Callable[[], Any]]] = [
        ("add", lambda x, y: x + y, lambda: a + b, lambda: ones),
        ("mul", lambda x, y: x * y, lambda: a * b, lambda: ones * b),
        ("exp", lambda x, y: x.exp(), lambda: np.exp(a), lambda: ones * a),
        ("relu", lambda x, y: x.relu(), lambda: np.maximum(a, 0), lambda: ones * (a > 0)),
    ]
    results = []
    for name, op, forward, backward in cases:
        calls: dict[str, Callable[[], Any]] = {"numpy": forward}
        steps: dict[str, Callable[[], Any]] = {}
        for library, lib in libraries.items():
            x = lib.tensor(a, requires_grad=True)
            y = lib.tensor(b)
            calls[library] = partial(op, x, y)
            steps[library] = _chain_backward(lib, op, x, y)
        results.append(Result(f"{name}, recorded", in_turn(calls), "us"))
        took = {n: t / CHAIN for n, t in in_turn(steps).items()}
        took = {**in_turn({"numpy": backward}), **took}
        results.append(Result(f"{name}, its step in backward", took, "us"))
    for r in results:
        r.notes["over NumPy, us"] = {
            n: round((t - r.seconds["numpy"]) * 1e6, 3)
            for n, t in r.seconds.items() if n != "numpy"
        }
    return results


def _chain_backward(
    lib: ModuleType, op: Callable[[Any, Any], Any], x: Any, y: Any
) -> Callable[[], Any]:
    """Backward through CHAIN recorded calls of `op` (exp of exp may overflow: no matter)."""
    h = x
    for _ in range(CHAIN):
        h = op(h, y)
    seed = lib.ones_like(h)
    return lambda: lib.autograd.grad(h, x, seed, retain_graph=True)
