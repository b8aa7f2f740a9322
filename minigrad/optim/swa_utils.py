"""Averages of a model over training: AveragedModel, its learning rate SWALR, and update_bn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from ..engine import no_grad
from ..nn.module import Module
from ..nn.norm import _BatchNorm
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "update_bn"]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The running mean decay · average + (1 − decay) · value, for `AveragedModel`'s avg_fn."""
    if not 0 <= decay <= 1:
        raise ValueError(f"get_ema_avg_fn: decay must be between 0 and 1; got decay {decay}.")
    return lambda average, value, count: average * decay + value * (1 - decay)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """`get_ema_avg_fn` over lists of tensors, in place, for multi_avg_fn."""
    one = get_ema_avg_fn(decay)

    def update(averages: Iterable[Tensor], values: Iterable[Tensor], count: Any) -> None:
        for average, value in zip(averages, values):
            average.copy_(one(average, value, count))

    return update


class AveragedModel(Module):
    """A copy of the model (under `module`) whose parameters are averages over the updates.

    Parameters
    ----------
    model : Module
    device : None or 'cpu'
    avg_fn : function of (average, value, how many before), optional
        What one update makes of a parameter; the plain mean unless given.
    multi_avg_fn : the same over lists of tensors, in place, optional
    use_buffers : bool
        Average floating buffers too; else they are copied.
    """

    n_averaged: Tensor

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Callable[..., Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None, use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: only one of avg_fn and multi_avg_fn can be given.")
        self.module = deepcopy(model)
        if device is not None:
            self.module.to(device)
        from ..convert import tensor

        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average; the first time, copy them."""
        mine: list[Tensor] = list(self.module.parameters())
        its: list[Tensor] = list(model.parameters())
        buffers = list(zip(self.module.buffers(), model.buffers()))
        floats = [(a, b) for a, b in buffers if self.use_buffers and a.is_floating_point()]
        mine, its = mine + [a for a, _ in floats], its + [b for _, b in floats]
        with no_grad():
            if self.n_averaged == 0:
                for average, value in zip(mine, its):
                    average.copy_(value)
            elif self.multi_avg_fn is not None:
                self.multi_avg_fn(mine, its, self.n_averaged)
            else:
                for average, value in zip(mine, its):
                    average.copy_(self._next(average, value.detach()))
            averaged = {id(a) for a, _ in floats}
            for a, b in buffers:
                if id(a) not in averaged:
                    a.copy_(b)
            self.n_averaged += 1

    def _next(self, average: Tensor, value: Tensor) -> Tensor:
        if self.avg_fn is not None:
            return self.avg_fn(average.detach(), value, self.n_averaged)
        mean: Tensor = average + (value - average) / (self.n_averaged + 1)
        return mean


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch norms anew, over one pass of the loader."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    training, momenta = model.training, [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # the plain mean over all batches
    model.train()
    with no_grad():
        for batch in loader:
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in zip(norms, momenta):
        m.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """Goes from the optimiser's learning rate to `swa_lr` in `anneal_epochs`, and stays there.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float, or one for each group
    anneal_epochs : int
    anneal_strategy : {'cos', 'linear'}
    """

    def __init__(
        self, optimizer: Any, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                "SWALR: anneal_strategy must be 'cos' or 'linear'; got anneal_strategy "
                f"{anneal_strategy!r}."
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"SWALR: anneal_epochs must be an int >= 0; got anneal_epochs {anneal_epochs!r}."
            )
        groups = optimizer.param_groups
        goals = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(groups)
        if len(goals) != len(groups):
            raise ValueError(f"SWALR: swa_lr must have {len(groups)} values; got {len(goals)}.")
        for goal, group in zip(goals, groups):
            group["swa_lr"] = goal
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, epoch: int) -> float:
        """How much of the way to swa_lr is done."""
        t = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self.anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        step = self._step_count - 1
        if not self.anneal_epochs:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        lrs = []
        for group in self.optimizer.param_groups:
            lr, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1 else (lr - before * goal) / (1 - before)
            lrs.append(now * goal + (1 - now) * start)
        return lrs
