"""RMSprop. The formula is in `minigrad.kernels.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kernels import optim as kernels
from .adam import count_step, start_state
from .optimizer import Optimizer, ParamsT
from .options import check_options, refuse_differentiable

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient.

        d = ±grad + weight_decay · p,   v = alpha · v + (1 − alpha) · d²
        u = d / (sqrt(v) + eps)          (centered: the running mean squared is subtracted from v)
        b = momentum · b + u,   p = p − lr · (b, or u without momentum)

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
    lr, alpha, eps, weight_decay, momentum : float
    centered : bool
        Divide by an estimate of the standard deviation.
    maximize : bool
    capturable, foreach : bool
        Accepted for PyTorch's sake: every update is one fused pass here.

    Source: Hinton, "Neural networks for machine learning", lecture 6; Graves, "Generating
    sequences with recurrent neural networks", for the centred form.
    """

    _like_param = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self, params: ParamsT, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False,
        capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        })

    def _check(self, options: dict[str, Any]) -> None:
        check_options("RMSprop", options, {
            "lr": ("learning rate", ">= 0"), "eps": ("epsilon value", ">= 0"),
            "momentum": ("momentum value", ">= 0"), "weight_decay": ("weight_decay value", ">= 0"),
            "alpha": ("alpha value", ">= 0"),
        })
        refuse_differentiable("RMSprop", options)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            settings = tuple(
                float(group[k]) for k in ("lr", "alpha", "eps", "momentum", "weight_decay")
            )
            names = ["square_avg"]
            if group["momentum"] > 0:
                names.append("momentum_buffer")
            if group["centered"]:
                names.append("grad_avg")
            for p, state in self._with_grad(group):
                if not state or any(name not in state for name in names):
                    start_state(state, p, *(name for name in names if name not in state))
                count_step(state)
                states = (
                    state["square_avg"],
                    state["momentum_buffer"] if group["momentum"] > 0 else None,
                    state["grad_avg"] if group["centered"] else None,
                )
                self._update(kernels.rmsprop, p, states, *settings, bool(group["maximize"]))
        return loss
