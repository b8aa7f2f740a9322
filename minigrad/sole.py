"""Whether an array is held by one chain of calls alone, so that its memory may be taken over.

How many references such a chain has depends on the interpreter's version. So the usual number is
counted beforehand, on an array that nothing else holds, along a chain of calls of the same form:

    def accumulate(leaf, g):
        usual = references(g)

Every other holder (a Tensor, a dict, a view, the user) adds one.
"""

from __future__ import annotations

import sys

import numpy as np

__all__ = ["references", "sole"]


def references(a: np.ndarray) -> int:
    """How many there are, as `sole` counts them."""
    return sys.getrefcount(a)


def sole(a: np.ndarray, usual: int) -> bool:
    """Whether `a` has no more references than usual, and its memory is its own and dense."""
    return sys.getrefcount(a) <= usual and a.base is None and bool(a.flags.carray)
