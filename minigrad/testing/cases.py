"""Case: how samples of one op are drawn and what they are compared with. No checks live here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """What the systematic tests know about an op of the registry.

    Parameters
    ----------
    draw : strategy of (args, kwargs)
        Arguments for the registry's function. Float64 ndarrays (also in lists) stand for tensors
        that require grad, other ndarrays for tensors that do not.
    oracle : callable
        The same arguments over ndarrays give the right value, an ndarray or a tuple of them. It
        must be independent: NumPy, SciPy, nested loops.
    torch : str or callable
        The function under `torch` to compare with ("nn.functional.conv2d"), or one on its tensors.
    grad : bool
        False if the op has no gradients.
    order : 1 or 2
        Up to which order gradients are checked.
    linear : bool
        The op is linear in its float inputs together; the adjoint identity is checked exactly.
    exact : bool
        The value must equal the oracle's bit for bit (copies, views, comparisons).
    dtypes : tuple of str
        Floating dtypes in which the op must work.
    constants : tuple of int or str
        Places or keywords of float arguments without a gradient (class weights, say).
    random : bool
        The op draws from the default generator; it is seeded before every call.
    keeps_dtype : bool
        Floating outputs have the dtype of the floating inputs (not so for casts).
    """

    draw: SearchStrategy[tuple[tuple[Any, ...], dict[str, Any]]] | None = None
    oracle: Callable[..., Any] | None = None
    torch: str | Callable[..., Any] | None = None
    grad: bool = True
    order: int = 2
    linear: bool = False
    exact: bool = False
    dtypes: tuple[str, ...] = ("float32", "float64")
    constants: tuple[int | str, ...] = ()
    random: bool = False
    keeps_dtype: bool = True
