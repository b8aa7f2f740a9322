"""Activation checkpointing, for PyTorch's scripts: the function simply runs.

What it computes, and every gradient of any order, is as PyTorch's; the memory that recomputing
would save is not saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["checkpoint", "checkpoint_sequential"]

_OPTIONS = ("use_reentrant", "context_fn", "determinism_check", "debug", "preserve_rng_state")


def checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """function(*args), with the options of PyTorch's checkpoint accepted and ignored."""
    for option in _OPTIONS:
        kwargs.pop(option, None)
    return function(*args, **kwargs)


def checkpoint_sequential(functions: Iterable[Any], segments: int, input: Any, **kw: Any) -> Any:
    """The functions (or the layers of a Sequential) one after the other."""
    for function in functions:
        input = function(input)
    return input
