"""Arrays whose memory is used again: big results without page faults. No kernel lives here.

The operating system hands out memory page by page, each cleared when it is first touched, and the C
library gives big arrays back to it at once: a fresh array costs more than the arithmetic on it. The
arrays of `empty` return their buffer to a pool when the last view of them is gone.

What the pool holds, lent or idle, never exceeds the most that was lent at one time: before more is
asked of the system, idle buffers are given up, those first whose size was not wanted for longest.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
from bisect import bisect_left
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["empty", "empty_like", "release"]

POOLED = os.environ.get("MINIGRAD_POOL", "1") != "0"
SMALL = 1 << 17  # bytes; the C library keeps arrays below this by itself
SPARE = 8  # a buffer may be longer than what is asked for by one part in this


class _Loan(np.ndarray):
    """A buffer while it is lent: the base of every array in it, so that it dies with the last."""

    owned_by_array = True  # for `tensor.owns_memory`, which may not know this module

    def __del__(self) -> None:
        if self.base is not None:
            _pool.back.append(self.base)


class _Pool:
    def __init__(self) -> None:
        self.back: deque[Any] = deque()  # filled by dying loans, perhaps inside `take`: no lock
        self.idle: dict[int, list[Any]] = {}  # by size, those wanted last at the end
        self.sizes: list[int] = []  # the keys of `idle`, sorted
        self.lent = self.unused = self.most = 0  # bytes
        self.lock = threading.Lock()

    def take(self, nbytes: int) -> Any:
        with self.lock:
            self._collect()
            at = bisect_left(self.sizes, nbytes)
            while at < len(self.sizes) and self.sizes[at] <= nbytes + nbytes // SPARE:
                size = self.sizes[at]
                same = self.idle.pop(size)
                self.idle[size] = same
                if same:
                    self.unused -= size
                    self._lend(size)
                    return same.pop()
                at += 1
            size = -(-nbytes // 4096) * 4096
            self._lend(size)
            self._shrink(self.most - self.lent)
        raw = np.empty(size + 64, np.uint8)  # NumPy asks for huge pages
        skip = -raw.ctypes.data % 64  # so that no vector straddles two cache lines
        return (ctypes.c_ubyte * size).from_buffer(raw, skip)

    def _lend(self, size: int) -> None:
        self.lent += size
        self.most = max(self.most, self.lent)

    def _collect(self) -> None:
        """Sort in what came back."""
        while self.back:
            buffer = self.back.popleft()
            size = len(buffer)
            same = self.idle.get(size)
            if same is None:
                same = self.idle[size] = []
                self.sizes.insert(bisect_left(self.sizes, size), size)
            same.append(buffer)
            self.lent -= size
            self.unused += size

    def _shrink(self, limit: int) -> None:
        """Give up idle buffers until they hold at most `limit` bytes."""
        for size in list(self.idle):
            same = self.idle[size]
            while same and self.unused > limit:
                same.pop()
                self.unused -= size
            if not same:
                del self.idle[size]
                self.sizes.remove(size)
            if self.unused <= limit:
                return

    def release(self) -> None:
        with self.lock:
            self._collect()
            self._shrink(0)
            self.most = self.lent


_pool = _Pool()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """As np.empty, C-contiguous; big ones in memory that was used before.

    `MINIGRAD_POOL=0` in the environment turns the reuse off.
    """
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < SMALL or not POOLED:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _Loan((nbytes,), np.uint8, _pool.take(nbytes)))


def empty_like(a: NDArray[Any]) -> NDArray[Any]:
    """`empty` of the shape and dtype of `a`, C-contiguous whatever the order of `a`."""
    return empty(a.shape, a.dtype)


def release() -> None:
    """Give all idle memory back to the system."""
    _pool.release()


def _after_fork() -> None:
    _pool.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
