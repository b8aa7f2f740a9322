"""Checks of optimisers' options, with PyTorch's messages. No optimiser lives here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["check_options", "refuse_differentiable", "required"]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()  # a default that every group must replace


def check_options(name: str, options: dict[str, Any], rules: dict[str, tuple[str, str]]) -> None:
    """Raise as PyTorch does where an option is negative or not a number.

    `rules` maps an option to what PyTorch's message calls it and to its range, such as ">= 0"
    or "[0, 1)".
    """
    for option, (called, interval) in rules.items():
        value = options[option]
        if isinstance(value, Tensor):
            if value._data.size != 1:
                raise ValueError(f"Tensor {option} must be 1-element; got shape {value.shape}.")
        elif isinstance(value, str) or not isinstance(value, (int, float, np.generic)):
            raise TypeError(f"{name}: {option} must be a number; got {option} {value!r}.")
        v = float(value)
        ok = {">= 0": v >= 0, "[0, 1]": 0 <= v <= 1, "[0, 1)": 0 <= v < 1}[interval]
        if not ok:
            rule = interval if interval == ">= 0" else f"in {interval}"
            raise ValueError(f"Invalid {called}: {value}. {name} needs {option} {rule}.")


def refuse_differentiable(name: str, options: dict[str, Any]) -> None:
    """Raise for the one option of PyTorch's that changes results and that we lack."""
    if options.get("differentiable"):
        raise NotImplementedError(
            f"{name}: differentiable=True is not supported. Write the update with tensor ops, and "
            "use minigrad.autograd.grad(..., create_graph=True)."
        )
    if options.get("fused") and options.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
