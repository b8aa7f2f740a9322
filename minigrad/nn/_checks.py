"""What layers check when they are built. Inputs are checked by the ops, and in forward."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

__all__ = ["check_dims", "divides", "pair", "positive", "probability", "single", "size"]


def size(layer: str, name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    try:
        n = index(str(value) if isinstance(value, bool) else value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{layer}: {name} must be an int; got {value!r}.") from None
    if n < least:
        what = {0: "not be negative", 1: "be positive"}.get(least, f"be at least {least}")
        raise ValueError(f"{layer}: {name} must {what}; got {name} {n}.")
    return n


def positive(layer: str, **sizes: Any) -> None:
    """Each of the named sizes is a positive int."""
    for name, value in sizes.items():
        size(layer, name, value)


def _tuple(layer: str, name: str, value: Any, n: int, least: int) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)):
        return (size(layer, name, value, least),) * n
    if len(value) != n:
        many = "one int" if n == 1 else f"an int or {n} of them"
        raise ValueError(f"{layer}: {name} must be {many}; got {tuple(value)}.")
    return tuple(size(layer, name, v, least) for v in value)


def single(layer: str, name: str, value: Any, least: int = 1) -> tuple[int]:
    """`value` as a tuple of one int."""
    return (_tuple(layer, name, value, 1, least)[0],)


def pair(layer: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """`value` as a pair of ints; one int stands for both."""
    a, b = _tuple(layer, name, value, 2, least)
    return a, b


def divides(layer: str, divisor: tuple[str, int], **sizes: int) -> None:
    """Each of the named sizes is a multiple of the divisor (name, value)."""
    name, n = divisor
    for other, value in sizes.items():
        if value % n:
            raise ValueError(
                f"{layer}: {other} must be divisible by {name}; got {other} {value}, {name} {n}."
            )


def probability(layer: str, p: float) -> None:
    """`p` lies between 0 and 1."""
    if not isinstance(p, (int, float)):
        raise TypeError(f"{layer}: p must be a number; got p {p!r}.")
    if not 0 <= p <= 1:
        raise ValueError(f"{layer}: dropout probability must be between 0 and 1; got p {p}.")


def check_dims(layer: Module, input: Tensor, shapes: dict[int, str]) -> None:
    """`input` has as many dims as one of `shapes`: number of dims -> how a message shows it."""
    if getattr(input, "ndim", None) in shapes:
        return
    name = type(layer).__name__
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}: input must be a Tensor; got {type(input).__name__}. Use minigrad.tensor(...)."
        )
    raise ShapeError(
        f"{name}: input must be {' or '.join(shapes.values())}; got shape {tuple(input.shape)}."
    )
