"""Adadelta. The formula is in `minigrad.kernels.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kernels import optim as kernels
from .adam import count_step, start_state
from .optimizer import Optimizer, ParamsT
from .options import check_options, refuse_differentiable

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps in units of the parameter: a ratio of running root mean squares.

        d = ±grad + weight_decay · p,   v = rho · v + (1 − rho) · d²
        u = sqrt(a + eps) / sqrt(v + eps) · d,   a = rho · a + (1 − rho) · u²,   p = p − lr · u

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
    lr, rho, eps, weight_decay : float
    maximize : bool
    foreach, capturable : bool
        Accepted for PyTorch's sake: every update is one fused pass here.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", algorithm 1.
    """

    _like_param = ("square_avg", "acc_delta")

    def __init__(
        self, params: ParamsT, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        })

    def _check(self, options: dict[str, Any]) -> None:
        check_options("Adadelta", options, {
            "lr": ("learning rate", ">= 0"), "rho": ("rho value", "[0, 1]"),
            "eps": ("epsilon value", ">= 0"), "weight_decay": ("weight_decay value", ">= 0"),
        })
        refuse_differentiable("Adadelta", options)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            settings = tuple(float(group[k]) for k in ("lr", "rho", "eps", "weight_decay"))
            for p, state in self._with_grad(group):
                if not state:
                    start_state(state, p, "square_avg", "acc_delta")
                count_step(state)
                self._update(
                    kernels.adadelta, p, (state["square_avg"], state["acc_delta"]), *settings,
                    bool(group["maximize"]),
                )
        return loss
