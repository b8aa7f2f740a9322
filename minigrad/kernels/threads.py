"""Our thread pool and how many threads there are; knows neither Numba nor any kernel.

A parallel kernel is a serial function over a range of chunks that releases the GIL. The caller and
the pool's threads take ranges until none is left, so who computes a chunk is chance, but what a
chunk computes is not: results do not depend on the number of threads.
"""

from __future__ import annotations

import ctypes
import glob
import math
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "get_num_threads",
    "one_blas_thread",
    "parallel",
    "restore_blas_threads",
    "scratch",
    "set_num_threads",
]

# Turns that a thread spins before it sleeps, some 1 to 5 ms, and what spins: `jit` puts a compiled
# wait here when the first kernel runs. Python's own would hold the interpreter's lock.
SPIN = 100_000
spin: Callable[[NDArray[np.int64], int, int], object] | None = None

# Below this many elementary operations calling a thread costs more than it saves: one that spins
# begins some 10 us after it is called, one that sleeps 50. ResNet-20 on one image takes 5.5 ms with
# 400 000, 4.4 with 200 000, 5.2 with 100 000.
SERIAL_WORK = 200_000
RANGE_WORK = 400_000  # elementary operations of a range of chunks, as its call takes 5 to 10 us


def parallel(fn: Callable[[int, int], object], chunks: int, work: float) -> None:
    """Call fn(start, stop) on ranges that cover range(chunks), on all threads.

    Runs in the caller alone if `work` (elementary operations in all) is small, if there is one
    chunk, or if the pool is in use: nested, or by another thread. The first exception that a
    chunk raises is raised here, once no thread is running `fn` any more.
    """
    if chunks <= 0:
        return
    if chunks == 1 or work < SERIAL_WORK:
        fn(0, chunks)
        return
    pool = _get_pool()
    if not pool.workers or not pool.busy.acquire(blocking=False):
        fn(0, chunks)
        return
    try:
        pool.run(fn, chunks, work)
    finally:
        pool.busy.release()


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
    _set_blas_threads(int(n))


def scratch(size: int, dtype: np.dtype) -> NDArray[np.floating]:
    """A work array of at least `size` elements that belongs to this thread until it asks again.

    It is kept and reused, so that kernels do not page-fault fresh memory in the steady state.
    """
    nbytes = size * dtype.itemsize
    buffer = getattr(_local, "buffer", None)
    if buffer is None or buffer.nbytes < nbytes:
        raw = np.empty(nbytes + 64, np.uint8)
        skip = -raw.ctypes.data % 64  # so that no vector straddles two cache lines
        _local.buffer = buffer = raw[skip : skip + nbytes]
    return buffer[:nbytes].view(dtype)


_local = threading.local()


class _Job:
    """One parallel call: the ranges still to do, and who is at it."""

    def __init__(
        self,
        fn: Callable[[int, int], object],
        chunks: int,
        threads: int,
        least: int,
        spins: bool,
    ) -> None:
        self.least = least  # chunks to take at once
        self.fn, self.chunks, self.threads, self.spins = fn, chunks, threads, spins
        self.next = 0
        self.running = 0
        self.closed = False
        self.error: BaseException | None = None
        self.lock = threading.Lock()
        self.idle = threading.Lock()  # held while a worker is at it
        self.idle.acquire()
        self.over = np.zeros(1, np.int64)  # 1 when `idle` was released

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
                self.over[0] = 1

    def finish(self) -> None:
        """Wait for the workers that are at it, let no other begin, and raise what they raised."""
        interrupt: BaseException | None = None
        while True:  # how many run decides; an interrupt may come between acquiring and knowing it
            try:
                with self.lock:
                    self.closed = True
                    if self.running == 0:
                        break
                if spin is not None and self.spins:
                    spin(self.over, 0, SPIN)
                self.idle.acquire()
            except BaseException as error:  # Ctrl-C: the workers still write to our arrays
                interrupt = error
                self.next = self.chunks
        if interrupt is not None or self.error is not None:
            raise (interrupt or self.error)


