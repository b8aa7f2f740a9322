"""Whether an array is held by one chain of calls alone, so that its memory may be taken over.

How many references such a chain has depends on the interpreter's version. So the usual number is
counted beforehand, on an object that nothing else holds, along a chain of calls of the same form:

    def accumulate(leaf, g):
        return references(g)

    USUAL = usual(lambda: accumulate(None, object()))

Every other holder (a Tensor, a dict, a view, the user) adds one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["references", "sole", "usual"]


def references(a: object) -> int:
    """How many there are, as `sole` counts them."""
    return sys.getrefcount(a)


def usual(chain: Callable[[], int]) -> int:
    """What `chain` counts; 0 under a debugger, which holds what it shows: then nothing is sole."""
    return 0 if sys.gettrace() or sys.getprofile() else chain()


def sole(a: Any, most: int) -> bool:
    """Whether the array `a` has at most so many references, and memory of its own that is dense."""
    return sys.getrefcount(a) <= most and a.base is None and bool(a.flags.carray)
