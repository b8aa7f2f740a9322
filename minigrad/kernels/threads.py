"""Our thread pool and how many threads there are; knows neither Numba nor any kernel.

Work is cut into chunks. The caller and the pool's threads take some until none is left (`team`), so
who computes a chunk is chance, but what a chunk computes is not: results do not depend on the
number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.blas import set_blas_threads
from minigrad.kernels.processors import cpus, current_cpu, default_threads

__all__ = [
    "Row",
    "Shared",
    "gather",
    "get_num_threads",
    "scratch",
    "set_num_threads",
]

# Turns that a worker waits before it sleeps, some 1 to 5 ms, or where it would take the time of one
# that works; and what waits: `jit` puts `team.serve` here when the first kernel runs.
TURNS, FEW_TURNS = 100_000, 1000
serve: Callable[[int, int], object] | None = None

# Nanoseconds of work below which calling a thread costs more than it saves. One that waits begins
# after one or two microseconds, but then what one kernel wrote in its core's cache the next reads
# from another's. ResNet-20 on one image takes as long on one thread as on two; where two processors
# share no cache 2.1 ms with all it does in one, 2.6 with 40 us as the limit and 3.5 with 6.
SERIAL_WORK = 20_000

# Nanoseconds from which a call goes the other way through its chunks than the one before: what that
# wrote last is still in the caches, and what it wrote first is not.
LARGE_WORK = 100_000

MOST_VIEWS = 1000  # of a thread's work space that are kept; to make one takes 1 us


class Row(IntEnum):
    """Words of a thread's row on a pool's board."""

    MEMBER = 0  # 0 for the caller, then counted up
    SHARED = 1  # address of the row that all use
    SEEN = 2  # number of the last call that this worker saw
    NEXT = 3  # the first of this thread's chunks that nobody has taken


class Shared(IntEnum):
    """Words of the row that all use; what changes during a call has lines of its own."""

    THREADS = 0
    CALL = 1  # number of the last call
    OPEN = 2  # number of the call of a kernel that may be joined
    LEAVE = 3  # number of the call at which workers leave
    FUNCTION = 4  # address of the kernel's entry for workers, and of its arguments
    ARGUMENTS = 5
    BUSY = 6  # 1 while a call has the workers
    CHUNKS = 7  # of that call: no more threads than these join it
    BACKWARDS = 8  # 1 if each thread is to begin with its last chunks, in the next call
    TURNED = 9  # and what that was when this call began
    RUNNING = 16  # workers that may use the arguments
    ROWS = 32  # here the threads' rows begin


ROW = 16  # words of a thread's, two lines of cache


def gather(chunks: int, work: float) -> _Pool | None:
    """The pool, its workers awake, or None where the caller should be alone."""
    if chunks <= 1 or work < SERIAL_WORK:
        return None
    pool = _get_pool()
    if not pool.workers or pool.board[Shared.BUSY]:
        return None
    pool.wake(chunks - 1)
    if work >= LARGE_WORK:
        pool.board[Shared.BACKWARDS] ^= 1
    return pool


def get_num_threads() -> int:
    """Number of threads that kernels use, the calling one included."""
    return len(_get_pool().workers) + 1


def set_num_threads(n: int) -> None:
    """Use n threads in kernels and, where it can be found, in NumPy's bundled BLAS."""
    global _pool
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"set_num_threads: n must be an int; got n {n!r}.")
    if n < 1:
        raise ValueError(f"set_num_threads: n must be at least 1; got n {n}.")
    with _pool_lock:
        old, _pool = _pool, _Pool(int(n))
    if old is not None:
        old.close()
    set_blas_threads(int(n))


