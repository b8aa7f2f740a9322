"""Second derivatives of fused ops: the pullback of an equivalent formula. No op lives here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..differentiate import grad
from ..engine import enable_grad, mode
from ..tensor import Tensor, wrap

__all__ = ["pullback_of"]


def pullback_of(
    formula: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor | None],
    cotangents: Sequence[Tensor],
) -> list[Tensor | None]:
    """Gradients of Σ <formula(*inputs), cotangents> in the inputs, for the rule of a fused op.

    The inputs may depend on each other in the graph; each gets its partial derivative. The result
    can be differentiated again if the walk that called the rule is being recorded.
    """
    recorded = mode.recording
    with enable_grad():
        fresh: list[Any] = []
        for t in inputs:
            if t is None:
                fresh.append(None)
            elif recorded and t._rg:
                fresh.append(t.view(t.shape))  # a place of its own in the graph
            else:
                fresh.append(wrap(t._data))
                fresh[-1]._rg = True
        wanted = [t for t in fresh if t is not None]
        got = grad(formula(*fresh), wanted, cotangents, create_graph=recorded, allow_unused=True)
    parts = iter(got)
    return [None if t is None else next(parts) for t in fresh]
