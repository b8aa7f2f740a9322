"""From samples to a batch: `default_collate`, `default_convert`. No loading happens here."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...convert import as_tensor, from_numpy, tensor
from ...dtypes import float64
from ...errors import ShapeError
from ...tensor import Tensor, wrap

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together along a new first dim, inside whatever containers they have.

    Tensors and ndarrays are stacked; ints and bools become a tensor, floats one of float64;
    strings and bytes stay a list; tuples and lists of length n become a list of n batches (a
    namedtuple stays one), dicts a dict of batches.

    Raises
    ------
    ValueError (also a RuntimeError)
        Samples of different shapes or lengths; the message names them.
    TypeError
        A sample of another type.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack_tensors(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return _stack_arrays(batch)
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return _collate_mapping(batch, first)
    if isinstance(first, Sequence):
        return _collate_sequence(batch, first)
    hint = ""
    if type(first).__module__.startswith("PIL."):
        hint = " Add transforms.ToTensor() to the data set's transform."
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}.{hint} Or pass a collate_fn of your own to the DataLoader."
    )


def _stack_tensors(batch: Sequence[Any]) -> Tensor:
    shapes = [tuple(t.shape) for t in batch]
    if any(s != shapes[0] for s in shapes):
        i = next(i for i, s in enumerate(shapes) if s != shapes[0])
        raise ShapeError(
            "default_collate: stack expects each tensor to be equal size, but got "
            f"{list(shapes[0])} at entry 0 and {list(shapes[i])} at entry {i}. Bring the samples "
            "to one size in the data set (Resize, RandomCrop, Pad), or pass a collate_fn that pads."
        )
    if any(t._rg for t in batch) or any(t.dtype != batch[0].dtype for t in batch):
        from ...ops.join import stack

        return stack(list(batch))
    return wrap(np.stack([t._data for t in batch]))


def _stack_arrays(batch: Sequence[Any]) -> Tensor:
    kind = np.asarray(batch[0]).dtype.kind
    if kind not in "fiub":
        raise TypeError(
            "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
            f"found an array of dtype {np.asarray(batch[0]).dtype}."
        )
    return _stack_tensors([as_tensor(np.asarray(a)) for a in batch])


def _collate_mapping(batch: Sequence[Any], first: Mapping[Any, Any]) -> Any:
    for i, sample in enumerate(batch):
        if sample.keys() != first.keys():
            raise KeyError(
                f"default_collate: each dict must have the keys {list(first)}; got {list(sample)} "
                f"at entry {i}."
            )
    made = {k: default_collate([d[k] for d in batch]) for k in first}
    try:
        if isinstance(first, MutableMapping):
            clone = copy.copy(first)
            clone.update(made)
            return clone
        return type(first)(made)  # type: ignore[call-arg]
    except TypeError:  # its constructor wants something else
        return made


def _collate_sequence(batch: Sequence[Any], first: Sequence[Any]) -> Any:
    lengths = [len(sample) for sample in batch]
    if len(set(lengths)) > 1:
        i = next(i for i, n in enumerate(lengths) if n != lengths[0])
        raise ShapeError(
            "default_collate: each element in list of batch should be of equal size, but got "
            f"{lengths[0]} at entry 0 and {lengths[i]} at entry {i}."
        )
    made = [default_collate(samples) for samples in zip(*batch)]
    if hasattr(first, "_fields"):
        return type(first)(*made)
    if isinstance(first, tuple):
        return made
    try:
        if isinstance(first, MutableSequence):
            clone = copy.copy(first)
            clone[:] = made
            return clone
        return type(first)(made)  # type: ignore[call-arg]
    except TypeError:
        return made


def default_convert(data: Any) -> Any:
    """ndarrays inside containers as tensors that share their memory; everything else as it is."""
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiub":
        return from_numpy(data) if data.flags.writeable else tensor(data)
    if isinstance(data, np.generic) and data.dtype.kind in "fiub":
        return tensor(data)
    if isinstance(data, Mapping):
        made = {k: default_convert(v) for k, v in data.items()}
        try:
            if isinstance(data, MutableMapping):
                clone = copy.copy(data)
                clone.update(made)
                return clone
            return type(data)(made)  # type: ignore[call-arg]
        except TypeError:
            return made
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, (tuple, list)):
        return [default_convert(d) for d in data]
    return data
