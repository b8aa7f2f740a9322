"""DataLoader: batches of a data set, in order, fetched ahead by threads, resumable at any batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from itertools import repeat
from typing import Any

from ...random import default_generator, numpy_generator
from .checks import check_batches, check_stream, check_workers
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .fetch import END, MapFetcher, StreamFetcher
from .sampler import BatchSampler, RandomSampler, SequentialSampler
from .worker import WorkerInfo, Workers

__all__ = ["DataLoader"]

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset")


class DataLoader:
    """Batches of a data set.

    Parameters
    ----------
    dataset : Dataset or IterableDataset
        Or anything with `__getitem__` and `__len__`. In-memory data sets (TensorDataset, those
        of `minigrad.vision`, subsets of them) are sliced batch by batch; see `dataset.py` for how
        your own can be.
    batch_size : int or None
        None gives single items.
    shuffle : bool
        Visit the items in another random order in every epoch.
    sampler, batch_sampler : iterable
        Which items, or which lists of items, in place of `shuffle` (and `batch_size`).
    num_workers : int
        Threads that fetch ahead; 0 fetches when asked. The batches are the same.
    collate_fn : function from a list of samples to a batch
    drop_last : bool
        Leave out a last batch that is not full.
    timeout : float
        Seconds to wait for a worker; 0 waits for ever.
    worker_init_fn : function from int
        Called in each worker with its number before it begins.
    generator : Generator
        Where orders and seeds are drawn from; the default one, which `manual_seed` seeds, if
        left out.
    prefetch_factor : int
        Batches fetched ahead per worker, 2 if left out.
    persistent_workers : bool
        Keep the threads from one epoch to the next.
    pin_memory, pin_memory_device, multiprocessing_context, in_order
        Accepted for PyTorch's sake. There is one device, workers are threads, and batches always
        come in order.

    Notes
    -----
    To stop in the middle of an epoch and go on: `state_dict()` after a training step knows how many
    batches were handed out and the generator's state when the epoch began; after
    `load_state_dict()` the next iteration gives the rest of that epoch, the same batches to the
    last bit, random transforms included. With the default generator its state must be restored
    too, as `minigrad.save_checkpoint` and `load_checkpoint` do.
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None, batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None, multiprocessing_context: Any = None,
        generator: Any = None, *, prefetch_factor: int | None = None,
        persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True,
    ) -> None:
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        stream = isinstance(dataset, IterableDataset)
        if stream:
            check_stream(shuffle, sampler, batch_sampler)
        elif not hasattr(dataset, "__getitem__"):
            raise TypeError(
                "DataLoader: dataset must have __getitem__ and __len__, or be an IterableDataset; "
                f"got {type(dataset).__name__}."
            )
        check_batches(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if generator is not None:
            numpy_generator(generator)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None and not stream:
            if shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None and not stream:
            assert sampler is not None
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.drop_last = drop_last
        self.num_workers = num_workers
        batched = batch_sampler is not None or (stream and batch_size is not None)
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._workers: Workers | None = None
        self._progress: _Progress | None = None
        self._resume: dict[str, Any] | None = None
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self.__dict__.get("_ready"):
            raise ValueError(
                f"{name} attribute should not be set after DataLoader is initialized. Make a new "
                "one."
            )
        super().__setattr__(name, value)

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # DataLoader[...] in annotations

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return (_Ahead if self.num_workers else _Here)(self)

    # resuming --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: within an epoch that began and has not ended, or between two."""
        state: dict[str, Any] = {"yielded": 0, "start": None, "generator": None}
        if self.generator is not None:
            state["generator"] = self.generator.get_state()
        if self._resume is not None:
            state |= {k: self._resume[k] for k in ("yielded", "start")}
        elif self._progress is not None and not self._progress.ended:
            state |= {"yielded": self._progress.yielded, "start": self._progress.start}
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was made: the next iteration gives the rest of that epoch."""
        if not isinstance(state_dict, dict) or not {"yielded", "start"} <= state_dict.keys():
            raise ValueError(
                "DataLoader.load_state_dict: expected what loader.state_dict() returned, a dict "
                f"with 'yielded' and 'start'; got {state_dict!r:.100}."
            )
        if self.generator is not None and state_dict.get("generator") is not None:
            self.generator.set_state(state_dict["generator"])
        self._resume = dict(state_dict) if state_dict["start"] is not None else None
        self._progress = None


class _Progress:
    """How far the latest iteration has come. Apart from it, so that the loader keeps none alive."""

    def __init__(self, start: Any) -> None:
        self.start = start  # the generator's state before the epoch's order was drawn
        self.yielded = 0
        self.ended = False


class _Epoch:
    """One pass over the data: its order and its seeds. Subclasses fetch."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        generator = loader.generator or default_generator
        resume, loader._resume = loader._resume, None
        now = generator.get_state()
        if resume is not None:
            generator.set_state(resume["start"])
        self.progress = loader._progress = _Progress(generator.get_state())
        try:
            self.seed = int(numpy_generator(generator).integers(2**63))
            self.indices = self._order()
            skip = 0 if resume is None else int(resume["yielded"])
            self.number = 0  # of the batch that is asked for next
            self._start()
            for _ in range(skip):
                self._skip()
            self.progress.yielded = skip
        finally:
            if resume is not None:
                generator.set_state(now)

    def _order(self) -> Iterator[Any]:
        loader = self.loader
        if isinstance(loader.dataset, IterableDataset):
            self.fetch: Any = StreamFetcher(
                loader.dataset, loader.collate_fn, loader.batch_size, loader.drop_last, self.seed
            )
            return repeat(None)
        batched = loader.batch_sampler is not None
        self.fetch = MapFetcher(loader.dataset, loader.collate_fn, batched, self.seed)
        order = loader.batch_sampler if batched else loader.sampler
        assert order is not None
        return iter(order)

    def _skip(self) -> None:
        """Pass over a batch; one with indices need not be fetched."""
        if isinstance(self.fetch, StreamFetcher):
            self._fetch_next()
        else:
            next(self.indices, None)
            self.number += 1

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self.loader)

    def __next__(self) -> Any:
        if self.progress.ended:
            raise StopIteration
        try:
            batch = self._fetch_next()
        except BaseException:
            self._close()
            raise
        if batch is END:
            self.progress.ended = True
            self._close()
            raise StopIteration
        self.progress.yielded += 1
        return batch

    def _start(self) -> None:
        pass

    def _fetch_next(self) -> Any:
        raise NotImplementedError

    def _close(self) -> None:
        pass


