"""How a loss becomes one number. The losses are in loss.py and cross_entropy.py."""

from __future__ import annotations

import warnings

from ..errors import ShapeError
from ..tensor import Tensor

__all__ = ["reduced", "reduction_of"]


def reduction_of(
    op: str,
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    also: tuple[str, ...] = (),
) -> str:
    """What the arguments ask for; `size_average` and `reduce` are the old spelling."""
    if size_average is not None or reduce is not None:
        new = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"{op}: size_average and reduce are deprecated; use reduction={new!r} instead.",
            UserWarning,
            stacklevel=4,
        )
        return new
    if reduction not in ("none", "mean", "sum", *also):
        known = ", ".join(repr(r) for r in ("none", "mean", "sum", *also))
        raise ShapeError(f"{op}: reduction must be one of {known}; got reduction {reduction!r}.")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """All of `loss`, its mean, or its sum."""
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()
