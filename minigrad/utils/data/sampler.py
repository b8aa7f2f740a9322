"""Samplers: the order in which a loader visits items, all drawn when iteration begins.

That makes the order of an epoch a function of the generator's state at its beginning alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from ...random import numpy_generator

__all__ = ["BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
           "WeightedRandomSampler"]


def permutation(n: int, generator: Any = None) -> np.ndarray:
    """The numbers below n in random order, (n,) int64."""
    return numpy_generator(generator).permutation(n)


def _check_size(name: str, option: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
        raise ValueError(
            f"{name}: {option} should be a positive integer value, but got {option}={value}."
        )


class Sampler:
    """Base of samplers. Subclasses define `__iter__`, and `__len__` where it is known."""

    def __init__(self, data_source: Any = None) -> None:
        pass

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # Sampler[int] in annotations

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}: a sampler must define __iter__.")


class SequentialSampler(Sampler):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Items in random order, or drawn with replacement.

    Parameters
    ----------
    data_source : Dataset
    replacement : bool
    num_samples : int
        How many; as many as there are items if left out. More than that without replacement
        gives one order after another.
    generator : Generator
        Where the order is drawn from; the default one if left out.
    """

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if num_samples is not None:
            _check_size("RandomSampler", "num_samples", num_samples)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many items are drawn."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), self.num_samples
        draw = numpy_generator(self.generator)
        if n == 0:
            return iter(())
        if self.replacement:
            return iter(draw.integers(n, size=count).tolist())
        order: list[int] = []
        while len(order) < count:
            order += draw.permutation(n).tolist()
        return iter(order[:count])

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = permutation(len(self.indices), self.generator).tolist()
        return iter([self.indices[i] for i in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with probabilities in proportion to `weights`, to balance classes say.

    Parameters
    ----------
    weights : sequence of float
        One per item; they need not add up to 1.
    num_samples : int
    replacement : bool
        Without it no item comes twice.
    generator : Generator

    Raises
    ------
    ValueError
        Weights that are negative, not finite or all 0; or, without replacement, fewer items of
        positive weight than are to be drawn.
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        name = "WeightedRandomSampler"
        _check_size(name, "num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        w = np.asarray(weights, np.float64)
        if w.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {w.shape}"
            )
        if not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
            raise ValueError(
                f"{name}: weights must be finite, not negative, and not all 0; got min "
                f"{w.min(initial=np.inf)}, sum {w.sum()}."
            )
        if not replacement and np.count_nonzero(w) < num_samples:
            raise ValueError(
                f"{name}: without replacement at most {np.count_nonzero(w)} items of positive "
                f"weight can be drawn; got num_samples={num_samples}."
            )
        self.weights = weights
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        p = np.asarray(self.weights, np.float64)
        draw = numpy_generator(self.generator)
        chosen = draw.choice(len(p), self.num_samples, self.replacement, p / p.sum())
        return iter(chosen.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler.

    Parameters
    ----------
    sampler : Sampler or iterable
    batch_size : int
    drop_last : bool
        Leave out a last batch that is not full.
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        _check_size("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        return self._batches(iter(self.sampler))  # the sampler draws now, not at the first batch

    def _batches(self, indices: Iterator[Any]) -> Iterator[list[Any]]:
        batch: list[Any] = []
        for i in indices:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n, size = len(self.sampler), self.batch_size  # type: ignore[arg-type]
        return n // size if self.drop_last else -(-n // size)
