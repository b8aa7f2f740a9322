"""Data sets read from files: layouts, items and batches, and every kind of damage."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import tracemalloc
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vision_files import checksums, cifar_content, idx, lay, mnist_content

import minigrad
from minigrad.vision import datasets
from minigrad.vision import transforms as T
from minigrad.vision.datasets.mnist import read_idx

CONTENT = mnist_content()


class TinyMNIST(datasets.MNIST):
    sha256: ClassVar[dict] = checksums(CONTENT)


class OwnMNIST(datasets.MNIST):
    sha256: ClassVar[dict] = {}


class TinyCIFAR(datasets.CIFAR10):
    train_list: ClassVar[dict] = {"train.bin": 4}
    test_list: ClassVar[dict] = {"test.bin": 3}
    sha256: ClassVar[dict] = checksums(cifar_content())


class TinyCIFAR100(datasets.CIFAR100):
    train_list: ClassVar[dict] = {"train.bin": 4}
    test_list: ClassVar[dict] = {"test.bin": 3}


def images_of(name: str) -> np.ndarray:
    return np.frombuffer(CONTENT[name], np.uint8, offset=16).reshape(-1, 28, 28)


def labels_of(name: str) -> np.ndarray:
    return np.frombuffer(CONTENT[name], np.uint8, offset=8)


# the IDX format ---------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 2**31))
def test_read_idx_returns_what_was_written(shape, seed):
    import io

    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    data = idx(array)
    got, digest = read_idx(io.BytesIO(data), array.ndim)
    np.testing.assert_array_equal(got, array)
    assert got.flags.writeable and digest == hashlib.sha256(data).hexdigest()


@given(st.binary(max_size=64))
def test_read_idx_never_fails_in_another_way_than_it_says(data):
    import io

    try:
        array, _ = read_idx(io.BytesIO(data), 1)
    except ValueError:
        return
    assert array.size + 8 == len(data)


# layouts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["mnist", "TinyMNIST/raw"])
@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_is_found_in_both_layouts(tmp_path, folder, zipped):
    lay(tmp_path / folder, CONTENT, zipped)
    for root in (tmp_path, str(tmp_path)):
        train, test = TinyMNIST(root), TinyMNIST(root, train=False)
        np.testing.assert_array_equal(train.data.numpy(), images_of("train-images-idx3-ubyte"))
        np.testing.assert_array_equal(test.targets.numpy(), labels_of("t10k-labels-idx1-ubyte"))
        assert len(train) == 7 and len(test) == 5
        assert isinstance(train.data, minigrad.Tensor) and train.data.dtype == np.uint8
        assert train.targets.dtype == np.int64


@pytest.mark.parametrize("folder", ["cifar-10/cifar-10-batches-bin", "cifar-10-batches-bin"])
def test_cifar10_is_found_in_both_layouts(tmp_path, folder):
    content = cifar_content()
    lay(tmp_path / folder, content, zipped=False)
    train = TinyCIFAR(tmp_path)
    assert len(train) == 4 and len(TinyCIFAR(tmp_path, train=False)) == 3
    raw = content["train.bin"]
    for k in range(4):
        record = raw[k * 3073:(k + 1) * 3073]
        assert train.targets[k] == record[0]
        for channel, i, j in [(0, 0, 0), (1, 3, 5), (2, 31, 31), (2, 0, 31)]:
            assert train.data[k, i, j, channel] == record[1 + channel * 1024 + i * 32 + j]
    assert train.data.shape == (4, 32, 32, 3) and isinstance(train.targets, list)


def test_cifar100_takes_the_fine_label(tmp_path):
    content = cifar_content(labels=2)
    lay(tmp_path / "cifar-100/cifar-100-binary", content, zipped=False)
    data = TinyCIFAR100(tmp_path, train=False)
    assert data.targets == [content["test.bin"][k * 3074 + 1] for k in range(3)]
    assert len(data.classes) == 100 and list(data.classes) == sorted(data.classes)
    assert data.data[1, 0, 0, 0] == content["test.bin"][3074 + 2]


def test_environment_and_cache_folder_are_used_without_a_root(tmp_path, monkeypatch):
    lay(tmp_path / "a/mnist", CONTENT)
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "a"))
    assert len(TinyMNIST()) == 7
    monkeypatch.delenv("MINIGRAD_DATA")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(RuntimeError, match="not found"):
        TinyMNIST()
    lay(tmp_path / "cache/minigrad/data/mnist", CONTENT)
    assert len(TinyMNIST()) == 7


def test_no_home_folder_is_told(monkeypatch):
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does without a home
    with pytest.raises(RuntimeError, match=r"no home folder\. Pass root=.*or set.*MINIGRAD_DATA"):
        TinyMNIST()


# items and batches ------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay(tmp_path / "mnist", CONTENT)
    lay(tmp_path / "cifar-10/cifar-10-batches-bin", cifar_content(), zipped=False)
    return tmp_path


def test_an_item_is_a_raw_image_and_a_class_number(root):
    for data, shape in ((TinyMNIST(root), (28, 28)), (TinyCIFAR(root), (32, 32, 3))):
        image, target = data[1]
        assert type(image) is np.ndarray and image.dtype == np.uint8 and image.shape == shape
        assert type(target) is int
        image[...] = 0
        assert data[1][0].any()  # it was a copy
        np.testing.assert_array_equal(data[-1][0], data[len(data) - 1][0])
        assert data[np.int64(1)][1] == target


def test_transforms_are_applied_to_image_and_target(root):
    data = TinyMNIST(root, transform=T.ToTensor(), target_transform=lambda t: t + 100)
    image, target = data[2]
    assert tuple(image.shape) == (1, 28, 28) and image.dtype == np.float32
    assert target == labels_of("train-labels-idx1-ubyte")[2] + 100


@pytest.mark.parametrize("kind", [TinyMNIST, TinyCIFAR])
@pytest.mark.parametrize("transform", [
    None, T.ToTensor(), T.Compose([T.Pad(2), T.CenterCrop(30), T.ToTensor(), T.Resize(8)]),
])
def test_a_batch_is_the_items_collated(root, kind, transform):
    data = kind(root, transform=transform)
    indices = [3, 0, 0, -1]
    images, targets = data.__getitems__(indices)
    assert type(images) is (np.ndarray if transform is None else minigrad.Tensor)
    assert targets.dtype == np.int64
    for k, i in enumerate(indices):
        one, target = data[i]
        np.testing.assert_array_equal(np.asarray(images)[k], np.asarray(one))
        assert targets[k] == target
    for same in (np.array(indices), tuple(indices)):
        np.testing.assert_array_equal(data.__getitems__(same)[1], targets)
    images, targets = data.__getitems__([])
    assert len(images) == 0 and targets.shape == (0,) and targets.dtype == np.int64


def test_batches_are_declined_when_transforms_work_on_single_images(root):
    for arguments in ({"transform": np.asarray}, {"target_transform": abs},
                      {"transform": T.Compose([T.ToTensor(), T.Lambda(abs)])}):
        with pytest.raises(NotImplementedError, match="Fetch items one by one"):
            TinyMNIST(root, **arguments).__getitems__([0])


@pytest.mark.parametrize("index", [7, -8, 10**9])
def test_an_index_out_of_range_is_told(root, index):
    data = TinyMNIST(root)
    with pytest.raises(IndexError, match=rf"must lie in \[-7, 7\); got {index}"):
        data[index]
    with pytest.raises(IndexError, match=r"must lie in \[-7, 7\)"):
        data.__getitems__([0, index])


def test_iteration_ends(root):
    assert len(list(TinyMNIST(root))) == 7


def test_data_and_targets_may_be_replaced(root):
    data = TinyMNIST(root)
    data.data, data.targets = data.data.numpy()[:3], [5, 6, 7]
    assert len(data) == 3 and data[2][1] == 7
    assert data.__getitems__([0, 2])[1].tolist() == [5, 7]


def test_classes_and_printed_form(root):
    data = TinyMNIST(root, transform=T.ToTensor())
    assert data.class_to_idx["3 - three"] == 3
    assert repr(data).splitlines() == [
        "Dataset TinyMNIST", "    Number of datapoints: 7", f"    Root location: {root}",
        "    Split: Train", "    StandardTransform", "    Transform: ToTensor()",
    ]
    assert "Split: Test" in repr(TinyCIFAR(root, train=False))
    assert datasets.CIFAR10.classes[3] == "cat" and datasets.FashionMNIST.classes[9] == "Ankle boot"


def test_a_transform_must_be_callable(root):
    with pytest.raises(TypeError, match="transform must be callable or None; got int"):
        TinyMNIST(root, transform=3)


@pytest.mark.parametrize("transform", [
    T.ToTensor(), T.Compose([T.ToTensor(), T.Lambda(lambda x: x)]),
])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_items_in_order(root, transform, workers):
    from minigrad.utils.data import DataLoader

    data = TinyMNIST(root, transform=transform)
    batches = list(DataLoader(data, batch_size=3, num_workers=workers))
    assert [tuple(x.shape) for x, _ in batches] == [(3, 1, 28, 28), (3, 1, 28, 28), (1, 1, 28, 28)]
    seen = np.concatenate([x.numpy() for x, _ in batches])
    np.testing.assert_array_equal(seen, np.stack([data[k][0].numpy() for k in range(7)]))
    labels = np.concatenate([t.numpy() for _, t in batches])
    np.testing.assert_array_equal(labels, data.targets.numpy())


# damage -----------------------------------------------------------------------------------------

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def shown(name: str, data: bytes) -> dict[str, bytes]:
    return {**CONTENT, name: data}


@pytest.mark.parametrize(("name", "data", "message"), [
    (IMAGES, b"", r"magic number must be 0x00000803.*got 0x\(nothing\)"),
    (IMAGES, CONTENT[LABELS], "0x00000803 .unsigned bytes, 3 dims.; got 0x00000801"),
    (IMAGES, b"\x00\x00\x0b\x03" + CONTENT[IMAGES][4:], "got 0x00000b03"),
    (IMAGES, CONTENT[IMAGES][:9], "the header must have 16 bytes; got 9"),
    (IMAGES, CONTENT[IMAGES][:-1], r"5488 bytes must follow.*\(7, 28, 28\); got 5487"),
    (IMAGES, CONTENT[IMAGES] + b"x", "5488 bytes must follow.*got more"),
    (IMAGES, idx(np.zeros((1, 1, 1)), shape=(2**31, 2**31, 2**31)), "must not exceed 1073741824"),
    (LABELS, idx(np.full(7, 200)), "labels must lie in 0 to 9; got 200 at position 0"),
    (LABELS, idx(np.zeros(6)), "every image must have a label; got 7 images in .*, 6 labels"),
])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_mnist_file_is_named(tmp_path, name, data, message, zipped):
    lay(tmp_path / "mnist", shown(name, data), zipped)
    with pytest.raises(RuntimeError, match=message) as caught:
        OwnMNIST(tmp_path)
    assert name in str(caught.value) and "download=True" in str(caught.value)


def test_a_changed_pixel_is_noticed(tmp_path):
    data = bytearray(CONTENT[IMAGES])
    data[100] ^= 1
    lay(tmp_path / "mnist", shown(IMAGES, bytes(data)))
    with pytest.raises(RuntimeError, match=f"SHA-256.*must be {TinyMNIST.sha256[IMAGES]}; got"):
        TinyMNIST(tmp_path)
    assert len(OwnMNIST(tmp_path)) == 7  # without a checksum it is as good as any


@pytest.mark.parametrize("harm", [
    lambda z: z[:-30], lambda z: b"no gzip at all", lambda z: z[:200] + bytes(50) + z[250:],
    lambda z: z[:-6] + b"\0\0\0\0\0\0",
])
def test_a_damaged_gzip_file_is_named(tmp_path, harm):
    lay(tmp_path / "mnist", CONTENT)
    path = tmp_path / "mnist" / f"{IMAGES}.gz"
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(RuntimeError, match=rf"{IMAGES}\.gz' is damaged or not the right one"):
        OwnMNIST(tmp_path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    bomb = gzip.compress(CONTENT[IMAGES] + bytes(200_000_000), 1)
    lay(tmp_path / "mnist", CONTENT)
    (tmp_path / "mnist" / f"{IMAGES}.gz").write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(RuntimeError, match="got more"):
            OwnMNIST(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"no file train-images.* You can use download=True"):
        TinyMNIST(tmp_path)
    with pytest.raises(RuntimeError, match=r"no file train.bin.*binary version"):
        TinyCIFAR(tmp_path)


@pytest.mark.parametrize(("harm", "message"), [
    (lambda b: b[:-1], "must have 12292 bytes, 4 records of 3073; got 12291"),
    (lambda b: b + b"x", "must have 12292 bytes, 4 records of 3073; got 12293"),
    (lambda b: b"", "got 0"),
    (lambda b: b[:3073] + b"\x63" + b[3074:], "labels must lie in 0 to 9; got 99 in record 1"),
    (lambda b: b[:-1] + bytes([b[-1] ^ 1]), "SHA-256 of train.bin must be"),
])
def test_a_damaged_cifar_file_is_named(tmp_path, harm, message):
    content = cifar_content()
    content["train.bin"] = harm(content["train.bin"])
    lay(tmp_path / "cifar-10/cifar-10-batches-bin", content, zipped=False)
    with pytest.raises(RuntimeError, match=message) as caught:
        TinyCIFAR(tmp_path)
    assert "train.bin" in str(caught.value) and "download=True" in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    lay(tmp_path / "mnist", CONTENT, zipped=False)

    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(RuntimeError, match=r"cannot be read to its end.*Permission denied"):
        TinyMNIST(tmp_path)


# the shipped subset -----------------------------------------------------------------------------

TRAIN_PIXELS = "e1427044c614fabc29feeff0f27e6b68f88a9ee2f2cfe7d783b9157159864883"


def test_the_shipped_subset_is_balanced_whole_and_quick():
    start = time.perf_counter()
    train, test = datasets.FashionMNISTMini(), datasets.FashionMNISTMini(train=False)
    assert time.perf_counter() - start < 2  # 0.07 s where it was written
    assert tuple(train.data.shape) == (10_000, 28, 28) and train.data.dtype == np.uint8
    assert tuple(test.data.shape) == (2_000, 28, 28)
    assert np.bincount(train.targets.numpy()).tolist() == [1000] * 10
    assert np.bincount(test.targets.numpy()).tolist() == [200] * 10
    assert hashlib.sha256(np.ascontiguousarray(train.data.numpy())).hexdigest() == TRAIN_PIXELS
    assert train.classes[train[0][1]] == "Ankle boot"
    assert repr(test) == "Dataset FashionMNISTMini\n    Number of datapoints: 2000\n    Split: Test"


def test_the_shipped_subset_is_small_and_has_its_licence():
    folder = Path(datasets.__file__).parent / "fashion_mnist_mini"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6_000_000
    notice = (folder / "LICENSE").read_text()
    assert "Copyright (c) 2017 Zalando SE, https://tech.zalando.com" in notice
    assert "The above copyright notice and this permission notice shall be included" in notice


def test_the_shipped_subset_comes_in_batches():
    data = datasets.FashionMNISTMini(False, transform=T.Compose([
        T.RandomCrop(28, padding=2), T.RandomHorizontalFlip(), T.ToTensor(),
        T.Normalize((0.286,), (0.353,)),
    ]))
    images, targets = data.__getitems__(np.arange(0, 2000, 10))
    assert tuple(images.shape) == (200, 1, 28, 28) and images.dtype == np.float32
    assert abs(float(images.numpy().mean())) < 0.3
    np.testing.assert_array_equal(targets, data.targets.numpy()[::10])


def test_the_shipped_subset_takes_no_root():
    with pytest.raises(TypeError, match="lies in the package and takes no root"):
        datasets.FashionMNISTMini("data")


def test_a_damaged_installation_is_told(monkeypatch):
    monkeypatch.setattr(datasets.FashionMNISTMini, "sha256",
                        dict.fromkeys(datasets.FashionMNISTMini.sha256, "0"))
    with pytest.raises(RuntimeError, match=r"inside the package.*Install minigrad again"):
        datasets.FashionMNISTMini(train=False)


def test_the_subset_is_made_by_its_script(tmp_path):
    import runpy

    rng = np.random.default_rng(0)
    labels = {"train": np.repeat(np.arange(10), 1100), "t10k": np.repeat(np.arange(10), 210)}
    for part, values in labels.items():
        rng.shuffle(values)
        pictures = np.arange(len(values) * 4).reshape(-1, 2, 2) % 251
        lay(tmp_path / "in", {f"{part}-images-idx3-ubyte": idx(pictures),
                              f"{part}-labels-idx1-ubyte": idx(values)})
    script = Path(__file__).parent.parent / "tools" / "make_fashion_mnist_mini.py"
    if not script.exists():
        pytest.skip("not a checkout")
    runpy.run_path(str(script))["main"](tmp_path / "in", tmp_path / "out")
    for part, per_class in (("train", 1000), ("t10k", 200)):
        with gzip.open(tmp_path / "out" / f"{part}-labels-idx1-ubyte.gz") as file:
            made, _ = read_idx(file, 1)
        with gzip.open(tmp_path / "out" / f"{part}-images-idx3-ubyte.gz") as file:
            pixels, _ = read_idx(file, 3)
        assert np.bincount(made).tolist() == [per_class] * 10
        kept, seen = [], dict.fromkeys(range(10), 0)
        for k, label in enumerate(labels[part].tolist()):
            seen[label] += 1
            if seen[label] <= per_class:
                kept.append(k)
        np.testing.assert_array_equal(made, labels[part][kept])
        np.testing.assert_array_equal(pixels[:, 0, 0], np.array(kept) * 4 % 251)
