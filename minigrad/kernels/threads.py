"""Our thread pool and how many threads there are; knows neither Numba nor any kernel.

Work is cut into chunks. The caller and the pool's threads take some until none is left, so who
computes a chunk is chance, but what a chunk computes is not: results do not depend on the number of
threads. Kernels share chunks without the interpreter (`team`), NumPy's functions with it.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.blas import set_blas_threads
from minigrad.kernels.processors import cpus, current_cpu, default_threads

__all__ = [
    "Row",
    "Shared",
    "gather",
    "get_num_threads",
    "parallel",
    "scratch",
    "set_num_threads",
]

# Turns that a worker waits before it sleeps, some 1 to 5 ms, or where it would take the time of one
# that works; and what waits: `jit` puts `team.serve` here when the first kernel runs.
TURNS, FEW_TURNS = 100_000, 1000
serve: Callable[[int, int], object] | None = None

# Below this many elementary operations calling a thread costs more than it saves.
SERIAL_WORK = 200_000
RANGE_WORK = 400_000  # elementary operations of a range of chunks, as its call takes 5 to 10 us


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
    PYTHON = 3  # number of the last call for the interpreter
    FUNCTION = 4  # address of the kernel's entry for workers, and of its arguments
    ARGUMENTS = 5
    RUNNING = 16  # workers that may use the arguments
    ROWS = 32  # here the threads' rows begin


ROW = 16  # words of a thread's, two lines of cache


def parallel(fn: Callable[[int, int], object], chunks: int, work: float) -> None:
    """Call fn(start, stop) on ranges that cover range(chunks), on all threads.

    Runs in the caller alone if `work` (elementary operations in all) is small, if there is one
    chunk, or if the pool is in use: nested, or by another thread. The first exception that a
    chunk raises is raised here, once no thread is running `fn` any more.
    """
    if chunks <= 0:
        return
    pool = gather(chunks, work)
    if pool is None:
        fn(0, chunks)
        return
    try:
        pool.run(fn, chunks, work)
    finally:
        pool.busy.release()


def gather(chunks: int, work: float) -> _Pool | None:
    """The pool with its `busy` held, or None where the caller should be alone."""
    if chunks <= 1 or work < SERIAL_WORK:
        return None
    pool = _get_pool()
    if not pool.workers or not pool.busy.acquire(blocking=False):
        return None
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


def scratch(size: int, dtype: np.dtype) -> NDArray[np.floating]:
    """A work array of at least `size` elements that belongs to this thread until it asks again.

    It is kept and reused, so that kernels do not page-fault fresh memory in the steady state.
    """
    nbytes = size * dtype.itemsize
    buffer = getattr(_local, "buffer", None)
    if buffer is None or buffer.nbytes < nbytes:
        _local.buffer = buffer = _aligned(nbytes)
    return buffer[:nbytes].view(dtype)


def _aligned(nbytes: int) -> NDArray[np.uint8]:
    """Memory that begins a line of cache, so that no vector straddles two."""
    raw = np.empty(nbytes + 128, np.uint8)
    skip = -raw.ctypes.data % 128
    return raw[skip : skip + nbytes]


_local = threading.local()


class _Job:
    """One parallel call: the ranges still to do, and who is at it."""

    def __init__(
        self, fn: Callable[[int, int], object], chunks: int, threads: int, least: int
    ) -> None:
        self.least = least  # chunks to take at once
        self.fn, self.chunks, self.threads = fn, chunks, threads
        self.next = 0
        self.running = 0
        self.closed = False
        self.error: BaseException | None = None
        self.lock = threading.Lock()
        self.idle = threading.Lock()  # held while a worker is at it
        self.idle.acquire()

    def work(self) -> None:
        """Take ranges, large ones first, until none is left."""
        try:
            while True:
                with self.lock:
                    start = self.next
                    if start >= self.chunks:
                        return
                    stop = start + max(self.least, (self.chunks - start) // (2 * self.threads))
                    stop = min(stop, self.chunks)
                    self.next = stop
                self.fn(start, stop)
        except BaseException as error:
            with self.lock:
                self.next = self.chunks
                if self.error is None:
                    self.error = error

    def help(self) -> None:
        """What a worker does with a job: nothing if the caller has already finished it."""
        with self.lock:
            if self.closed:
                return
            self.running += 1
        self.work()
        with self.lock:
            self.running -= 1
            if self.closed and self.running == 0:
                self.idle.release()

    def finish(self) -> None:
        """Wait for the workers that are at it, let no other begin, and raise what they raised."""
        interrupt: BaseException | None = None
        while True:  # how many run decides; an interrupt may come between acquiring and knowing it
            try:
                with self.lock:
                    self.closed = True
                    if self.running == 0:
                        break
                self.idle.acquire()
            except BaseException as error:  # Ctrl-C: the workers still write to our arrays
                interrupt = error
                self.next = self.chunks
        if interrupt is not None or self.error is not None:
            raise (interrupt or self.error)


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
            while True:  # the pool's job of the interpreter, then kernels for a while
                if self.pool.closed:
                    return
                job = self.pool.job
                if job is not None:
                    job.help()
                    del job
                if serve is None or not serve(self.row, self.pool.turns):
                    break


class _Pool:
    def __init__(self, threads: int) -> None:
        self.busy = threading.Lock()
        self.job: _Job | None = None
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

    def wake(self) -> None:
        """Call the workers that sleep; those that wait see by themselves what comes."""
        self._part()
        for worker in self.workers:
            if worker.go.locked():
                worker.go.release()

    def run(self, fn: Callable[[int, int], object], chunks: int, work: float) -> None:
        """Share the calls of a Python function."""
        threads = min(self.threads, chunks)
        least = min(-(-chunks // threads), math.ceil(chunks * RANGE_WORK / work))
        self.job = job = _Job(fn, chunks, threads, least)
        try:
            self._call()
            self.wake()
            job.work()
        finally:
            self.job = None
            job.finish()

    def _call(self) -> None:
        """Send the workers that wait back to the interpreter."""
        call = self.board[Shared.CALL] + 1
        self.board[Shared.PYTHON] = call
        self.board[Shared.CALL] = call

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
        with self.busy:  # let a running job finish
            self.closed = True
            self._call()
            self.wake()


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
