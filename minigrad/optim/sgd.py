"""Stochastic gradient descent. The formula is in `minigrad.kernels.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import optim as kernels
from ..tensor import wrap
from .optimizer import Optimizer, ParamsT
from .options import check_options, refuse_differentiable

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak's or Nesterov's) and weight decay.

        d = ±grad + weight_decay · p
        v = d at the first step, else momentum · v + (1 − dampening) · d
        p = p − lr · (v, or d + momentum · v with nesterov)

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
    lr, momentum, dampening, weight_decay : float
    nesterov : bool
        Look ahead along the momentum.
    maximize : bool
        Ascend instead.
    foreach, fused : bool
        Accepted for PyTorch's sake: every update is one fused pass here.

    Raises
    ------
    ValueError
        A negative option, or nesterov without momentum or with dampening.
    """

    _like_param = ("momentum_buffer",)

    def __init__(
        self, params: ParamsT, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: Any = 0, nesterov: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused,
        })

    def _check(self, options: dict[str, Any]) -> None:
        check_options("SGD", options, {
            "lr": ("learning rate", ">= 0"), "momentum": ("momentum value", ">= 0"),
            "weight_decay": ("weight_decay value", ">= 0"),
        })
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening; got momentum "
                f"{options['momentum']}, dampening {options['dampening']}. Try momentum=0.9."
            )
        refuse_differentiable("SGD", options)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            momentum = float(group["momentum"])
            settings = (
                float(group["lr"]), momentum, float(group["dampening"]),
                float(group["weight_decay"]), bool(group["nesterov"]), bool(group["maximize"]),
            )
            for p in group["params"]:
                if p._grad is None:
                    continue
                if not momentum:
                    self._update(kernels.sgd, p, (None,), False, *settings)
                    continue
                state = self.state[p]
                buf = state.get("momentum_buffer")
                first = buf is None
                if buf is None:
                    buf = wrap(np.empty(p._data.shape, p.dtype))
                self._update(kernels.sgd, p, (buf,), first, *settings)
                state["momentum_buffer"] = buf
        return loss
