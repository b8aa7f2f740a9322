"""The `ctx` of an autograd.Function: what forward leaves for backward, and how it may be used."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..errors import GradientError
from ..tensor import Tensor

if TYPE_CHECKING:
    from .node import FunctionNode

__all__ = ["FunctionCtx"]


class FunctionCtx:
    """What `forward` leaves for `backward`; any attribute may be set on it."""

    __slots__ = ("__dict__", "_node", "_saved", "needs_input_grad")

    # few contexts change these
    _not_differentiable: tuple[Tensor, ...] = ()
    _dirty: tuple[Tensor, ...] = ()
    _materialize = True

    def __init__(self, needs_input_grad: tuple[bool, ...] = ()) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] | None = None
        self._node: weakref.ref[FunctionNode] | None = None  # the node holds the context

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`; a later in-place change of one is then noticed."""
        if self._saved is not None or self._node is not None:
            raise GradientError(
                "save_for_backward: may be called once, in forward or setup_context; a second call "
                "would forget the first. Save all at once: ctx.save_for_backward(x, w, y)."
            )
        _check_tensors("save_for_backward", tensors, "Set other values as attributes: ctx.n = n.")
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given."""
        node = None if self._node is None else self._node()
        return self._saved or () if node is None else node.unpack()

    @saved_tensors.setter
    def saved_tensors(self, value: Any) -> None:
        raise GradientError(
            "ctx.saved_tensors: is read in backward; got an assignment. Write "
            "ctx.save_for_backward(x, y) in forward."
        )

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Outputs through which no gradient flows (indices, masks)."""
        _check_tensors("mark_non_differentiable", outputs, "Give outputs of forward.")
        self._not_differentiable = outputs

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Inputs that `forward` changed in place; return them as outputs."""
        _check_tensors("mark_dirty", inputs, "Give the inputs that forward changed.")
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """False: `backward` gets None, not zeros, for outputs that were not used."""
        self._materialize = value


def _check_tensors(name: str, values: tuple[Any, ...], hint: str) -> None:
    for i, t in enumerate(values):
        if t is not None and not isinstance(t, Tensor):
            raise TypeError(
                f"{name}: takes Tensors or None; got {type(t).__name__} at place {i}. {hint}"
            )