class _Worker:
    def __init__(self, pool: _Pool) -> None:
        self.pool = pool
        self.go = threading.Lock()
        self.go.acquire()
        self.seen = int(pool.calls[0])
        self.thread = threading.Thread(target=self.loop, name="minigrad-kernel", daemon=True)
        self.thread.start()

    def call(self) -> None:
        # The worker reads `pool.job` after it has acquired `go`, so no call is lost.
        if self.go.locked():  # else it was called already; only the holder of `busy` calls
            self.go.release()

    def loop(self) -> None:
        calls = self.pool.calls
        while True:
            if spin is not None and self.pool.spins:
                spin(calls, self.seen, SPIN)
            self.go.acquire()
            self.seen = int(calls[0])
            job = self.pool.job
            if self.pool.closed:
                return
            if job is not None:
                job.help()
                del job


class _Pool:
    def __init__(self, threads: int) -> None:
        self.busy = threading.Lock()
        self.job: _Job | None = None
        self.closed = False
        self.calls = np.zeros(1, np.int64)  # counted up when there is something to do
        self.cpu = -1  # where the workers are not
        self.spins = threads <= _cpus()  # else it would take the time of one that works
        self.workers = [_Worker(self) for _ in range(threads - 1)]

    def run(self, fn: Callable[[int, int], object], chunks: int, work: float) -> None:
        threads = min(len(self.workers) + 1, chunks)
        least = min(-(-chunks // threads), math.ceil(chunks * RANGE_WORK / work))
        self.job = job = _Job(fn, chunks, threads, least, self.spins)
        try:
            self._part()
            self.calls += 1
            for worker in self.workers[: threads - 1]:
                worker.call()
            job.work()
        finally:
            self.job = None
            job.finish()

    def _part(self) -> None:
        """Keep the workers off the caller's processor.

        The system often wakes a thread where the one that calls it runs, and lets both share that
        processor for tens of milliseconds.
        """
        cpu = _current_cpu()
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
            self.calls += 1
            for worker in self.workers:
                worker.call()


_pool: _Pool | None = None
_pool_lock = threading.Lock()


def _get_pool() -> _Pool:
    global _pool
    pool = _pool
    if pool is None:
        with _pool_lock:
            if _pool is None:
                threads = _default_threads()
                if threads != _cpus():  # BLAS looks at neither the quota nor our variable
                    _set_blas_threads(threads)
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
        if threads != _default_threads():
            _pool = _Pool(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _find_current_cpu() -> Callable[[], int]:
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError, AttributeError):
            function = ctypes.CDLL(None).sched_getcpu
            function.argtypes, function.restype = (), ctypes.c_int
            return function
    return lambda: -1


_current_cpu = _find_current_cpu()


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_threads() -> int:
    asked = os.environ.get("MINIGRAD_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    quota = _cpu_quota(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, math.ceil(min(_cpus(), quota)))


def _cpu_quota(root: Path, groups: Path) -> float:
    """CPUs that the container may use, by cgroup version 2 or 1; infinite if nothing limits."""
    quota = math.inf
    try:
        lines = [line.split(":", 2) for line in groups.read_text().splitlines()]
    except OSError:
        lines = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":
            base = root
        elif "cpu" in controllers.split(","):
            base = root / "cpu"
        else:
            continue
        here = base / path.lstrip("/")
        for folder in chain([base, here], here.parents):
            if folder == base or base in folder.parents:
                quota = min(quota, _folder_quota(folder))
    return quota


def _folder_quota(folder: Path) -> float:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return math.inf
    try:
        cpus = float(limit) / float(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return math.inf
    return cpus if cpus > 0 else math.inf


def one_blas_thread() -> bool:
    """Let NumPy's BLAS run in its caller alone until `restore_blas_threads`; whether it can."""
    for setter in _blas_setters():
        setter(1)
    return bool(_blas_setters())


def restore_blas_threads() -> None:
    """Give NumPy's BLAS the threads that kernels have."""
    _set_blas_threads(get_num_threads())


def _set_blas_threads(n: int) -> None:
    for setter in _blas_setters():
        setter(n)


@lru_cache(maxsize=1)
def _blas_setters() -> list[Callable[[int], object]]:
    """Of the OpenBLAS that NumPy's wheels bundle; none, quietly, if it is another BLAS."""
    setters: list[Callable[[int], object]] = []
    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs", root / ".libs"):
        for name in glob.glob(str(folder / "*openblas*")):
            try:
                library = ctypes.CDLL(name)
            except OSError:
                continue
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
