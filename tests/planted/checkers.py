"""Four ways to check a gradient, on the same function and arguments: each says whether it is right.

Ours, PyTorch's through a torch.autograd.Function around our forward and backward, one random
coordinate, and one random projection. A checker that ends in an exception has noticed something.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.autograd import grad
from minigrad.tensor import wrap
from minigrad.testing import check_op

__all__ = ["CHECKERS", "caught"]

Checker = Callable[[Callable[..., Any], tuple[Any, ...]], bool]


def caught(checker: Checker, fn: Callable[..., Any], sample: tuple[Any, ...]) -> bool:
    """Whether the checker finds fault with the function."""
    given = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in sample)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return not checker(fn, given)
    except Exception:
        return True


def ours(fn: Callable[..., Any], sample: tuple[Any, ...]) -> bool:
    return check_op(fn, [sample], shrink=False, raise_exception=False).ok


def _leaves(sample: Sequence[Any]) -> list[Any]:
    tensors = [wrap(a) for a in sample]
    return [t.requires_grad_() if t._data.dtype.kind == "f" else t for t in tensors]


def one_coordinate(fn: Callable[..., Any], sample: tuple[Any, ...]) -> bool:
    """The gradient of the sum in one random coordinate of each input, to 1e-2."""
    rng = np.random.default_rng(0)
    tensors = _leaves(sample)
    live = [t for t in tensors if t.requires_grad]
    for t, g in zip(live, grad(fn(*tensors).sum(), live)):
        k = rng.integers(t._data.size)
        ends = []
        for h in (1e-6, -1e-6):
            old = t._data.flat[k]
            t._data.flat[k] = old + h
            ends.append(float(fn(*tensors).sum()._data))
            t._data.flat[k] = old
        slope = (ends[0] - ends[1]) / 2e-6
        if not abs(slope - g._data.flat[k]) <= 1e-2 + 1e-2 * abs(slope):
            return False
    return True


def one_projection(fn: Callable[..., Any], sample: tuple[Any, ...]) -> bool:
    """<v, J u> by differences against <Jᵀ v, u> for one random u and v, to 1e-6; both orders.

    As HIPS autograd checks a vjp.
    """
    rng = np.random.default_rng(0)
    tensors = _leaves(sample)
    live = [t for t in tensors if t.requires_grad]

    def first(*values: Any) -> Any:
        return fn(*values)

    v = wrap(rng.normal(size=first(*tensors).shape)).requires_grad_()

    def second(*values: Any) -> Any:
        *xs, w = values
        wanted = [t for t in xs if t.requires_grad]
        parts = grad(fn(*xs), wanted, w, create_graph=True)
        return mg.cat([p.reshape(-1) for p in parts])

    return _projected(first, tensors, live, rng) and _projected(
        second, [*tensors, v], [*live, v], rng
    )


def _projected(fn: Any, tensors: list[Any], live: list[Any], rng: np.random.Generator) -> bool:
    y = fn(*tensors)
    v = wrap(rng.normal(size=y.shape))
    slopes = grad(y, live, v, allow_unused=True, materialize_grads=True)
    us = [rng.normal(size=t.shape) for t in live]
    ends = []
    for h in (1e-6, -1e-6):
        for t, u in zip(live, us):
            t._data += h * u
        ends.append(float((fn(*tensors)._data * v._data).sum()))
        for t, u in zip(live, us):
            t._data -= h * u
    slope = (ends[0] - ends[1]) / 2e-6
    told = sum(float((g._data * u).sum()) for g, u in zip(slopes, us))
    return abs(slope - told) <= 1e-6 + 1e-6 * abs(slope)


def in_torch(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` as a function of torch tensors; its backward is wrapped likewise, for second order."""
    import torch

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(*inputs)
            outs = fn(*[wrap(t.detach().numpy()) for t in inputs])
            outs = outs if isinstance(outs, tuple) else (outs,)
            made = tuple(torch.from_numpy(np.array(o._data)) for o in outs)
            return made if len(made) > 1 else made[0]

        @staticmethod
        def backward(ctx: Any, *gs: Any) -> Any:
            inputs = ctx.saved_tensors
            live = [i for i, t in enumerate(inputs) if t.dtype.is_floating_point]

            def slope(*values: Any) -> Any:
                xs, ws = values[: len(inputs)], values[len(inputs) :]
                with mg.enable_grad():
                    for i in live:
                        xs[i].requires_grad_() if xs[i].is_leaf else None
                    return grad(
                        fn(*xs), [xs[i] for i in live], ws, create_graph=True,
                        allow_unused=True, materialize_grads=True,
                    )  # fmt: skip

            got = in_torch(slope)(*inputs, *gs)
            got = iter(got if isinstance(got, tuple) else (got,))
            return tuple(next(got) if i in live else None for i in range(len(inputs)))

    return Wrapped.apply


def _torch_inputs(sample: tuple[Any, ...]) -> tuple[Any, ...]:
    import torch

    made = [torch.from_numpy(a) for a in sample]
    return tuple(t.requires_grad_() if t.dtype.is_floating_point else t for t in made)


def torch_first(fn: Callable[..., Any], sample: tuple[Any, ...]) -> bool:
    import torch

    return bool(torch.autograd.gradcheck(in_torch(fn), _torch_inputs(sample)))


def torch_both(fn: Callable[..., Any], sample: tuple[Any, ...]) -> bool:
    import torch

    return torch_first(fn, sample) and bool(
        torch.autograd.gradgradcheck(in_torch(fn), _torch_inputs(sample))
    )


CHECKERS: dict[str, Checker] = {
    "minigrad check_op": ours,
    "torch gradcheck + gradgradcheck": torch_both,
    "torch gradcheck": torch_first,
    "one random projection": one_projection,
    "one random coordinate at 1e-2": one_coordinate,
}
