"""What model files say about TorchScript. Nothing is compiled: everything stays Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = [
    "Final", "annotate", "export", "ignore", "is_scripting", "is_tracing", "script",
    "script_if_tracing", "trace", "unused",
]

F = TypeVar("F")


def script(obj: F, *args: Any, **kwargs: Any) -> F:
    """`obj` (a function, class or module) as it is."""
    return obj


def trace(func: F, example_inputs: Any = None, *args: Any, **kwargs: Any) -> F:
    """`func` as it is."""
    return func


def is_scripting() -> bool:
    """Always False."""
    return False


def is_tracing() -> bool:
    """Always False."""
    return False


def annotate(the_type: Any, the_value: F) -> F:
    """`the_value`."""
    return the_value


def export(fn: F) -> F:
    """`fn` as it is."""
    return fn


def unused(fn: F) -> F:
    """`fn` as it is."""
    return fn


def script_if_tracing(fn: F) -> F:
    """`fn` as it is."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Callable[..., Any] | Any:
    """A decorator, with or without arguments, that changes nothing."""
    return drop if callable(drop) else (lambda fn: fn)
