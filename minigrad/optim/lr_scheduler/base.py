"""The base of all learning-rate schedules. No schedule lives here.

A schedule is a class whose `get_lr` gives the rates of all groups at `last_epoch`, usually from the
rates of the step before ("chainable", so that schedules can be combined), and whose
`_get_closed_form_lr`, where there is one, gives them from `base_lrs` alone.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from ...tensor import Tensor
from ..optimizer import Optimizer

__all__ = ["LRScheduler"]

LRs = list[Any]  # one rate per parameter group


class LRScheduler:
    """Base class of learning-rate schedules.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        How many steps were made before; -1 begins anew.

    Raises
    ------
    KeyError
        `last_epoch` is not -1 and the optimiser has no `initial_lr` in its groups: load its
        state first.
    """

    _is_initial = False
    _within_step = False
    _skip: tuple[str, ...] = ("optimizer",)  # what state_dict leaves out

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copy_of(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0. Load the optimizer's state before making the "
                    "scheduler, or leave last_epoch at -1 and load the scheduler's state."
                )
        self.optimizer = optimizer
        self.base_lrs = [copy_of(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> LRs:
        """The rates at `last_epoch`, one per group. Users want `get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__}: a scheduler must define get_lr.")

    def get_last_lr(self) -> LRs:
        """The rates that are in force, one per parameter group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step (or to `epoch`) and set the optimiser's rates.

        Call it after `optimizer.step()`: the rate the optimiser was made with is the first.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first "
                "value of the learning rate schedule is skipped. Call them in the opposite order.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(
                "The epoch parameter in `scheduler.step()` is deprecated. Please use "
                "`scheduler.step()`.",
                UserWarning,
                stacklevel=2,
            )
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                closed = getattr(self, "_get_closed_form_lr", None)
                values = closed() if closed is not None else self.get_lr()
        finally:
            self._within_step = False
        groups = self.optimizer.param_groups
        if len(values) != len(groups):
            raise ValueError(
                f"{type(self).__name__}: needs one rate per parameter group; got {len(values)} "
                f"for {len(groups)} groups. Add groups before making the scheduler."
            )
        for group, lr in zip(groups, values):
            set_option(group, "lr", lr)
        self._last_lr = current_lrs(self.optimizer)

    def _lrs(self) -> LRs:
        """The rates before this step, for chainable forms."""
        if not self._within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )
        return current_lrs(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything the schedule needs to go on, without the optimiser and without functions."""
        skip = (*self._skip, "_within_step", "_is_initial")
        return {k: deepcopy(v) for k, v in self.__dict__.items() if k not in skip}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. The optimiser's rates come with its own state."""
        check_state(self, state_dict)
        self.__dict__.update(deepcopy({k: v for k, v in state_dict.items() if k != "optimizer"}))


class FunctionLR(LRScheduler):
    """A schedule by functions of the epoch, one per group, that are not part of the saved state."""

    _skip = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        n = len(optimizer.param_groups)
        many = isinstance(lr_lambda, (list, tuple))
        self.lr_lambdas: list[Any] = list(lr_lambda) if many else [lr_lambda] * n  # type: ignore[arg-type]
        if len(self.lr_lambdas) != n:
            raise ValueError(
                f"Expected {n} lr_lambdas, but got {len(self.lr_lambdas)}. Give one function per "
                "parameter group, or a single one for all."
            )
        for fn in self.lr_lambdas:
            if not callable(fn):
                raise TypeError(f"lr_lambda should be a function, but got {type(fn).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As the base's; of a callable object its attributes are kept, of a function nothing."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(fn, types.FunctionType) else dict(getattr(fn, "__dict__", {}))
            for fn in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; the functions stay those given to the constructor."""
        state = dict(state_dict)
        kept = state.pop("lr_lambdas", None) or []
        super().load_state_dict(state)
        for fn, attributes in zip(self.lr_lambdas, kept):
            if attributes:
                fn.__dict__.update(attributes)


def check_optimizer(optimizer: Any) -> None:
    """Raise where `optimizer` is none."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def check_state(scheduler: LRScheduler, state: Any) -> None:
    """Raise where `state` cannot be what a scheduler's `state_dict` gave."""
    if not isinstance(state, dict) or not {"last_epoch", "_last_lr"} & state.keys():
        got = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise ValueError(
            f"{type(scheduler).__name__}.load_state_dict: expected what scheduler.state_dict() "
            f"returned; got {got}."
        )


def check_count(name: str, option: str, value: Any, least: int = 1) -> None:
    """Raise where a number of steps is not an int, or too small."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: {option} must be an int; got {option} {value!r}.")
    if value < least:
        raise ValueError(f"{name}: {option} must be at least {least}; got {option} {value}.")


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """`value` for each parameter group: a list is taken as it is, a number repeated."""
    n = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copy_of(value) for _ in range(n)]
    if len(value) != n:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} "
            f"values, param_groups has {n}."
        )
    return [copy_of(v) for v in value]


def copy_of(value: Any) -> Any:
    """`value`; a tensor is copied."""
    return deepcopy(value) if isinstance(value, Tensor) else value


def current_lrs(optimizer: Optimizer) -> LRs:
    """The rates of all groups."""
    return [copy_of(group["lr"]) for group in optimizer.param_groups]


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option of a group; a tensor is filled, so that whoever holds it sees the change."""
    if isinstance(group[key], Tensor):
        group[key]._data.fill(float(value))
    else:
        group[key] = value
