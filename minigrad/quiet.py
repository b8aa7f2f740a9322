"""Keeping NumPy quiet: PyTorch does not warn of divisions by zero and overflows, so we do not.

    token = quiet(silent)
    try:
        y = np.exp(x)
    finally:
        unquiet(token)

np.errstate would do, but costs 0.7 us a call; the context variable behind it costs 0.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["quiet", "silent", "unquiet"]

try:
    from numpy._core import umath as _umath

    _state = _umath._extobj_contextvar
    quiet, unquiet, silent = _state.set, _state.reset, _umath._make_extobj(all="ignore")
except (ImportError, AttributeError):  # another NumPy: the public way

    def quiet(_: Any) -> Any:
        state = np.errstate(all="ignore")
        state.__enter__()
        return state

    def unquiet(state: Any) -> None:
        state.__exit__(None, None, None)

    silent = None  # type: ignore[assignment]
