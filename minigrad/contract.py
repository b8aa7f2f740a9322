"""The contract of code that users write: what forwards and rules must hold, and its checks.

Shared by ops declared outside minigrad (minigrad.custom) and by autograd.Function; ops of minigrad
itself are not checked here, the tests do that. A check is cheap (counts, types, shapes, versions)
and made on every call, or dear (a pass over the data) and made on some:

- inputs compared with copies: the first call with each combination of shapes;
- a non-finite gradient from finite values: up to 1024 elements always; beyond, the first four
  calls and then one in 64; always inside `detect_anomaly`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .engine import Node, Output, mode, tick
from .errors import GradientError
from .tensor import Tensor, edge_of, wrap

__all__ = ["Trace", "Watch", "code_of", "line_of", "set_contract_checks", "switch"]

SMALL = 1024  # elements that are always looked at: 0.4 us


class _Switch:
    on = True


switch = _Switch()


class set_contract_checks:
    """Switch the checks of users' ops and Functions on or off: at once, or as a context.

    For the whole process; they are on at first. What keeps a graph right (shapes of gradients, no
    silent zero in second order) is checked in any case.
    """

    def __init__(self, mode: bool) -> None:
        self.before, self.value = switch.on, bool(mode)
        switch.on = self.value

    def __enter__(self) -> None:
        switch.on = self.value

    def __exit__(self, *exc: object) -> None:
        switch.on = self.before


def code_of(fn: Any) -> Any:
    """The code object of a function, a partial or a compiled function; None if it has none."""
    fn = inspect.unwrap(fn)
    for name in ("__func__", "py_func", "func"):
        fn = getattr(fn, name, fn)
    return getattr(fn, "__code__", None)


def line_of(fn: Any) -> str:
    """File and line of a function, for messages."""
    code = code_of(fn)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(fn)


class Watch:
    """Which calls of one function pay for the dear checks, and those checks."""

    __slots__ = ("calls", "seen")

    def __init__(self) -> None:
        self.calls = 0
        self.seen: set[Any] = set()

    def copies(self, key: Any, arrays: Sequence[Any]) -> list[Any] | None:
        """Copies to compare with, for a combination of shapes that is new (64 are remembered)."""
        if len(self.seen) >= 64:
            return None
        self.seen.add(key)
        return [a.copy() if isinstance(a, np.ndarray) else None for a in arrays]

    @staticmethod
    def restored(arrays: Sequence[Any], before: Sequence[Any]) -> int | None:
        """Place of the first array that differs from its copy; it gets its old values back."""
        for i, (a, old) in enumerate(zip(arrays, before)):
            if old is not None and not np.array_equal(a, old, equal_nan=a.dtype.kind in "fc"):
                np.copyto(a, old)
                return i
        return None

    def suspect(self, a: np.ndarray) -> bool:
        """Whether `a`, if it is looked at this time, seems to hold values that are not finite."""
        if a.size > SMALL:
            self.calls += 1
            if self.calls > 4 and self.calls % 64 and not mode.anomaly:
                return False
        if a.ndim != 1:
            a = a.ravel()
        return not math.isfinite(a.dot(a))  # may overflow: the caller looks at each

    def non_finite(self, a: np.ndarray, given: Sequence[Any]) -> tuple[int, ...] | None:
        """Index of the first value of `a` that is not finite although all that is given is."""
        bad = ~np.isfinite(a)
        if not bad.any() or not all(_finite(t) for t in given):
            return None
        return tuple(int(i) for i in np.unravel_index(int(bad.argmax()), a.shape))


def _finite(t: Any) -> bool:
    if isinstance(t, (tuple, list)):
        return all(_finite(one) for one in t)
    a = t._data if isinstance(t, Tensor) else t
    return not (isinstance(a, np.ndarray) and a.dtype.kind == "f") or bool(np.isfinite(a).all())


class Trace:
    """Follows the cotangents that a rule gets (under `create_graph`) into what it returns.

    A gradient is linear in its cotangent, so one that does not depend on it by graph was computed
    outside the graph: differentiating it again would give a silent zero. Cotangents that need no
    gradient are handed over as stand-ins that do.
    """

    __slots__ = ("edges", "given", "seeds", "stands", "start")

    def __init__(self, cotangents: Sequence[Any]) -> None:
        self.start = tick()
        self.edges = tuple(edge_of(t) for t in cotangents if t is not None)
        self.stands: set[Any] = set()
        self.given = [t if t is None or t._rg else self._stand_in(t) for t in cotangents]
        self.seeds = {edge_of(t) for t in self.given if t is not None}

    def _stand_in(self, t: Tensor) -> Tensor:
        out = wrap(t._data)
        out._cell = t._share_cell()
        out._node, out._rg = Node((), t._data.shape, t._data.dtype), True
        self.stands.add(out._node)
        return out

    def closed(self, got: Any, inputs: Sequence[Any], message: str, again: Any) -> Any:
        """`got` if it is in the graph of the cotangents; else such that differentiating it raises.

        `again` computes the same from other cotangents: what is zero there too is a constant.
        """
        ends = self._ends(got)
        if self.seeds.isdisjoint(ends):
            if not got._data.any() and again():
                return got
            out = wrap(got._data)
            edges = (*self.edges, *inputs)
            out._node, out._rg = Opaque(edges, got._data.shape, got._data.dtype, message), True
            return out
        return wrap(got._data) if ends <= self.stands else got

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
            if edge in self.seeds or not isinstance(node, Node) or node.seq < self.start:
                ends.add(edge)
            else:
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
    before, mode.recording = mode.recording, False
    try:
        got = rule()
        return isinstance(got, Tensor) and not got._data.any()
    except Exception:
        return False
    finally:
        mode.recording = before
