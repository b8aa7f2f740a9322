"""Downloads from a server on the loopback interface: mirrors, broken transfers, atomic files."""

from __future__ import annotations

import errno
import gzip
import os
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from vision_files import checksums, cifar_content, lay, mnist_content, serve, tar_gz

from minigrad.vision import datasets
from minigrad.vision.datasets import _files, _progress

CONTENT = mnist_content()
CIFAR = cifar_content()
TAR = {f"cifar-10-batches-bin/{name}": data for name, data in CIFAR.items()}
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture(scope="module")
def server():
    with serve() as site:
        yield site


@pytest.fixture
def site(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.files.clear()
    server.cut.clear()
    server.asked.clear()
    for name, data in CONTENT.items():
        server.files[f"/good/{name}.gz"] = gzip.compress(data, mtime=0)
    server.files["/good/cifar-10-binary.tar.gz"] = tar_gz({"readme.html": b"hello", **TAR})
    return server


@pytest.fixture
def mnist(site):
    class TinyMNIST(datasets.MNIST):
        sha256: ClassVar[dict] = checksums(CONTENT)
        mirrors = (f"{site.url}/good/",)

    return TinyMNIST


@pytest.fixture
def cifar(site):
    class TinyCIFAR(datasets.CIFAR10):
        train_list: ClassVar[dict] = {"train.bin": 4}
        test_list: ClassVar[dict] = {"test.bin": 3}
        sha256: ClassVar[dict] = checksums(CIFAR)
        mirrors = (f"{site.url}/good/",)

    return TinyCIFAR


def files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


EXPECTED = sorted(f"mnist/{name}.gz" for name in CONTENT)
BIN = "cifar-10/cifar-10-batches-bin/"


def test_mnist_is_fetched_once(tmp_path, site, mnist):
    root = tmp_path / "not" / "yet" / "there"
    assert len(mnist(root, download=True)) == 7
    assert files_in(root) == EXPECTED
    assert len(site.asked) == 4
    assert len(mnist(root, train=False, download=True)) == 5
    assert len(site.asked) == 4


def test_files_that_are_right_are_left_alone_and_damaged_ones_replaced(tmp_path, site, mnist):
    mnist(tmp_path, download=True)
    folder = tmp_path / "mnist"
    damaged = folder / f"{IMAGES}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if p != damaged}
    site.asked.clear()
    with pytest.raises(RuntimeError, match="damaged"):
        mnist(tmp_path)
    mnist(tmp_path, download=True)
    assert site.asked == [f"/good/{IMAGES}.gz"]
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if p != damaged} == before


def test_torchvisions_layout_is_repaired_in_its_place(tmp_path, mnist):
    lay(tmp_path / "TinyMNIST/raw", CONTENT, zipped=False)
    (tmp_path / "TinyMNIST/raw" / IMAGES).write_bytes(b"damaged")
    mnist(tmp_path, download=True)
    names = set(CONTENT) - {IMAGES} | {f"{IMAGES}.gz"}
    assert files_in(tmp_path) == sorted(f"TinyMNIST/raw/{name}" for name in names)


def test_the_next_mirror_is_tried(tmp_path, site, mnist):
    path = f"/bad/{IMAGES}.gz"
    good = site.files[f"/good/{IMAGES}.gz"]
    closed = "http://127.0.0.1:9"
    cases = {
        "404": None, "truncated": good, "wrong": gzip.compress(b"\0\0\x08\x03" + bytes(20)),
        "not gzip": b"<html>Sorry</html>", "other": site.files["/good/t10k-images-idx3-ubyte.gz"],
    }
    for k, (case, body) in enumerate(cases.items()):
        site.files.pop(path, None)
        site.cut.pop(path, None)
        if body is not None:
            site.files[path] = body
        if case == "truncated":
            site.cut[path] = len(body) // 2
        mnist.mirrors = (closed, "nonsense:", f"{site.url}/bad", f"{site.url}/good")
        root = tmp_path / str(k)
        assert len(mnist(root, download=True)) == 7
        assert files_in(root) == EXPECTED


def test_a_mirror_that_hangs_is_given_up(tmp_path, site, mnist, monkeypatch):
    monkeypatch.setattr(_files, "TIMEOUT", 0.1)
    mnist.mirrors = (f"{site.url}/slow", f"{site.url}/good")
    assert len(mnist(tmp_path, download=True)) == 7


def test_when_no_mirror_works_each_reason_is_told_and_nothing_is_left(tmp_path, site, mnist):
    name = f"{IMAGES}.gz"
    site.files[f"/short/{name}"] = site.files[f"/good/{name}"]
    site.cut[f"/short/{name}"] = 1000
    wrong = bytearray(CONTENT[IMAGES])
    wrong[-1] ^= 1
    site.files[f"/wrong/{name}"] = gzip.compress(bytes(wrong))
    mnist.mirrors = (f"{site.url}/none", f"{site.url}/short", f"{site.url}/wrong")
    with pytest.raises(RuntimeError) as caught:
        mnist(tmp_path, download=True)
    text = str(caught.value)
    assert "TinyMNIST: no mirror delivered train-images-idx3-ubyte.gz" in text
    assert "/none/train-images-idx3-ubyte.gz: HTTP Error 404" in text
    assert "1000" in text or "1001" in text or "IncompleteRead" in text
    assert f"must be {mnist.sha256[IMAGES]}; got" in text
    assert f"put it at {str(tmp_path / 'mnist' / name)!r}" in text
    assert files_in(tmp_path) == []


