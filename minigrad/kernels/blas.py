"""The OpenBLAS that NumPy's wheels bundle: how many threads it uses, and its products' addresses.

With another BLAS, quietly, nothing is found.
"""

from __future__ import annotations

import ctypes
import glob
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["gemm_address", "set_blas_threads"]


def set_blas_threads(n: int) -> None:
    """Let BLAS use n threads from now on, where it can be told."""
    for setter in _setters():
        setter(n)


@lru_cache(maxsize=4)
def gemm_address(char: str) -> int:
    """Where `cblas_?gemm` with integers of 64 bits lies, for the dtype "f" or "d"; 0 if unknown."""
    name = f"scipy_cblas_{'s' if char == 'f' else 'd'}gemm64_"
    for library in _libraries():
        if hasattr(library, name):
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    return 0


@lru_cache(maxsize=1)
def _setters() -> list[Callable[[int], Any]]:
    setters: list[Callable[[int], Any]] = []
    for library in _libraries():
        for symbol in (
            "scipy_openblas_set_num_threads64_",
            "scipy_openblas_set_num_threads",
            "openblas_set_num_threads64_",
            "openblas_set_num_threads",
        ):
            if hasattr(library, symbol):
                setter = getattr(library, symbol)
                setter.argtypes, setter.restype = (ctypes.c_int,), None
                setters.append(setter)
                break
    return setters


@lru_cache(maxsize=1)
def _libraries() -> list[ctypes.CDLL]:
    libraries, root = [], Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs", root / ".libs"):
        for name in glob.glob(str(folder / "*openblas*")):
            try:
                libraries.append(ctypes.CDLL(name))
            except OSError:
                continue
    return libraries