class _Here(_Epoch):
    """Fetches when asked, in the caller's thread."""

    def _fetch_next(self) -> Any:
        index = next(self.indices, END)
        if index is END:
            return END
        number, self.number = self.number, self.number + 1
        return self.fetch(0, number, index)


class _Ahead(_Epoch):
    """Hands batches to worker threads in turn, a bounded number ahead, and takes them in order."""

    def _start(self) -> None:
        loader = self.loader
        n = loader.num_workers
        self.waiting: deque[tuple[int, Future[Any]]] = deque()
        self.turn = deque(range(n))  # workers that still have something
        self.ahead = n * max(1, loader.prefetch_factor or 1)
        self.closed = False
        if loader._workers is not None:
            self.workers, loader._workers = loader._workers, None
        else:
            infos = [WorkerInfo(i, n, self.seed + i, loader.dataset) for i in range(n)]
            self.workers = Workers(infos, loader.worker_init_fn)

    def _submit(self) -> None:
        """Keep the queues filled."""
        while self.turn and len(self.waiting) < self.ahead:
            index = next(self.indices, END)
            if index is END:
                self.turn.clear()
                return
            worker = self.turn[0]
            self.turn.rotate(-1)
            self.waiting.append(
                (worker, self.workers.submit(worker, self.fetch, worker, self.number, index))
            )
            self.number += 1

    def _fetch_next(self) -> Any:
        if self.closed:
            return END
        while True:
            self._submit()
            if not self.waiting:
                return END
            worker, future = self.waiting.popleft()
            self._submit()
            batch = self._wait(worker, future)
            if batch is not END:
                return batch
            if worker in self.turn:  # its stream is at an end
                self.turn.remove(worker)

    def _wait(self, worker: int, future: Future[Any]) -> Any:
        if self.workers.pid != os.getpid():
            raise RuntimeError(
                "DataLoader: this iteration began before the process was forked, and its worker "
                "threads stayed behind. Call iter(loader) anew in the child."
            )
        timeout = self.loader.timeout
        try:
            return future.result(timeout or None)
        except FutureTimeout:
            if future.done():  # the data set's own
                raise
            raise RuntimeError(
                f"DataLoader timed out after {timeout} seconds: worker {worker} has not finished "
                "its batch. Raise `timeout`, or look for what blocks in the data set."
            ) from None

    def _close(self) -> None:
        """Let the workers go: to the loader if they persist and all went well, else for good."""
        if self.closed:
            return
        self.closed = True
        idle = self.progress.ended and not self.waiting
        self.waiting.clear()
        if self.loader.persistent_workers and idle:
            self.loader._workers = self.workers
        else:
            self.workers.close(wait=1.0 if idle else 0.0)

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            self._close()
