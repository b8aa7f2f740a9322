"""Small made-up data files, and a server that hands them out. No tests here."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

COUNTS = {"train": 7, "t10k": 5}


def idx(array: np.ndarray, magic: int | None = None, shape: tuple[int, ...] | None = None) -> bytes:
    """An IDX file of bytes; magic number and sizes can be made to lie."""
    head = (0x0800 + array.ndim if magic is None else magic).to_bytes(4, "big")
    for size in array.shape if shape is None else shape:
        head += size.to_bytes(4, "big")
    return head + array.astype(np.uint8).tobytes()


def mnist_content(seed: int = 0) -> dict[str, bytes]:
    """The four files of a tiny MNIST by name, uncompressed."""
    rng = np.random.default_rng(seed)
    out = {}
    for part, n in COUNTS.items():
        out[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28)))
        out[f"{part}-labels-idx1-ubyte"] = idx(rng.integers(0, 10, n))
    return out


def checksums(content: dict[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}


def lay(folder: Path, content: dict[str, bytes], zipped: bool = True) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (folder / name).write_bytes(data)


def cifar_content(seed: int = 0, labels: int = 1) -> dict[str, bytes]:
    """The two files of a tiny CIFAR by name: four training and three test records."""
    rng = np.random.default_rng(seed)
    out = {}
    for name, n in (("train.bin", 4), ("test.bin", 3)):
        records = rng.integers(0, 256, (n, labels + 3072), dtype=np.uint8)
        records[:, :labels] = rng.integers(0, 10, (n, labels))
        out[name] = records.tobytes()
    return out


def tar_gz(entries: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A .tar.gz with these files and symbolic links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Site:
    """What a local server answers: bodies by path, and the paths that were asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}  # path: how many bytes to send before hanging up
        self.asked: list[str] = []
        self.closing = threading.Event()


@contextmanager
def serve() -> Iterator[Site]:
    """A web server on the loopback interface. Paths under /slow/ never answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            if self.path.startswith("/slow/"):
                site.closing.wait(20)
                return
            body = site.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:site.cut.get(self.path, len(body))])

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that hangs up early is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
