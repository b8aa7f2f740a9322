"""Clipping gradients, in place, between backward and the optimiser's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...complaints import taught
from ...engine import no_grad
from ...inplace import bump
from ...tensor import Tensor, wrap

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensors) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


@taught
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors, taken together as one vector.

    Parameters
    ----------
    norm_type : float
        The p of the p-norm; inf for the largest absolute value.
    error_if_nonfinite : bool
        Raise RuntimeError if the norm is NaN or infinite.
    """
    arrays = [t._data for t in _listed(tensors)]
    if not arrays:
        return wrap(np.array(0.0, np.float32))
    p = float(norm_type)
    with np.errstate(all="ignore"):
        if p == 2.0:  # sums of squares, in float64: no overflow, and the order hardly matters
            norm = np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in arrays))
        else:
            parts = [np.linalg.norm(a.astype(np.float64).ravel(), p) for a in arrays if a.size]
            norm = np.linalg.norm(np.array(parts), p) if parts else np.float64(0)
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(
            f"get_total_norm: the total norm of order {norm_type} is non-finite ({norm}), so "
            "gradients cannot be scaled by it. Pass error_if_nonfinite=False to go on all the same."
        )
    return wrap(np.asarray(norm, np.result_type(*[a.dtype for a in arrays])))


@taught
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by max_norm / total_norm if that is less than 1."""
    scale = float(max_norm) / (float(total_norm) + 1e-6)
    if scale >= 1:
        return
    for g in _grads(parameters):
        with np.errstate(all="ignore"):  # an infinite norm gives NaN, as it should
            np.multiply(g._data, g.dtype.type(scale), out=g._data)
        _changed(g, "clip_grad_norm_")


@taught
def clip_grad_norm_(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their norm, taken together, is at most `max_norm`.

    Returns
    -------
    0-dim Tensor
        The norm before. Parameters and errors as for `get_total_norm`.
    """
    parameters = _listed(parameters)
    total = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@taught
def clip_grad_value_(
    parameters: Tensors, clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of every gradient into [−clip_value, clip_value]."""
    limit: Any = float(clip_value)
    for g in _grads(parameters):
        np.clip(g._data, -limit, limit, out=g._data)
        _changed(g, "clip_grad_value_")


def _changed(g: Tensor, name: str) -> None:
    with no_grad():
        bump(g, name)
