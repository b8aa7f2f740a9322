"""CIFAR-10 and CIFAR-100, from their binary version; no pickle is ever read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ._files import UNREADABLE, Limited, cache_folder, fetch, file_sha256, unpack_tar
from .vision import VisionDataset

__all__ = ["CIFAR10", "CIFAR100"]

_PIXELS = 3 * 32 * 32
_FINE_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach
    couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster
    house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket
    rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
    sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip
    turtle wardrobe whale willow_tree wolf woman worm
""".split()  # noqa: SIM905


class CIFAR10(VisionDataset):
    """Photographs: 50 000 training and 10 000 test images, 32 by 32, RGB, 10 classes.

    Parameters
    ----------
    root : path, optional
        Folder that holds, or gets, ``cifar-10/cifar-10-batches-bin/*.bin``;
        ``cifar-10-batches-bin/*.bin`` is found too. By default the environment's MINIGRAD_DATA,
        else the user's cache folder.
    train : bool
        Training or test images.
    transform, target_transform : callable, optional
        Applied to each image, a (32, 32, 3) uint8 ndarray, and to each class number.
    download : bool
        Fetch what is missing or damaged (162 MB), or unpack the binary version's archive if it
        lies in `root` or its ``cifar-10`` folder. Files that are there and right are left alone.

    Attributes
    ----------
    data : (N, 32, 32, 3) uint8 ndarray
        A view of memory in (N, 3, 32, 32) order, the one that tensors have.
    targets : list of N ints

    Raises
    ------
    RuntimeError
        A file is missing, damaged or not the published one, or cannot be fetched.

    Notes
    -----
    A record is one label byte (CIFAR-100: coarse, then fine label) and 3072 bytes: the rows of the
    red, green and blue plane. Files are checked against their SHA-256 in `sha256`. For images of
    your own in this format, make a subclass with ``sha256 = {}`` and other `train_list`.

    References
    ----------
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    folder: ClassVar[str] = "cifar-10"
    base_folder: ClassVar[str] = "cifar-10-batches-bin"
    filename: ClassVar[str] = "cifar-10-binary.tar.gz"
    mirrors: ClassVar[Sequence[str]] = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
    )
    archive_sha256: ClassVar[str | None] = None  # the files' own say it all
    train_list: ClassVar[Mapping[str, int]] = {f"data_batch_{i}.bin": 10_000 for i in range(1, 6)}
    test_list: ClassVar[Mapping[str, int]] = {"test_batch.bin": 10_000}
    sha256: ClassVar[Mapping[str, str]] = {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    }
    label_bytes: ClassVar[int] = 1  # the last of them is the class
    classes: ClassVar[Sequence[str]] = ["airplane", "automobile", "bird", "cat", "deer", "dog",
                                        "frog", "horse", "ship", "truck"]

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
        records = self._load(self.train_list if train else self.test_list)
        pixels = records[:, self.label_bytes:].reshape(-1, 3, 32, 32)  # a view
        self.data = pixels.transpose(0, 2, 3, 1)
        self.targets: list[int] = records[:, self.label_bytes - 1].tolist()

    def download(self) -> None:
        """Fetch or unpack all files, except those that are there and right."""
        counts = {**self.train_list, **self.test_list}
        folder = self._folder()
        missing = [name for name in counts if not self._right(folder / name, counts[name])]
        if not missing:
            return
        sizes = {f"{self.base_folder}/{name}": n * self._record for name, n in counts.items()}
        wanted = [f"{self.base_folder}/{name}" for name in missing]

        def check_member(member: str, digest: str) -> None:
            self._check_digest(member.rsplit("/", 1)[-1], digest)

        def unpack(archive: Path) -> None:
            if self.archive_sha256 is not None:
                _check_same("of the archive", self.archive_sha256, file_sha256(archive))
            unpack_tar(archive, folder, sizes, wanted, check_member)

        for archive in (self._place / self.filename, self._place / self.folder / self.filename):
            if archive.is_file():
                try:
                    return unpack(archive)
                except ValueError:
                    pass  # damaged, and not ours: fetch another, and leave it to its owner
        target = folder.parent / f"{self.filename}.download"
        urls = [f"{mirror.rstrip('/')}/{self.filename}" for mirror in self.mirrors]
        fetch(type(self).__name__, target, urls, unpack, sum(sizes.values()) + (1 << 20))
        target.unlink(missing_ok=True)

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {'Train' if self.train else 'Test'}"

    @property
    def _record(self) -> int:
        return self.label_bytes + _PIXELS

    def _folder(self) -> Path:
        """The folder of the .bin files: the one that is there, or the one to make."""
        usual = self._place / self.folder / self.base_folder
        flat = self._place / self.base_folder
        return flat if flat.is_dir() and not usual.is_dir() else usual

    def _load(self, counts: Mapping[str, int]) -> np.ndarray:
        """Records of the files in one (N, record) array; RuntimeError for what is not right."""
        out = np.empty((sum(counts.values()), self._record), np.uint8)
        folder, done = self._folder(), 0
        for name, n in counts.items():
            path = folder / name
            if not path.is_file():
                raise RuntimeError(
                    f"{type(self).__name__}: dataset not found, no file {name} in "
                    f"{str(folder)!r}. You can use download=True to download it, or pass root= if "
                    "you have it elsewhere (the binary version, not the one for Python)."
                )
            try:
                self._read(path, out[done:done + n])
            except ValueError as error:
                raise RuntimeError(
                    f"{type(self).__name__}: the file {str(path)!r} is damaged or not the right "
                    f"one: {error}. Delete it, or use download=True to replace it."
                ) from error
            done += n
        return out

    def _right(self, path: Path, n: int) -> bool:
        try:
            self._read(path, np.empty((n, self._record), np.uint8))
        except (OSError, ValueError):
            return False
        return True

    def _read(self, path: Path, records: np.ndarray) -> None:
        """Fill `records` from a file; ValueError gives the reason if it is not right."""
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != records.size:
                    raise ValueError(
                        f"it must have {records.size} bytes, {len(records)} records of "
                        f"{self._record}; got {size}"
                    )
                stream = Limited(file, records.size)
                got = stream.readinto(records.reshape(-1))
        except UNREADABLE as error:
            raise ValueError(f"it cannot be read: {error}") from error
        if got != records.size:
            raise ValueError(f"it must have {records.size} bytes; only {got} could be read")
        labels = records[:, self.label_bytes - 1]
        if labels.size and labels.max() >= len(self.classes):
            raise ValueError(
                f"labels must lie in 0 to {len(self.classes) - 1}; got {labels.max()} in record "
                f"{int(labels.argmax())}"
            )
        self._check_digest(path.name, stream.sha256())

    def _check_digest(self, name: str, digest: str) -> None:
        if name in self.sha256:
            _check_same(f"of {name}", self.sha256[name], digest)


def _check_same(what: str, expected: str, digest: str) -> None:
    if digest != expected:
        raise ValueError(
            f"the SHA-256 {what} must be {expected}; got {digest}, so this is not the "
            "published file"
        )


class CIFAR100(CIFAR10):
    """Photographs: 50 000 training and 10 000 test images, 32 by 32, RGB, 100 classes.

    Looked for under ``cifar-100/cifar-100-binary/`` and ``cifar-100-binary/``. Targets are the fine
    labels. Parameters, attributes and errors are those of `CIFAR10`; what is checked by SHA-256 is
    the archive as it is fetched, and on loading the sizes and labels of its files.
    """

    folder = "cifar-100"
    base_folder = "cifar-100-binary"
    filename = "cifar-100-binary.tar.gz"
    archive_sha256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    train_list: ClassVar[Mapping[str, int]] = {"train.bin": 50_000}
    test_list: ClassVar[Mapping[str, int]] = {"test.bin": 10_000}
    sha256: ClassVar[Mapping[str, str]] = {}
    label_bytes = 2
    classes: ClassVar[Sequence[str]] = _FINE_CLASSES
