"""One batch from a data set: by index or from a stream, in one go where the data set can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ...random import private
from ...tensor import Tensor
from .collate import default_collate, default_convert
from .dataset import get_items

__all__ = ["END", "MapFetcher", "StreamFetcher"]

END = object()  # a stream has no more batches


class MapFetcher:
    """Batches of a data set with indices.

    Whatever the data set draws from the default generator while a batch is fetched comes from a
    generator of that batch alone, seeded by the epoch's seed and the batch's number. So random
    transforms give the same numbers with any number of workers, and after a resumption.
    """

    def __init__(
        self, dataset: Any, collate: Callable[[Any], Any], batched: bool, seed: int
    ) -> None:
        self.dataset = dataset
        self.collate = collate
        self.batched = batched
        self.seed = seed
        self.whole = batched and hasattr(dataset, "__getitems__")

    def __call__(self, worker: int, number: int, index: Any) -> Any:
        """Batch `number` of the epoch, of the items `index`."""
        try:
            if self.whole:
                with private(self.seed, number):
                    batch = get_items(self.dataset, index)
                if isinstance(batch, list):
                    return self.collate(batch)
                if batch is not None and self.collate is default_collate:
                    return _as_list(batch)
                self.whole = False
            with private(self.seed, number):
                if not self.batched:
                    return self.collate(self.dataset[index])
                return self.collate([self.dataset[i] for i in index])
        except StopIteration as error:  # it would end the epoch in silence
            raise RuntimeError("DataLoader: the data set raised StopIteration.") from error


def _as_list(batch: Any) -> Any:
    """A whole batch as `default_collate` would have made it of samples: a list of tensors."""
    if isinstance(batch, Tensor) or hasattr(batch, "_fields"):
        return batch
    return default_convert(batch)


class StreamFetcher:
    """Batches of an iterable data set; each worker has an iterator of its own."""

    def __init__(
        self, dataset: Any, collate: Callable[[Any], Any], batch_size: int | None, drop_last: bool,
        seed: int,
    ) -> None:
        self.dataset = dataset
        self.collate = collate
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.seed = seed
        self.streams: dict[int, Iterator[Any]] = {}

    def __call__(self, worker: int, number: int, index: Any) -> Any:
        """The next batch of this worker's iterator, or END."""
        with private(self.seed, number):
            if worker not in self.streams:
                self.streams[worker] = iter(self.dataset)
            stream = self.streams[worker]
            if self.batch_size is None:
                sample = next(stream, END)
                return END if sample is END else self.collate(sample)
            samples = list(islice(stream, self.batch_size))
        if not samples or (self.drop_last and len(samples) < self.batch_size):
            return END
        return self.collate(samples)