def scratch(size: int, dtype: np.dtype, rows: int) -> NDArray[np.floating]:
    """Work space (rows, at least size) that belongs to this thread until it asks again.

    It is kept and reused, so that kernels do not page-fault fresh memory in the steady state.
    """
    views, key = _local.views, (size, dtype.char, rows)
    if key not in views:
        pitch = size if rows == 1 else -(-size // 16) * 16  # rows begin lines of cache
        nbytes = rows * pitch * dtype.itemsize
        if _local.buffer.nbytes < nbytes or len(views) > MOST_VIEWS:
            views.clear()
        if _local.buffer.nbytes < nbytes:
            _local.buffer = _aligned(nbytes)
        views[key] = _local.buffer[:nbytes].view(dtype).reshape(rows, pitch)
    return views[key]


def _aligned(nbytes: int) -> NDArray[np.uint8]:
    """Memory that begins a line of cache, so that no vector straddles two."""
    raw = np.empty(nbytes + 128, np.uint8)
    skip = -raw.ctypes.data % 128
    return raw[skip : skip + nbytes]


class _Local(threading.local):
    def __init__(self) -> None:
        self.buffer = np.empty(0, np.uint8)
        self.views: dict[tuple[int, str, int], NDArray[Any]] = {}  # of the buffer, as asked for


_local = _Local()


class _Worker:
    def __init__(self, pool: _Pool, row: int) -> None:
        self.pool, self.row = pool, row
        self.go = threading.Lock()
        self.go.acquire()
        self.thread = threading.Thread(target=self.loop, name="minigrad-kernel", daemon=True)
        self.thread.start()

    def loop(self) -> None:
        while True:
            self.go.acquire()
            if self.pool.closed or (serve is not None and serve(self.row, self.pool.turns)):
                return


class _Pool:
    def __init__(self, threads: int) -> None:
        self.closed = False
        self.cpu = -1  # where the workers are not
        self.spins = threads <= cpus()
        self.turns = TURNS if self.spins else FEW_TURNS
        self.threads = threads
        self.board = _aligned(8 * (Shared.ROWS + ROW * threads)).view(np.int64)
        self.board[:] = 0
        self.board[Shared.THREADS] = threads
        rows = self.board[Shared.ROWS :].reshape(threads, ROW)
        rows[:, Row.MEMBER], rows[:, Row.SHARED] = range(threads), self.board.ctypes.data
        self.team, *others = (row.ctypes.data for row in rows)
        self.workers = [_Worker(self, row) for row in others]

    def wake(self, most: int) -> None:
        """Call so many workers that sleep; those that wait see by themselves what comes."""
        self._part()
        for worker in self.workers[:most]:
            if worker.go.locked():
                with suppress(RuntimeError):  # another thread has just called it
                    worker.go.release()

    def _part(self) -> None:
        """Keep the workers off the caller's processor.

        The system often wakes a thread where the one that calls it runs, and lets both share that
        processor for tens of milliseconds.
        """
        cpu = current_cpu()
        if cpu == self.cpu or not self.spins:
            return
        self.cpu = cpu
        others = os.sched_getaffinity(0) - {cpu}
        for worker in self.workers:
            with suppress(OSError):
                if others and worker.thread.native_id is not None:
                    os.sched_setaffinity(worker.thread.native_id, others)

    def close(self) -> None:
        """Let the workers leave, once they have finished what they are at."""
        self.closed = True
        self.board[Shared.LEAVE] = self.board[Shared.CALL] + 1
        self.board[Shared.CALL] += 1
        self.wake(len(self.workers))


_pool: _Pool | None = None
_pool_lock = threading.Lock()


def _get_pool() -> _Pool:
    global _pool
    pool = _pool
    if pool is None:
        with _pool_lock:
            if _pool is None:
                threads = default_threads()
                if threads != cpus():  # BLAS looks at neither the quota nor our variable
                    set_blas_threads(threads)
                _pool = _Pool(threads)
            pool = _pool
    return pool


def _after_fork() -> None:
    """The parent's threads and the state of its locks do not exist in the child."""
    global _pool, _pool_lock
    _pool_lock = threading.Lock()
    if _pool is not None:
        threads = len(_pool.workers) + 1
        _pool = None
        if threads != default_threads():
            _pool = _Pool(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
