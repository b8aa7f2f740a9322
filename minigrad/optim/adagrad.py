"""Adagrad. The formula is in `minigrad.kernels.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import optim as kernels
from ..tensor import wrap
from .adam import count_step
from .optimizer import Optimizer, ParamsT
from .options import check_options, refuse_differentiable

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

        d = ±grad + weight_decay · p,   s = s + d²
        p = p − lr / (1 + (t − 1) · lr_decay) · d / (sqrt(s) + eps)

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
    lr, lr_decay, weight_decay, eps : float
    initial_accumulator_value : float
        Where s starts.
    maximize : bool
    foreach, fused : bool
        Accepted for PyTorch's sake: every update is one fused pass here.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization".
    """

    _like_param = ("sum",)

    def __init__(
        self, params: ParamsT, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        })

    def _check(self, options: dict[str, Any]) -> None:
        check_options("Adagrad", options, {
            "lr": ("learning rate", ">= 0"), "lr_decay": ("lr_decay value", ">= 0"),
            "weight_decay": ("weight_decay value", ">= 0"),
            "initial_accumulator_value": ("initial_accumulator_value value", ">= 0"),
            "eps": ("epsilon value", ">= 0"),
        })
        refuse_differentiable("Adagrad", options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self._start(p, group)

    def _start(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state["step"] = wrap(np.zeros((), np.float32))
            start = float(group["initial_accumulator_value"])
            state["sum"] = wrap(np.full(p._data.shape, start, p.dtype))
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            settings = tuple(float(group[k]) for k in ("lr", "lr_decay", "eps", "weight_decay"))
            for p, state in self._with_grad(group):
                state = self._start(p, group)
                step = count_step(state)
                self._update(
                    kernels.adagrad, p, (state["sum"],), step, *settings, bool(group["maximize"])
                )
        return loss
