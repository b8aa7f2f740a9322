"""Memory with guards around it, for what kernels write; no test lives here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minigrad.kernels import threads

GUARD = 12345.0


@contextmanager
def guarded(module: ModuleType, *names: str) -> Iterator[list[np.ndarray]]:
    """Let functions of a module that make arrays surround them, and fill them with NaN.

    So is the work space of kernels. At the end nothing may have been written past them. What was
    not written at all shows as NaN.
    """
    made: list[np.ndarray] = []

    def surrounded(shape: Any, dtype: Any, value: float = np.nan) -> np.ndarray:
        whole = np.full(int(np.prod(shape)) + 128, value, dtype)
        whole[:64] = whole[-64:] = GUARD
        made.append(whole)
        return whole[64:-64].reshape(shape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            threads, "scratch", lambda size, dtype, rows: surrounded((rows, size), dtype)
        )
        for name in names:
            made_by = partial(surrounded, value=0.0) if name == "zeros" else surrounded
            patch.setattr(module, name, made_by)
        yield made
    for whole in made:
        assert (whole[:64] == GUARD).all() and (whole[-64:] == GUARD).all()
