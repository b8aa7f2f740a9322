"""Adam and AdamW, with AMSGrad. The formula is in `minigrad.kernels.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import optim as kernels
from ..tensor import Tensor, wrap
from .optimizer import Optimizer, ParamsT
from .options import check_options, refuse_differentiable

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

        d = ±grad + weight_decay · p           (AdamW: p = p − lr · weight_decay · p instead)
        m = β1 · m + (1 − β1) · d,   v = β2 · v + (1 − β2) · d²
        p = p − lr · m / (1 − β1^t) / (sqrt(v / (1 − β2^t)) + eps)

    With `amsgrad`, the largest v so far takes the place of v in the last line.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
    lr : float
    betas : (float, float)
        β1 and β2, each in [0, 1).
    eps : float
        Keeps the quotient finite.
    weight_decay : float
    amsgrad, maximize : bool
    decoupled_weight_decay : bool
        Decay the parameter itself, as AdamW does, instead of adding to the gradient.
    foreach, capturable, fused : bool
        Accepted for PyTorch's sake: every update is one fused pass here.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", section 2; Loshchilov
    and Hutter, "Decoupled weight decay regularization", algorithm 2.
    """

    _like_param = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self, params: ParamsT, lr: Any = 1e-3, betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        })

    def _check(self, options: dict[str, Any]) -> None:
        name = type(self).__name__
        check_options(name, options, {
            "lr": ("learning rate", ">= 0"), "eps": ("epsilon value", ">= 0"),
        })
        betas = options["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"{name}: betas must be two numbers (β1, β2); got betas {betas!r}.")
        for i, beta in enumerate(betas):
            check_options(
                name, {f"betas[{i}]": beta},
                {f"betas[{i}]": (f"beta parameter at index {i}", "[0, 1)")},
            )
        check_options(name, options, {"weight_decay": ("weight_decay value", ">= 0")})
        refuse_differentiable(name, options)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._loss(closure)
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            amsgrad = group["amsgrad"]
            settings = (
                float(group["lr"]), float(beta1), float(beta2), float(group["eps"]),
                float(group["weight_decay"]), bool(group["decoupled_weight_decay"]),
                bool(group["maximize"]),
            )
            for p, state in self._with_grad(group):
                if not state:
                    start_state(state, p, "exp_avg", "exp_avg_sq")
                if amsgrad and "max_exp_avg_sq" not in state:
                    start_state(state, p, "max_exp_avg_sq")
                states = (
                    state["exp_avg"], state["exp_avg_sq"],
                    state["max_exp_avg_sq"] if amsgrad else None,
                )
                self._update(kernels.adam, p, states, count_step(state), *settings)
        return loss


class AdamW(Adam):
    """Adam with weight decay that acts on the parameter itself; see `Adam` for the formula.

    Takes `Adam`'s arguments but the last; `weight_decay` is 0.01 unless given.
    """

    def __init__(
        self, params: ParamsT, lr: Any = 1e-3, betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
        maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # also where the state was an older AdamW's or an Adam's
            group["decoupled_weight_decay"] = True


def start_state(state: dict[str, Any], p: Tensor, *names: str) -> None:
    """Give `state` a step counter and zeros like `p` under each name."""
    if "step" not in state:
        state["step"] = wrap(np.zeros((), np.float32))
    for name in names:
        state[name] = wrap(np.zeros(p._data.shape, p.dtype))


def count_step(state: dict[str, Any]) -> int:
    """The number of this step, counted from 1; a 0-dim float32 tensor, as PyTorch keeps it."""
    count: np.ndarray = state["step"]._data
    count += 1
    return int(count)