def test_an_endless_answer_is_cut_off(tmp_path, site, cifar):
    site.files["/good/cifar-10-binary.tar.gz"] = bytes(5_000_000)
    with pytest.raises(RuntimeError, match="offers 5000000 bytes; the file may have at most"):
        cifar(tmp_path, download=True)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_download_leaves_nothing(tmp_path, mnist, monkeypatch, error):
    @contextmanager
    def interrupted(label, total):
        def advance(n):
            raise error

        yield advance

    monkeypatch.setattr(_files, "progress_bar", interrupted)
    with pytest.raises(error):
        mnist(tmp_path, download=True)
    assert files_in(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, mnist, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    mnist(tmp_path, download=True)
    old = tmp_path / "mnist" / f"{IMAGES}.gz"
    old.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RuntimeError, match=r"No space left on device. Pass root= or set"):
        mnist(tmp_path, download=True)
    assert files_in(tmp_path) == EXPECTED and old.read_bytes() == b"old"


def test_a_folder_that_cannot_be_made_is_named(tmp_path, mnist):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match=r"file.mnist' must be writable.*MINIGRAD_DATA"):
        mnist(tmp_path / "file", download=True)


def test_a_read_only_folder_is_named(tmp_path, mnist, monkeypatch):
    def refuse(self, *args, **settings):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RuntimeError, match=r"must be writable.*got Permission denied. Pass root="):
        mnist(tmp_path / "locked", download=True)


# CIFAR's archive --------------------------------------------------------------------------------


def test_cifar_is_fetched_and_unpacked(tmp_path, site, cifar):
    assert len(cifar(tmp_path, download=True)) == 4
    assert files_in(tmp_path) == [f"{BIN}test.bin", f"{BIN}train.bin"]  # the archive is gone
    cifar(tmp_path, train=False, download=True)
    assert len(site.asked) == 1


def test_an_archive_that_lies_there_is_unpacked_without_the_network(tmp_path, site, cifar):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(site.files["/good/cifar-10-binary.tar.gz"])
    assert len(cifar(tmp_path, download=True)) == 4
    assert site.asked == [] and (tmp_path / "cifar-10-binary.tar.gz").exists()


def test_only_damaged_members_are_replaced(tmp_path, cifar):
    cifar(tmp_path, download=True)
    right, damaged = tmp_path / BIN / "test.bin", tmp_path / BIN / "train.bin"
    before = right.stat().st_mtime_ns
    damaged.write_bytes(b"damaged")
    assert len(cifar(tmp_path, download=True)) == 4
    assert right.stat().st_mtime_ns == before


def big_member() -> bytes:
    return tar_gz({"huge.txt": bytes(30_000_000), **TAR})


@pytest.mark.parametrize(("archive", "message"), [
    (tar_gz(TAR)[:-400], "not a whole .tar.gz|archive is damaged"),
    (tar_gz({"cifar-10-batches-bin/train.bin": CIFAR["train.bin"]}), "it lacks cifar-10-batches-b"),
    (tar_gz({**TAR, "cifar-10-batches-bin/train.bin": b"short"}), "must have 12292 bytes; got 5"),
    (tar_gz({name: data[::-1] for name, data in TAR.items()}), "SHA-256 of t.*must be"),
    (tar_gz({"cifar-10-batches-bin/test.bin": CIFAR["test.bin"]},
            {"cifar-10-batches-bin/train.bin": "/etc/passwd"}), "it lacks .*train.bin"),
    (tar_gz({f"../../{name}": data for name, data in TAR.items()}), "it lacks"),
    (big_member(), "goes on past the length it must have"),
    (b"not a tar", "not a whole .tar.gz file"),
])
def test_a_wrong_archive_is_refused(tmp_path, site, cifar, archive, message):
    site.files["/good/cifar-10-binary.tar.gz"] = archive
    root = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError, match=message):
        cifar(root, download=True)
    for name in files_in(tmp_path):  # whole members may stay; nothing half, nothing elsewhere
        assert name in {f"a/b/{BIN}train.bin", f"a/b/{BIN}test.bin"}
        assert (tmp_path / name).read_bytes() == CIFAR[Path(name).name]
    site.files["/good/cifar-10-binary.tar.gz"] = tar_gz(TAR)
    assert len(cifar(root, download=True)) == 4


def test_an_archive_with_a_checksum_of_its_own_is_held_to_it(tmp_path, cifar):
    cifar.archive_sha256 = "0" * 64
    with pytest.raises(RuntimeError, match="SHA-256 of the archive must be 000"):
        cifar(tmp_path, download=True)


# progress ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [(), ("tqdm",), ("tqdm", "rich.console")])
def test_progress_is_shown_by_what_is_installed(missing, monkeypatch, capsys):
    for name in missing:
        monkeypatch.setitem(__import__("sys").modules, name, None)
    times = iter(range(100))
    monkeypatch.setattr(_progress.time, "monotonic", lambda: float(next(times)))
    with _progress.progress_bar("train.gz", 4_000_000) as advance:
        for _ in range(4):
            advance(1_000_000)
    out, err = capsys.readouterr()
    assert out == ""
    if len(missing) == 2:
        assert "train.gz: 4.0 of 4.0 MB" in err
