"""L-BFGS: steps along an estimate of the inverse Hessian, built from the last few gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..inplace import bump
from ..tensor import wrap
from .optimizer import Optimizer, ParamsT

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Limited-memory BFGS, without line search: every step goes lr along the direction.

    The direction is −H·g, where H is built from the last pairs of steps and changes of the
    gradient. `step` needs a closure that computes the loss anew and calls backward.

    Parameters
    ----------
    params : iterable of Tensor
        One group only.
    lr : float
    max_iter : int
        Iterations in one `step`.
    max_eval : int
        Calls of the closure in one `step`; None: max_iter · 5 // 4.
    tolerance_grad, tolerance_change : float
        End the step when no entry of the gradient, or of the change, is larger.
    history_size : int
        How many pairs are remembered.
    line_search_fn : None
        'strong_wolfe' is PyTorch's, and not supported.

    Source: Nocedal and Wright, "Numerical optimization", algorithm 7.4.
    """

    def __init__(
        self, params: ParamsT, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        if lr < 0:
            raise ValueError(f"LBFGS: Invalid learning rate: must be >= 0; got lr {lr}.")
        if line_search_fn is not None:
            raise NotImplementedError(
                f"LBFGS: line_search_fn must be None; got {line_search_fn!r}. Use a smaller lr."
            )
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        })
        if len(self.param_groups) != 1:
            raise ShapeError("LBFGS: all parameters must be in one group (one lr for all).")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if closure is None:
            raise TypeError("LBFGS.step: a closure that computes the loss is needed.")
        group = self.param_groups[0]
        params = group["params"]
        state = self.state[params[0]]
        state.setdefault("n_iter", 0)
        state.setdefault("func_evals", 0)
        loss = first_loss = self._loss(closure)
        value, evals = float(loss), 1
        g = _gradient(params)
        flat = np.abs(g).max() <= group["tolerance_grad"]
        for i in range(1, group["max_iter"] + 1):
            if flat:
                break
            state["n_iter"] += 1
            lr = float(group["lr"])
            d = _direction(state, g, group["history_size"])
            t = min(1.0, 1.0 / np.abs(g).sum()) * lr if state["n_iter"] == 1 else lr
            state["d"], state["t"], state["prev_flat_grad"] = wrap(d), t, wrap(g)
            before = value
            if g @ d > -group["tolerance_change"]:
                break
            _move(params, d * t)
            if i == group["max_iter"]:
                break
            value = float(self._loss(closure))
            evals += 1
            g = _gradient(params)
            flat = np.abs(g).max() <= group["tolerance_grad"]
            if evals >= group["max_eval"] or np.abs(d * t).max() <= group["tolerance_change"]:
                break
            if abs(value - before) < group["tolerance_change"]:
                break
        state["func_evals"] += evals
        return first_loss


def _direction(state: dict[str, Any], g: np.ndarray, history_size: int) -> np.ndarray:
    """−H·g by the two loops over the remembered pairs; the first time −g."""
    if state["n_iter"] == 1:
        state["old_dirs"], state["old_stps"], state["H_diag"] = [], [], 1.0
        return -g
    y, s = g - state["prev_flat_grad"]._data, state["d"]._data * state["t"]
    changes, steps = state["old_dirs"], state["old_stps"]
    if y @ s > 1e-10:
        changes.append(wrap(y))
        steps.append(wrap(s))
        del changes[:-history_size], steps[:-history_size]
        state["H_diag"] = float(y @ s / (y @ y))
    pairs = [(c._data, p._data, 1.0 / (c._data @ p._data)) for c, p in zip(changes, steps)]
    d, shares = -g, []
    for change, step, rho in reversed(pairs):
        shares.append(step @ d * rho)
        d = d - shares[-1] * change
    d = d * state["H_diag"]
    for (change, step, rho), share in zip(pairs, reversed(shares)):
        d = d + step * (share - change @ d * rho)
    return np.asarray(d, g.dtype)


def _gradient(params: list[Any]) -> np.ndarray:
    """All gradients one after the other; zeros where there is none."""
    return np.concatenate([
        (np.zeros(p._data.size, p.dtype) if p.grad is None else p.grad._data.ravel())
        for p in params
    ])  # fmt: skip


def _move(params: list[Any], by: np.ndarray) -> None:
    at = 0
    for p in params:
        n = p._data.size
        p._data += by[at : at + n].reshape(p._data.shape)
        bump(p, "LBFGS.step")
        at += n
