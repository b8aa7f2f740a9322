"""Whether and how kernels are compiled: the Numba policy in one place. No kernel lives here.

Importing this imports no Numba. A `@kernel` compiles on its first call for the types it meets
(C-contiguous float32 or float64), without the GIL, with contraction and reordering of sums allowed
but NaN, infinities and division by zero as IEEE has them. The threads are in `threads`, the files
of compiled code in `cache`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import threads
from minigrad.kernels.cache import KernelCache
from minigrad.kernels.memory import keep_freed
from minigrad.kernels.threads import get_num_threads, set_num_threads

__all__ = [
    "Kernel",
    "dense",
    "exact_helper",
    "fill",
    "get_num_threads",
    "helper",
    "intrinsic",
    "jit_enabled",
    "kernel",
    "set_num_threads",
    "use_jit",
    "warmup",
]

FASTMATH = frozenset({"contract", "reassoc", "nsz"})
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@lru_cache(maxsize=1)
def jit_enabled() -> bool:
    """Whether kernels run compiled; if not, their NumPy references do.

    They do not with `MINIGRAD_JIT=0` in the environment, or where Numba cannot be imported. It is
    found out once, when the first kernel runs.
    """
    keep_freed()
    if os.environ.get("MINIGRAD_JIT", "1") == "0" or not _numba_works():
        return False
    from minigrad.kernels.team import serve

    threads.serve = serve
    return True


def use_jit(x: NDArray[Any], *others: NDArray[Any] | None) -> bool:
    """Whether the compiled kernel serves these arrays: all float32, or all float64."""
    dtype = x.dtype
    for a in others:  # written out: most calls of a step come by here
        if a is not None and a.dtype is not dtype and a.dtype != dtype:
            return False
    return dtype in _FLOATS and jit_enabled()


def dense(x: NDArray[Any]) -> NDArray[Any]:
    """x, or a copy unless it is C-contiguous, aligned, writeable: one type per dtype and ndim."""
    flags = x.flags
    return x if flags.carray else np.array(x, order="C")


def packed(sizes: Any) -> NDArray[Any]:
    """A named tuple of ints as a record, which Numba takes over within 0.1 us, not 2."""
    return np.array([sizes], [(name, np.int64) for name in sizes._fields])


_building = threading.RLock()


class Kernel:
    """A function that Numba compiles when it is first called; other kernels may call it."""

    def __init__(
        self, function: Callable[..., Any], keep: bool, fastmath: frozenset[str] = FASTMATH
    ) -> None:
        self.function = function
        self.keep, self.fastmath = keep, fastmath
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self._dispatcher: Any = None

    def __call__(self, *args: Any) -> Any:
        return (self._dispatcher or self.dispatcher)(*args)

    def run(
        self, chunks: int, work: float, *args: Any, scratch: tuple[int, np.dtype] | None = None
    ) -> None:
        """Call a kernel (team, chunks, *args) on all threads, which share the chunks (`team`).

        In the caller alone if `work`, the nanoseconds that it takes one core or so, is small, if
        there is one chunk, or if the threads are in use by another. With `scratch`, elements and
        their dtype, a work space (threads, size) follows the arguments.
        """
        if chunks <= 0:
            return
        pool = threads.gather(chunks, work)
        if scratch is not None:
            args += (threads.scratch(*scratch, 1 if pool is None else pool.threads),)
        call = self._dispatcher or self.dispatcher
        call(0 if pool is None else pool.team, chunks, *args)

    @property
    def dispatcher(self) -> Any:
        """The Numba dispatcher."""
        with _building:
            if self._dispatcher is None:
                jit_enabled()
                import numba
                from numba.core import types

                policy = numba.njit(
                    nogil=True, error_model="numpy", fastmath=set(self.fastmath),
                    no_cfunc_wrapper=True,  # nobody calls by address: a tenth of a first step
                    boundscheck=False,  # a kernel must not raise while others help it
                )
                made = policy(self.function)
                template = made.get_call_template
                # Else a helper that is called with a literal number is compiled for that number.
                made.get_call_template = lambda args, kws: template(
                    [types.unliteral(a) for a in args], kws
                )
                if self.keep:
                    made._cache = KernelCache(self.function.__module__, self.__name__)
                self._dispatcher = made
            return self._dispatcher

    @property
    def _numba_type_(self) -> Any:
        """How Numba sees this object when another kernel names it."""
        return self.dispatcher._numba_type_


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile this function on its first call, and keep the machine code on disk.

    A kernel defined outside `minigrad.kernels` is compiled in every process, for nothing here would
    notice an edit of what it calls.
    """
    return Kernel(function, keep=True)


def helper(function: Callable[..., Any]) -> Kernel:
    """A part of kernels, compiled into those that call it."""
    return Kernel(function, keep=False)


@helper
def fill(line, value):
    """line[:] = value, which Numba takes 0.1 s to compile at every place where it stands."""
    for i in range(len(line)):
        line[i] = value


def exact_helper(function: Callable[..., Any]) -> Kernel:
    """A `helper` whose arithmetic is done in the order in which it is written."""
    return Kernel(function, keep=False, fastmath=frozenset({"contract"}))


class intrinsic:
    """As `numba.extending.intrinsic`, but made only when a kernel that names it is compiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @property
    def _numba_type_(self) -> Any:
        return _intrinsic_type(self.function)


@cache
def _intrinsic_type(function: Callable[..., Any]) -> Any:
    from numba.core.registry import cpu_target
    from numba.extending import intrinsic as numba_intrinsic

    made = numba_intrinsic(function)
    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


def _numba_works() -> bool:
    if importlib.util.find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return False
    try:
        importlib.import_module("numba")
    except Exception as error:  # a Python or a NumPy that this Numba does not support
        warnings.warn(
            f"minigrad: Numba cannot be imported ({error}), so kernels run on NumPy alone, slowly.",
            RuntimeWarning,
            stacklevel=4,
        )
        return False
    return True


def warmup(float64: bool = False) -> None:
    """Compile all kernels now, for float32 and optionally float64.

    A first run otherwise compiles each kernel when it meets it. Nothing happens without Numba.
    """
    if not jit_enabled():
        return
    from minigrad.kernels.warm import exercise

    for dtype in _FLOATS[: 2 if float64 else 1]:
        exercise(dtype)
