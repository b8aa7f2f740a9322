"""Bytes to and from the disk: atomic writes, and telling what a file is. No format lives here."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from contextlib import suppress
from typing import Any

__all__ = ["read_bytes", "what_is_it", "write_bytes"]


def write_bytes(f: Any, data: bytes, op: str = "save") -> None:
    """Write `data` to a binary file object, or to a path: all of it or, on any error, nothing."""
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(
                f"{op}: f must be a path or a binary file object; got {type(f).__name__}."
            )
        if isinstance(f, io.TextIOBase):
            raise TypeError(f"{op}: the file must be opened in binary mode: open(path, 'wb').")
        f.write(data)
        return
    path = os.path.realpath(os.fspath(f))  # a link stays, what it points at is replaced
    folder, base = os.path.split(path)
    if isinstance(path, bytes):
        raise TypeError(f"{op}: f must be a str path; got bytes.")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{op}: {os.fspath(f)} is a folder. Give a file name.")
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"{op}: the folder {folder} does not exist. Make it: os.makedirs({folder!r})."
        )
    try:
        _replace(path, folder, base, data)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{op}: could not write {os.fspath(f)}: {error.strerror}. What was there before is "
            "unchanged; make room, or choose another place",
        ) from error


def _replace(path: str, folder: str, base: str, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{base}.", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name must survive a crash too
        with suppress(OSError):
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def _mode(path: str) -> int:
    """Permissions for the new file: those of the old, or what open() would give."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def read_bytes(f: Any) -> tuple[str, bytes]:
    """How to call the file in messages, and all its bytes."""
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        if os.path.isdir(path):
            raise IsADirectoryError(f"load: {path!s} is a folder. Give a file name.")
        try:
            with open(path, "rb") as file:
                return str(path), file.read()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                error.errno, f"load: there is no such file; looked from {os.getcwd()}", str(path)
            ) from None
    if not hasattr(f, "read"):
        raise TypeError(f"load: f must be a path or a binary file object; got {type(f).__name__}.")
    data = f.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError("load: the file must be opened in binary mode: open(path, 'rb').")
    return str(getattr(f, "name", "the file")), bytes(data)


def what_is_it(data: bytes) -> str:
    """The rest of a sentence that begins with the name of a file that is not safetensors."""
    wanted = "Expected a safetensors file, as minigrad.save writes it."
    if not data:
        return f"is empty. {wanted}"
    if data.startswith(b"PK\x03\x04"):
        return _what_zip(data, wanted)
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (
            "is a Python pickle (an old torch.save, or pickle.dump), which minigrad does not read: "
            f"loading one can run any code. {wanted} {_CONVERT}"
        )
    if data.startswith(b"\x93NUMPY"):
        return f"is a NumPy array (.npy). {wanted} Use numpy.load and minigrad.from_numpy."
    if data.startswith(b"\x89HDF"):
        return f"is an HDF5 file. {wanted}"
    if data.startswith(b"version https://git-lfs"):
        return f"is a Git LFS pointer, not the file itself. {wanted} Run: git lfs pull"
    if data.lstrip()[:1] == b"<":
        return f"is a web page, perhaps a failed download. {wanted} Download it again."
    return f"is of an unknown format, or damaged; it begins with {data[:8]!r}. {wanted}"


_CONVERT = (
    "Where PyTorch is installed, convert it: from safetensors.torch import save_file; "
    "save_file(torch.load('weights.pt', weights_only=True), 'weights.safetensors')"
)


def _what_zip(data: bytes, wanted: str) -> str:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        names = []
    if any(name.endswith("data.pkl") for name in names):
        return (
            "is a PyTorch archive (.pt, .pth), which minigrad cannot read yet. "
            f"{wanted} {_CONVERT}"
        )
    if any(name.endswith(".npy") for name in names):
        return f"is a NumPy archive (.npz). {wanted} Use numpy.load and minigrad.from_numpy."
    return f"is a zip archive, or a damaged PyTorch one (.pt, .pth). {wanted}"
