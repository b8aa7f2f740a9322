"""What a call of a user's own op costs, by each way to write one; minigrad's own ops: overhead.py.

Every way wraps the same NumPy: exp forward, one product with the saved output backward.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import minigrad
from minigrad.autograd import Function, set_contract_checks
from minigrad.op import Array, op

from .contestants import Contestant
from .measure import in_turn, rounds_in_turn
from .results import Result

__all__ = ["custom"]

CALLS = 20  # per sample; switching the checks off weighs 1/20
ENOUGH = 0.0003  # seconds per sample: most lie between two turns of other processes
SIZE = 16


@op
def by_op(input: Array) -> Any:
    return np.exp(input)


@op(promote="float")  # of one or two inputs: the short path that minigrad's own ops take
def by_elementwise_op(input: Array) -> Any:
    return np.exp(input)


for made in (by_op, by_elementwise_op):
    made.gradient("input", lambda g, y: g * y)


class ByFunction(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = minigrad.from_numpy(np.exp(x.numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


def custom(
    libraries: list[Contestant], only: Callable[[str, str], bool], budget: float = 4.0
) -> list[Result]:
    """Microseconds per call on 16 numbers, a row for each way; "NumPy alone" is what is inside."""
    a = np.linspace(0.5, 1.5, SIZE, dtype=np.float32)
    seed = np.ones_like(a)
    ways: dict[str, tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any]]] = {
        "NumPy alone": (*(_repeated(lambda: np.exp(a)),) * 2, _repeated(lambda: np.exp(a) * seed))
    }
    if not only("custom", ""):
        return []
    for c in libraries:
        if c.name in ("minigrad", "eager"):
            functions = _torch_ways(c.lib) if c.name == "eager" else _our_ways()
            for name, f in functions.items():
                ways[name] = _calls(c.lib, f, a, seed)
    checked = _calls(minigrad, by_op, a, seed)
    table: dict[str, dict[str, float]] = {name: {} for name in (*ways, "checks of minigrad.op")}
    for k, column in enumerate(["no grad", "forward", "and backward"]):
        took = in_turn({name: calls[k] for name, calls in ways.items()}, 401, budget, ENOUGH)
        pair = {"on": checked[k], "off": _unchecked(checked[k])}  # by themselves: caches stay warm
        # Within each round, since a small difference drowns in how the machine's speed wanders.
        rounds = rounds_in_turn(pair, 401, budget, ENOUGH)
        took["checks of minigrad.op"] = median([r["on"] - r["off"] for r in rounds])
        for name, t in took.items():
            table[name][column] = t / CALLS
    return [Result("custom", name, row, "us") for name, row in table.items()]


def _our_ways() -> dict[str, Callable[[Any], Any]]:
    return {
        "minigrad.op": by_op,
        "minigrad.op(promote=...)": by_elementwise_op,
        "minigrad.autograd.Function": ByFunction.apply,
    }


def _torch_ways(torch: Any) -> dict[str, Callable[[Any], Any]]:
    class TorchFunction(torch.autograd.Function):  # type: ignore[misc]
        forward = staticmethod(lambda ctx, x: _saved(ctx, torch.from_numpy(np.exp(x.numpy()))))
        backward = staticmethod(lambda ctx, g: g * ctx.saved_tensors[0])

    def exp(x: Any) -> Any:
        return torch.from_numpy(np.exp(x.numpy()))

    exp.__annotations__ = {"x": torch.Tensor, "return": torch.Tensor}
    by_custom = torch.library.custom_op("minigrad_benchmarks::exp", exp, mutates_args=())
    by_custom.register_autograd(
        lambda ctx, g: g * ctx.saved_tensors[0],
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(output),
    )
    return {"torch.autograd.Function": TorchFunction.apply, "torch.library.custom_op": by_custom}


def _saved(ctx: Any, y: Any) -> Any:
    ctx.save_for_backward(y)
    return y


def _calls(
    lib: Any, f: Callable[[Any], Any], a: Array, seed: Array
) -> tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any]]:
    """A call of `f` without gradient, recorded, and followed by its step in backward."""
    plain, x, g = lib.tensor(a), lib.tensor(a, requires_grad=True), lib.tensor(seed)
    return (
        _repeated(lambda: f(plain)),
        _repeated(lambda: f(x)),
        _repeated(lambda: lib.autograd.grad(f(x), x, g)),
    )


def _repeated(call: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(CALLS):
            call()

    return run


def _unchecked(call: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        with set_contract_checks(False):
            call()

    return run
