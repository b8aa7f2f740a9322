"""What leaves the graph while a user's gradient rule is recorded: no silent zero in second order.

A gradient rule runs under `create_graph` as any code does, and what it computes with ops can be
differentiated again. What it computes otherwise cannot: `detach`, `.data` and what was kept as a
constant are followed through the graph into what the rule returns; values that were handed to NumPy
or Python, or computed inside `no_grad`, cannot be followed, so they count as being in all of it.
Going through such a gradient raises, and names the line. Comparisons, indices and rounding carry no
gradient anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .engine import Node, Output, mode, tick
from .errors import GradientError
from .record import user_line
from .tensor import Detached, Tensor, edge_of, wrap

__all__ = ["Trace", "is_zero_for_others", "varied"]

STEPS = {"ceil", "floor", "round", "sign", "trunc"}  # their gradient is zero wherever there is one


class Trace:
    """Follows what a rule gets (under `create_graph`) into what it returns.

    A gradient is linear in its cotangent, so one that does not depend on it by graph was computed
    outside the graph as well: differentiating it again would give a silent zero. Cotangents that
    need no gradient are handed over as stand-ins that do.
    """

    __slots__ = ("edges", "given", "left", "out", "outer", "seeds", "stands", "start")

    def __init__(self, cotangents: Sequence[Any]) -> None:
        self.start = tick()
        self.left = ""  # how values got out of sight
        self.out: dict[Any, str] = {}  # edges of tensors outside the graph: how they got there
        self.edges = tuple(edge_of(t) for t in cotangents if t is not None)
        self.stands: set[Any] = set()
        self.given = [t if t is None or t._rg else self._stand_in(t) for t in cotangents]
        self.seeds = {edge_of(t) for t in self.given if t is not None}

    def __enter__(self) -> None:
        self.outer, mode.trace = mode.trace, self

    def __exit__(self, *exc: object) -> None:
        mode.trace = self.outer

    def _stand_in(self, t: Tensor) -> Tensor:
        out = wrap(t._data)
        out._cell = t._share_cell()
        out._node, out._rg = Node((), t._data.shape, t._data.dtype), True
        self.stands.add(out._node)
        return out

    def detached(self, t: Tensor, why: str = "") -> Tensor:
        """Follow `t`, which holds values of the graph without being in it."""
        t._node, t._rg = Detached((), t._data.shape, t._data.dtype), True
        self.out[t._node] = why or f"values left the graph at {user_line()}"
        return t

    def as_leaf(self, t: Tensor) -> None:
        """Let `t`, which was detached, collect gradients as leaves do."""
        self.out[t] = self.out[t._node]
        t._node = None

    def leaves(self, why: str = "") -> None:
        """Note that values left by a way on which they cannot be followed."""
        self.left = self.left or why or f"values left the graph at {user_line()}"

    def closed(self, got: Any, inputs: Sequence[Any], what: str, advice: str, again: Any) -> Any:
        """`got` if all of it is in the graph; else such that differentiating it raises.

        `what` and `advice` are for the message. `again` computes the same from other cotangents:
        what is zero there too is a constant.
        """
        ends = self._ends(got)
        alone = self.seeds.isdisjoint(ends)
        if alone and not got._data.any() and again():
            return got
        why = self.left or next((self.out[e] for e in ends if e in self.out), "")
        if not alone and not why:
            return wrap(got._data) if ends <= self.stands else got
        why = why or "it was computed outside the graph"
        message = f"{what} cannot be differentiated again: {why}. {advice}"
        out = wrap(got._data)
        edges = (*self.edges, *inputs)
        out._node, out._rg = Opaque(edges, got._data.shape, got._data.dtype, message), True
        return out

    def _ends(self, t: Tensor) -> set[Any]:
        """Where the part of the graph that was recorded since the start comes from."""
        ends: set[Any] = set()
        stack, seen = [edge_of(t)], set()
        while stack:
            edge = stack.pop()
            if edge is None or edge in seen:
                continue
            seen.add(edge)
            node = edge.node if edge.__class__ is Output else edge
            known = edge in self.seeds or edge in self.out
            if known or not isinstance(node, Node) or node.seq < self.start:
                ends.add(edge)
                continue
            op = getattr(node, "op", None)
            if op is None or op.custom or op.name not in STEPS:
                stack.extend(node.inputs)
        return ends


class Opaque(Node):
    """Stands behind a gradient that was computed outside the graph: going through is an error."""

    __slots__ = ("message",)

    def __init__(self, inputs: tuple[Any, ...], shape: Any, dtype: Any, message: str) -> None:
        super().__init__(inputs, shape, dtype)
        self.message = message

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        raise GradientError(self.message)


def varied(t: Any, about: float) -> Any:
    """`t` with other values: each `about` times 0.5 ... 1.5 of its own scale away."""
    if not isinstance(t, Tensor) or t._data.dtype.kind != "f":
        return t
    a = t._data
    step = np.linspace(0.5, 1.5, a.size, dtype=a.dtype).reshape(a.shape)
    return wrap(a + about * step * (1 + np.abs(a)))


def is_zero_for_others(rule: Callable[..., Any]) -> bool:
    """Whether what `rule` makes of other values is zero as well; an error counts as no."""
    before = mode.recording, mode.trace
    mode.recording, mode.trace = False, None
    try:
        got = rule()
        return isinstance(got, Tensor) and not got._data.any()
    except Exception:
        return False
    finally:
        mode.recording, mode.trace = before
