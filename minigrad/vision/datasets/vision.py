"""What all image data sets share: one image, a whole batch, and how they print. No files here."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...tensor import Tensor
from ...utils.data import Dataset
from ..transforms import is_batched

__all__ = ["VisionDataset"]

Transforming = Callable[[Any], Any]


class VisionDataset(Dataset):
    """Images and their classes, in memory.

    Parameters
    ----------
    root : path, optional
        Folder of the files.
    transform : callable, optional
        Applied to each image, which it gets as a uint8 ndarray (H, W) or (H, W, C).
    target_transform : callable, optional
        Applied to each class number.

    Attributes
    ----------
    data : (N, H, W) or (N, H, W, C) uint8 Tensor or ndarray
    targets : sequence of N class numbers
    classes : list of str
        Names of the classes.
    class_to_idx : dict of str to int

    Notes
    -----
    Without a transform an image is the uint8 ndarray itself (torchvision: a PIL image, which
    ``PIL.Image.fromarray(image)`` makes of it).
    """

    classes: ClassVar[Sequence[str]] = ()
    _repr_indent = 4

    data: Any
    targets: Any

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transform: Transforming | None = None,
        target_transform: Transforming | None = None,
    ) -> None:
        for name, value in (("transform", transform), ("target_transform", target_transform)):
            if value is not None and not callable(value):
                raise TypeError(
                    f"{type(self).__name__}: {name} must be callable or None; got "
                    f"{type(value).__name__}."
                )
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.transform = transform
        self.target_transform = target_transform

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class number by name."""
        return {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """(image, target), each through its transform. The image is a copy.

        Raises
        ------
        IndexError
            `index` is outside [-N, N).
        """
        index, n = operator.index(index), len(self)
        if not -n <= index < n:
            raise IndexError(
                f"{type(self).__name__}: index must lie in [-{n}, {n}); got {index}."
            )
        image = np.array(_array(self.data)[index])
        target: Any = int(_pick(self.targets, [index])[0])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getitems__(self, indices: Any) -> tuple[Any, np.ndarray]:
        """A whole batch at once, collated, transforms applied to all images in one go.

        A data loader may call this in place of one `__getitem__` per index and a collation. It is
        right to do so exactly when this returns; when it raises NotImplementedError, which happens
        before any work or random draw, fetch one by one.

        Parameters
        ----------
        indices : sequence or 1-d array of N ints

        Returns
        -------
        images : what `transform` makes of the (N, H, W, C) uint8 batch, say an (N, C, H, W) Tensor;
            without a transform the (N, H, W) or (N, H, W, C) uint8 ndarray
        targets : (N,) int64 ndarray

        Raises
        ------
        NotImplementedError
            There is a `target_transform`, or `transform` does not say that it works on batches
            (attribute `batched`, see `minigrad.vision.transforms`).
        IndexError
            An index is outside [-N, N).
        """
        if self.target_transform is not None or not is_batched(self.transform):
            raise NotImplementedError(
                f"{type(self).__name__}: these transforms work on single images only. Fetch items "
                "one by one, or set transform.batched = True if yours takes (N, H, W, C) batches."
            )
        where = np.asarray(indices, dtype=np.int64).reshape(-1)
        n = len(self)
        if where.size and not (-n <= where.min() and where.max() < n):
            raise IndexError(
                f"{type(self).__name__}: indices must lie in [-{n}, {n}); got {where.min()} to "
                f"{where.max()}."
            )
        images: Any = _array(self.data)[where]
        if self.transform is not None:
            # A channel dim makes (N, H, W, 1) a batch beyond doubt.
            images = self.transform(images[..., None] if images.ndim == 3 else images)
        return images, np.asarray(_pick(self.targets, where.tolist()), np.int64).reshape(-1)

    def extra_repr(self) -> str:
        """Further lines of the printed form."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        if self.transform is not None or self.target_transform is not None:
            lines.append("StandardTransform")
            lines += _labelled("Transform: ", self.transform)
            lines += _labelled("Target transform: ", self.target_transform)
        indent = " " * self._repr_indent
        return "\n".join([f"Dataset {type(self).__name__}", *(indent + line for line in lines)])


def _array(values: Any) -> np.ndarray:
    return values._data if isinstance(values, Tensor) else np.asarray(values)


def _pick(targets: Any, indices: list[int]) -> Any:
    # A list may be long: look up only what is asked for.
    return [targets[i] for i in indices] if isinstance(targets, list) else _array(targets)[indices]


def _labelled(label: str, transform: Any) -> list[str]:
    if transform is None:
        return []
    first, *rest = repr(transform).splitlines() or [""]
    return [label + first, *(" " * len(label) + line for line in rest)]
