"""Data sets: indexed, iterable, made of others. Only `__getitems__` knows of batches.

A data set may define `__getitems__(indices)`. It returns either a list of samples, or, as those in
this file and in `minigrad.vision` do, a whole collated batch as a tuple: in-memory arrays are then
sliced once per batch, not once per item. Where it cannot, it returns None (or raises
NotImplementedError before any work), and items are fetched one by one.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...tensor import Tensor, wrap
from .sampler import permutation

__all__ = ["ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
           "TensorDataset", "random_split"]


class Dataset:
    """A data set with items numbered from 0. Subclasses define `__getitem__` and `__len__`."""

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # Dataset[int] in annotations

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__}: Subclasses of Dataset should implement __getitem__."
        )

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """A data set that is a stream. Subclasses define `__iter__`.

    In a loader with workers each worker runs through `__iter__` itself: `get_worker_info` tells
    which part is its own.
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(
            f"{type(self).__name__}: Subclasses of IterableDataset should implement __iter__."
        )

    def __add__(self, other: Any) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Rows of tensors: item i is the tuple of every tensor's row i.

    Parameters
    ----------
    *tensors : (N, ...) Tensor

    Raises
    ------
    ValueError
        The tensors differ in their first size.
    """

    def __init__(self, *tensors: Tensor) -> None:
        for i, t in enumerate(tensors):
            if not isinstance(t, Tensor):
                raise TypeError(
                    f"TensorDataset: expected Tensors; got {type(t).__name__} at place {i}. Use "
                    "minigrad.from_numpy(array)."
                )
        if not tensors:
            raise TypeError("TensorDataset: needs at least one tensor.")
        if any(t.ndim == 0 for t in tensors) or len({len(t) for t in tensors}) > 1:
            shapes = ", ".join(str(tuple(t.shape)) for t in tensors)
            raise ShapeError(
                "TensorDataset: Size mismatch between tensors; all must have the same first size, "
                f"the number of items; got shapes {shapes}."
            )
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        if isinstance(index, (int, np.integer)) and not any(t._rg for t in self.tensors):
            return tuple(wrap(t._data[index, ...]) for t in self.tensors)
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...] | None:
        """The rows `indices` of every tensor, copied in one go."""
        if any(t._rg for t in self.tensors):
            return None  # to be recorded
        rows = np.asarray(indices, np.int64)
        return tuple(wrap(np.take(t._data, rows, axis=0)) for t in self.tensors)


class StackDataset(Dataset):
    """Several data sets side by side: item i is the tuple (or the dict) of every one's item i."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset: pass data sets either by place (items are tuples) or by name (items "
                f"are dicts); got {len(args)} by place, {len(kwargs)} by name."
            )
        self.datasets: Any = kwargs or args
        sizes = [len(d) for d in (kwargs.values() if kwargs else args)]
        if len(set(sizes)) > 1:
            raise ValueError(f"Size mismatch between datasets; got sizes {sizes}.")
        self._length = sizes[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)


class ConcatDataset(Dataset):
    """Data sets one after the other.

    Parameters
    ----------
    datasets : sequence of Dataset
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets should not be an empty iterable.")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise ValueError(
                    "ConcatDataset does not support IterableDataset. Use ChainDataset."
                )
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def _place(self, index: int) -> tuple[int, int]:
        """Which data set an index falls into, and where."""
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ConcatDataset: index must lie in [-{n}, {n}); got {index}.")
        index %= n
        i = bisect.bisect_right(self.cumulative_sizes, index)
        return i, index - (self.cumulative_sizes[i - 1] if i else 0)

    def __getitem__(self, index: int) -> Any:
        i, j = self._place(index)
        return self.datasets[i][j]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """The batch in one go where all of it is in one data set, else the list of items."""
        places = [self._place(i) for i in indices]
        which = {i for i, _ in places}
        if len(which) == 1:
            return get_items(self.datasets[which.pop()], [j for _, j in places])
        return [self.datasets[i][j] for i, j in places]


class ChainDataset(IterableDataset):
    """Iterable data sets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise TypeError(
                    f"ChainDataset only supports IterableDataset; got {type(d).__name__}."
                )
            yield from d

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)


class Subset(Dataset):
    """Some items of a data set.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Which, and in what order.
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """What the data set itself gives for those items."""
        return get_items(self.dataset, [self.indices[i] for i in indices])


def get_items(dataset: Any, indices: Sequence[int]) -> Any:
    """`dataset.__getitems__(indices)`: a list of samples, a tuple that is a batch, or None."""
    getter = getattr(dataset, "__getitems__", None)
    if getter is None:
        return None
    try:
        return getter(indices)
    except NotImplementedError:
        return None


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Any = None
) -> list[Subset]:
    """Cut a data set into parts without overlap, at random.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int, or of float that add up to 1
        Sizes of the parts, or fractions: what rounding leaves over goes to the first parts, one
        each.
    generator : Generator
        Where the order is drawn from; the default one if left out.

    Raises
    ------
    ValueError
        The sizes do not add up to the data set's, or a fraction is outside [0, 1].
    """
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: lengths must not be negative; got {list(lengths)}.")
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    else:
        sizes = list(lengths)  # type: ignore[arg-type]
    if sum(sizes) != n or any(int(size) != size for size in sizes):
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! got lengths "
            f"{list(lengths)} for {n} items. Give whole numbers that add up to it, or fractions "
            "that add up to 1."
        )
    order = permutation(n, generator).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes)]
