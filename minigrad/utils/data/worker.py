"""The loader's background threads. What they fetch is told them by `dataloader.py`.

Threads, not processes: they share the data set with the caller, start in microseconds, and NumPy
and our kernels let go of the interpreter's lock while they work.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

__all__ = ["WorkerInfo", "Workers", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker thread knows about itself.

    Attributes
    ----------
    id : int
        From 0 to num_workers − 1.
    num_workers : int
    seed : int
        Differs from worker to worker and from epoch to epoch.
    dataset : Dataset
        The loader's own: threads share it.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_local = threading.local()
_alive: weakref.WeakSet[Workers] = weakref.WeakSet()


def get_worker_info() -> WorkerInfo | None:
    """In a worker thread of a DataLoader what it knows about itself; elsewhere None."""
    return getattr(_local, "info", None)


class Workers:
    """A few threads, each with a queue of its own, that end when nobody refers to this any more."""

    def __init__(self, infos: list[WorkerInfo], init: Callable[[int], object] | None) -> None:
        self.closed = threading.Event()
        self.queues: list[SimpleQueue[Any]] = [SimpleQueue() for _ in infos]
        self.threads = [
            # The target refers to no `Workers`: else a forgotten one would live on in its threads.
            threading.Thread(
                target=_work, args=(queue, self.closed, info, init), daemon=True,
                name=f"minigrad-loader-{info.id}",
            )
            for queue, info in zip(self.queues, infos)
        ]
        self.pid = os.getpid()
        for thread in self.threads:
            thread.start()
        _alive.add(self)

    def submit(self, worker: int, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have thread `worker` call `fn(*args)` after what it was given before."""
        future: Future[Any] = Future()
        self.queues[worker].put((future, fn, args))
        return future

    def close(self, wait: float = 0.0) -> None:
        """Let the threads end after what they are at, and wait for them that many seconds."""
        self.closed.set()
        for queue in self.queues:
            queue.put(None)
        if wait and self.pid == os.getpid():
            for thread in self.threads:
                if thread is not threading.current_thread():
                    thread.join(wait)

    def __del__(self) -> None:
        self.close()


def _work(
    queue: SimpleQueue[Any], closed: threading.Event, info: WorkerInfo,
    init: Callable[[int], object] | None,
) -> None:
    _local.info = info
    broken: BaseException | None = None
    try:
        if init is not None:
            init(info.id)
    except BaseException as error:
        broken = error
    while (task := queue.get()) is not None:
        future, fn, args = task
        if closed.is_set():
            future.cancel()
        elif broken is not None:
            future.set_exception(broken)
        else:
            try:
                future.set_result(fn(*args))
            except BaseException as error:
                future.set_exception(error)
        del task, future, fn, args  # keep no batch alive while waiting


@atexit.register
def _close_all() -> None:
    for workers in list(_alive):
        workers.close(wait=1.0)
