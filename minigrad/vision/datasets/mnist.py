"""MNIST and Fashion-MNIST, and the IDX files in which they come."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...tensor import wrap
from ._files import UNREADABLE, Limited, Readable, cache_folder, fetch, open_content
from .vision import VisionDataset

__all__ = ["KINDS", "MNIST", "FashionMNIST", "read_idx"]

KINDS = ("images-idx3", "labels-idx1")
_LIMIT = 1 << 30  # bytes of one file: twenty times MNIST's largest; more is a damaged header


def read_idx(file: Readable, dims: int) -> tuple[np.ndarray, str]:
    """Content of an IDX file of unsigned bytes, and the SHA-256 of the whole file.

    The file is the magic number 0x00 0x00 0x08 `dims`, one big-endian 32-bit size per dim, and
    the elements in C order.

    Parameters
    ----------
    file : binary stream, uncompressed
    dims : int
        How many dims it must have.

    Returns
    -------
    (array, sha256) : uint8 array that owns its memory, and str

    Raises
    ------
    ValueError
        Wrong magic number, or a length that does not fit the sizes.
    """
    stream = Limited(file, _LIMIT + 16)
    head = bytearray(4 + 4 * dims)
    got = stream.readinto(head)
    magic = 0x0800 + dims
    if got < 4 or int.from_bytes(head[:4], "big") != magic:
        raise ValueError(
            f"the magic number must be 0x{magic:08x} (unsigned bytes, {dims} dims); got "
            f"0x{bytes(head[:min(got, 4)]).hex() or '(nothing)'}"
        )
    if got < len(head):
        raise ValueError(f"the header must have {len(head)} bytes; got {got}")
    shape = tuple(int.from_bytes(head[4 + 4 * k:8 + 4 * k], "big") for k in range(dims))
    size = math.prod(shape)
    if size > _LIMIT:
        raise ValueError(f"the sizes must not exceed {_LIMIT} bytes altogether; got {shape}")
    array = np.empty(shape, np.uint8)
    got = stream.readinto(array.reshape(-1)) if size else 0
    if got < size:
        raise ValueError(f"{size} bytes must follow the header, sizes being {shape}; got {got}")
    if stream.readinto(bytearray(1)):
        raise ValueError(f"{size} bytes must follow the header, sizes being {shape}; got more")
    return array, stream.sha256()


class MNIST(VisionDataset):
    """Handwritten digits: 60 000 training and 10 000 test images, 28 by 28, grey, 10 classes.

    Parameters
    ----------
    root : path, optional
        Folder that holds, or gets, ``mnist/*-ubyte.gz``; ``MNIST/raw/*`` (torchvision's layout) is
        found too, and so are uncompressed files. By default the environment's MINIGRAD_DATA, else
        the user's cache folder.
    train : bool
        Training or test images.
    transform, target_transform : callable, optional
        Applied to each image, a (28, 28) uint8 ndarray, and to each class number.
    download : bool
        Fetch what is missing or damaged. Files that are there and right are left alone.

    Attributes
    ----------
    data : (N, 28, 28) uint8 Tensor
    targets : (N,) int64 Tensor

    Raises
    ------
    RuntimeError
        A file is missing, damaged or not the published one, or cannot be fetched.

    Notes
    -----
    Files are checked against the SHA-256 of their uncompressed content in `sha256`. For images of
    your own in this format, make a subclass with ``sha256 = {}``.

    References
    ----------
    LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998.
    """

    mirrors: ClassVar[Sequence[str]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    folder: ClassVar[str] = "mnist"
    sha256: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte":
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte":
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte":
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte":
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
    classes: ClassVar[Sequence[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six",
        "7 - seven", "8 - eight", "9 - nine",
    ]

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train
        self._place = cache_folder(root)
        if download:
            self.download()
        data, targets = self._load("train" if train else "t10k")
        self.data, self.targets = wrap(data), wrap(targets.astype(np.int64))

    def download(self) -> None:
        """Fetch the four files, except those that are there and right."""
        for part in ("train", "t10k"):
            for kind in KINDS:
                self._download_one(f"{part}-{kind}-ubyte")

    def _download_one(self, name: str) -> None:
        found = self._find(name)
        if found is not None:
            try:
                self._read(found, name)
                return
            except ValueError:
                pass  # damaged: what is fetched takes its place
        target = (found.parent if found else self._place / self.folder) / f"{name}.gz"
        urls = [f"{mirror.rstrip('/')}/{name}.gz" for mirror in self.mirrors]

        def check(sent: Path) -> None:
            self._read(sent, name, gzipped=True)

        fetch(type(self).__name__, target, urls, check, _LIMIT)
        if found is not None and found != target:
            found.unlink(missing_ok=True)

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {'Train' if self.train else 'Test'}"

    def _find(self, name: str) -> Path | None:
        for folder in (Path(self.folder), Path(type(self).__name__, "raw")):
            for ending in (".gz", ""):
                path = self._place / folder / f"{name}{ending}"
                if path.is_file():
                    return path
        return None

    def _load(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of one part; RuntimeError, with the way out, for what is not right."""
        arrays, paths = [], []
        for kind in KINDS:
            name = f"{part}-{kind}-ubyte"
            path = self._find(name)
            if path is None:
                raise RuntimeError(
                    f"{type(self).__name__}: dataset not found, no file {name}.gz or {name} under "
                    f"{str(self._place / self.folder)!r}. You can use download=True to download "
                    "it, or pass root= if you have it elsewhere."
                )
            try:
                arrays.append(self._read(path, name))
            except ValueError as error:
                raise RuntimeError(_damaged(type(self).__name__, path, error)) from error
            paths.append(path)
        images, labels = arrays
        if len(images) != len(labels):
            raise RuntimeError(
                f"{type(self).__name__}: every image must have a label; got {len(images)} images "
                f"in {str(paths[0])!r}, {len(labels)} labels in {str(paths[1])!r}. Delete both, "
                "and use download=True to fetch them again."
            )
        return images, labels

    def _read(self, path: Path, name: str, gzipped: bool | None = None) -> np.ndarray:
        """The array of one file, checked; ValueError gives the reason if it is not right."""
        images = "-images-" in name
        try:
            with open_content(path, gzipped) as file:
                array, digest = read_idx(file, 3 if images else 1)
        except UNREADABLE as error:
            raise ValueError(f"it cannot be read to its end: {error}") from error
        if not images and array.size and array.max() >= len(self.classes):
            raise ValueError(
                f"labels must lie in 0 to {len(self.classes) - 1}; got {array.max()} at position "
                f"{int(array.argmax())}"
            )
        expected = self.sha256.get(name)
        if expected is not None and digest != expected:
            raise ValueError(
                f"the SHA-256 of the uncompressed content must be {expected}; got {digest}, so "
                "this is not the published file"
            )
        return array


def _damaged(op: str, path: Path, error: ValueError) -> str:
    return (
        f"{op}: the file {str(path)!r} is damaged or not the right one: {error}. Delete it, or use "
        "download=True to replace it."
    )


class FashionMNIST(MNIST):
    """Articles of clothing by Zalando, as a harder drop-in for MNIST: same sizes, same files.

    Looked for under ``fashion-mnist/`` and ``FashionMNIST/raw/``. Parameters, attributes and errors
    are those of `MNIST`.

    References
    ----------
    Xiao, Rasul, Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms, 2017.
    """

    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    folder = "fashion-mnist"
    sha256: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte":
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte":
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte":
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte":
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }
    classes: ClassVar[Sequence[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]
