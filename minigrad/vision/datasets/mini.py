"""The part of Fashion-MNIST that ships with the package. The files are in `fashion_mnist_mini/`."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np

from ...tensor import wrap
from ._files import UNREADABLE
from .mnist import KINDS, FashionMNIST, read_idx
from .vision import VisionDataset

__all__ = ["FashionMNISTMini"]


class FashionMNISTMini(VisionDataset):
    """10 000 training and 2 000 test images of Fashion-MNIST, with no download.

    The first 1000 training and the first 200 test images of each class, in their original order.
    28 by 28, grey, 10 classes. Copyright (c) 2017 Zalando SE, under the MIT licence, which lies
    with the files.

    Parameters
    ----------
    train : bool
        Training or test images.
    transform, target_transform : callable, optional
        Applied to each image, a (28, 28) uint8 ndarray, and to each class number.

    Attributes
    ----------
    data : (N, 28, 28) uint8 Tensor
    targets : (N,) int64 Tensor

    Examples
    --------
    >>> from minigrad.vision import datasets, transforms
    >>> data = datasets.FashionMNISTMini(train=False, transform=transforms.ToTensor())
    >>> image, label = data[0]
    >>> tuple(image.shape), data.classes[label]
    ((1, 28, 28), 'Ankle boot')
    """

    sha256: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte":
            "d33512cfdc636a0d8972818e6659995be209a88891df7fa2109d7895922c8985",
        "train-labels-idx1-ubyte":
            "620cb8e3b9348037c5ff9a07b02d773ab165330e072dfd19e0d21c59f8042dcf",
        "t10k-images-idx3-ubyte":
            "15a92dd1e9b16ea361928086e77df4dfa890c255c00b5a8c8162c1040ce8eef1",
        "t10k-labels-idx1-ubyte":
            "234596aeb6eb48133ec99a62541f90bc0728c9559a681f1e0638037462458f2c",
    }
    classes = FashionMNIST.classes

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if not isinstance(train, bool):
            raise TypeError(
                f"FashionMNISTMini: train must be True or False; got {train!r}. This data set lies "
                "in the package and takes no root."
            )
        super().__init__(None, transform, target_transform)
        self.train = train
        part = "train" if train else "t10k"
        images, labels = (self._read(f"{part}-{kind}-ubyte") for kind in KINDS)
        self.data, self.targets = wrap(images), wrap(labels.astype(np.int64))

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {'Train' if self.train else 'Test'}"

    def _read(self, name: str) -> np.ndarray:
        path = files(__package__) / "fashion_mnist_mini" / f"{name}.gz"
        try:
            with path.open("rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
                array, digest = read_idx(unzipped, 3 if "-images-" in name else 1)
            if digest != self.sha256[name]:
                raise ValueError(f"SHA-256 must be {self.sha256[name]}; got {digest}")
        except (*UNREADABLE, ValueError) as error:
            raise RuntimeError(
                f"FashionMNISTMini: the file {name}.gz inside the package is missing or damaged: "
                f"{error}. Install minigrad again."
            ) from error
        return array
