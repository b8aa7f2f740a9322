"""The contract of code that users write: what forwards and rules must hold, and its checks.

Shared by ops declared outside minigrad (minigrad.custom) and by autograd.Function; ops of minigrad
itself are not checked here, the tests do that. (How second orders are kept from silent zeros:
minigrad.trace.) A check is cheap (counts, types, shapes, versions) and made on every call, or dear
(a pass over the data) and made on some:

- inputs compared with copies: the first call with each combination of shapes;
- a non-finite gradient from finite values: up to 1024 elements always; beyond, the first four
  calls and then one in 64; always inside `detect_anomaly`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .engine import mode
from .tensor import Tensor

__all__ = ["SMALL", "Watch", "code_of", "line_of", "set_contract_checks", "switch"]

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
