"""Where data files lie, and how they come and stay whole: folders, downloads, checksums.

Nothing here knows a format beyond gzip and tar. A file is written to a temporary name in its own
folder, synced, and renamed when it is complete and right: other names never hold half a file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import secrets
import sys
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ._progress import progress_bar

__all__ = ["UNREADABLE", "Limited", "Readable", "TooLong", "atomic_file", "cache_folder",
           "fetch", "file_sha256", "open_content", "unpack_tar"]

TIMEOUT = 30.0  # seconds without a byte until the next mirror is tried
_CHUNK = 1 << 18
UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError)


class TooLong(ValueError):
    """A file or stream holds more than it may."""


class _Unusable(Exception):
    """What a mirror sent cannot be used; the next may do better."""


def cache_folder(root: str | os.PathLike[str] | None) -> Path:
    """`root`, else the environment's MINIGRAD_DATA, else `minigrad/data` in the user's cache.

    Raises RuntimeError if there is neither, nor a home folder.
    """
    named = root if root is not None else os.environ.get("MINIGRAD_DATA") or None
    if named is not None:
        return Path(os.path.expanduser(named))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not os.path.isabs(base):
        raise RuntimeError(
            "datasets: no folder for data is known, since this user has no home folder. Pass "
            "root='some/folder', or set the environment variable MINIGRAD_DATA."
        )
    return Path(base) / "minigrad" / "data"


class Readable(Protocol):
    """A binary stream, as far as it matters here."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none only at the end."""


class Limited(io.RawIOBase):
    """The bytes of another stream, hashed as they pass, and never more than `limit` of them."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream, self._left, self._hash = stream, limit, hashlib.sha256()

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; the number of bytes read, fewer only at the end of the stream."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            data = self._stream.read(min(len(view) - filled, _CHUNK))
            if not data:
                break
            self._left -= len(data)
            if self._left < 0:
                raise TooLong("it goes on past the length it must have")
            self._hash.update(data)
            view[filled:filled + len(data)] = data
            filled += len(data)
        return filled

    def sha256(self) -> str:
        """SHA-256 of all that has been read, in hexadecimal."""
        return self._hash.hexdigest()


@contextmanager
def open_content(path: Path, gzipped: bool | None = None) -> Iterator[Readable]:
    """The uncompressed content of `path`; `gzipped` None asks whether its name ends in `.gz`."""
    with open(path, "rb") as file:
        if path.suffix == ".gz" if gzipped is None else gzipped:
            with gzip.GzipFile(fileobj=file) as unzipped:
                yield unzipped
        else:
            yield file


def file_sha256(path: Path) -> str:
    """SHA-256 of the file as it lies on disk, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the name `path` when the block ends well, and vanishes when not.

    Raises RuntimeError, which names the folder, if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        file = open(part, "xb")  # noqa: SIM115 (closed below, in all cases)
    except OSError as error:
        raise RuntimeError(_unwritable(path.parent, error)) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RuntimeError(_unwritable(path.parent, error)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"datasets: the folder {str(folder)!r} must be writable, with room for the data; got "
        f"{error.strerror or error}. Pass root= or set MINIGRAD_DATA to another folder."
    )


def fetch(
    op: str, path: Path, urls: Sequence[str], check: Callable[[Path], None], limit: int
) -> None:
    """Put the file of the first of `urls` that delivers one that passes `check` at `path`.

    Parameters
    ----------
    op : str
        Who asks, for messages.
    check : callable
        Gets the temporary file; raises ValueError, with the reason, for a wrong one.
    limit : int
        Largest number of bytes to accept.

    Raises
    ------
    RuntimeError
        No mirror worked (with the reason of each), or the folder cannot be written.
    """
    reasons = []
    for url in urls:
        try:
            with atomic_file(path) as file:
                _receive(url, file, limit)
                file.flush()
                try:
                    check(Path(file.name))
                except ValueError as error:
                    raise _Unusable(str(error)) from error
            return
        except _Unusable as error:
            reasons.append(f"  {url}: {error}")
    raise RuntimeError(
        f"{op}: no mirror delivered {path.name}:\n" + "\n".join(reasons) + "\nCheck the network "
        f"and try again, or fetch the file by other means and put it at {str(path)!r}."
    )


def _receive(url: str, file: BinaryIO, limit: int) -> None:
    """Copy what `url` sends into `file`; anything short of all of it is _Unusable."""
    with _connect(url) as response:
        said = response.headers.get("Content-Length") or ""
        total = int(said) if said.isdigit() else None
        if (total or 0) > limit:
            raise _Unusable(f"it offers {total} bytes; the file may have at most {limit}")
        got = 0
        with progress_bar(url.rsplit("/", 1)[-1], total) as advance:
            while chunk := _network(lambda: response.read(_CHUNK)):
                got += len(chunk)
                if got > limit:
                    raise _Unusable(f"it sends more than the {limit} bytes the file may have")
                file.write(chunk)
                advance(len(chunk))
    if total is not None and got != total:
        raise _Unusable(f"the transfer stopped at {got} of {total} bytes")


def _connect(url: str) -> Any:
    import urllib.request

    def ask() -> Any:
        request = urllib.request.Request(url, headers={"User-Agent": "minigrad"})
        return urllib.request.urlopen(request, timeout=TIMEOUT)

    return _network(ask)


def _network(step: Callable[[], Any]) -> Any:
    """`step()`; what the network can do to it, unlike what the disk can, becomes _Unusable."""
    import http.client

    try:
        return step()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _Unusable(str(error) or repr(error)) from error


def unpack_tar(
    archive: Path,
    folder: Path,
    members: Mapping[str, int],
    wanted: Collection[str],
    check: Callable[[str, str], None],
) -> None:
    """Write the wanted members of a .tar.gz into `folder`, and nothing else.

    Parameters
    ----------
    members : mapping of member name to its size in bytes
        All large members. A file takes the last part of its member's name. Links, folders and all
        other names are ignored.
    wanted : names in `members`
    check : callable
        Gets member name and SHA-256; raises ValueError for a wrong one.

    Raises
    ------
    ValueError
        The archive is damaged, larger than it may be, or lacks a member.
    """
    missing = set(wanted)
    limit = sum(members.values()) + (1 << 20)  # headers and the few text files are far smaller
    try:
        with open_content(archive, gzipped=True) as unzipped:
            bounded = io.BufferedReader(Limited(unzipped, limit), _CHUNK)
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                for entry in tar:
                    name = entry.name.removeprefix("./")
                    if name not in missing or not entry.isfile():
                        continue
                    if entry.size != members[name]:
                        raise ValueError(
                            f"{name} must have {members[name]} bytes; got {entry.size}"
                        )
                    content = tar.extractfile(entry)
                    assert content is not None  # it is a file
                    _copy_member(name, Limited(content, entry.size), folder, check)
                    missing.remove(name)
                    if not missing:
                        return
    except UNREADABLE as error:
        raise ValueError(f"not a whole .tar.gz file ({error})") from error
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")


def _copy_member(
    name: str, content: Limited, folder: Path, check: Callable[[str, str], None]
) -> None:
    buffer = bytearray(_CHUNK)
    with atomic_file(folder / name.rsplit("/", 1)[-1]) as file:
        while True:
            try:
                n = content.readinto(buffer)
            except UNREADABLE as error:
                raise ValueError(f"{name}: the archive is damaged ({error})") from error
            if not n:
                break
            file.write(memoryview(buffer)[:n])
        check(name, content.sha256())
