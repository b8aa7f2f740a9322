"""Compiled kernels on disk; what is kept, where, and how it is found again. No kernel lives here.

Numba's own cache looks at one file's date, so it runs stale code after an edit of a helper in
another file. Here the folder is named by a hash of all kernel sources, of the versions and of the
processor. Every file carries a checksum; what does not check is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
import tempfile
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["KernelCache", "cache_folder"]

# A compile that takes longer than this is announced.
SLOW_SECONDS = 1.0


class KernelCache:
    """What a Numba dispatcher asks for compiled code; one per kernel."""

    cache_path: str | None = None

    def __init__(self, module: str, name: str) -> None:
        self.name, self.module = name, module
        self.keeps = module.startswith("minigrad.kernels.")  # what the stamp covers
        self._began: dict[str, float] = {}
        self._told = False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel for these argument types, or None if it must be compiled."""
        target_context.refresh()
        folder = cache_folder() if self.keeps else None
        if folder is not None:
            try:
                blob = (folder / self._file(sig)).read_bytes()
                digest, payload = blob[:32], blob[32:]
                if hashlib.sha256(payload).digest() == digest:
                    from numba.core.compiler import CompileResult

                    return CompileResult._rebuild(target_context, *pickle.loads(payload))
            except Exception:  # absent, unreadable, or of a Numba that pickles otherwise
                pass
        self._began[str(sig)] = time.perf_counter()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel that was just compiled, if there is a place for it."""
        began = self._began.pop(str(sig), None)
        if began is not None:
            self._announce(time.perf_counter() - began)
        folder = cache_folder() if self.keeps and not _told else None
        if folder is None:
            return
        try:
            from numba.core.serialize import dumps

            payload = dumps(data._reduce())
            blob = hashlib.sha256(payload).digest() + payload
            handle, temporary = tempfile.mkstemp(dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(blob)
                os.replace(temporary, folder / self._file(sig))
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            _without_cache(f"{folder}: {error}")
        except Exception as error:
            _without_cache(f"this Numba cannot save kernels: {error!r}")

    def _announce(self, seconds: float) -> None:
        if seconds > SLOW_SECONDS and not self._told and sys.stderr is not None:
            self._told = True
            print(f"minigrad: compiled {self.name} in {seconds:.1f} s", file=sys.stderr)

    def _file(self, sig: Any) -> str:
        digest = hashlib.sha256(repr(sig).encode()).hexdigest()[:16]
        return f"{self.module.rpartition('.')[2]}.{self.name}-{digest}.kernel"

    def enable(self) -> None:
        """Asked of every cache; this one is always on."""

    def disable(self) -> None:
        """Asked of every cache; this one is always on."""

    def flush(self) -> None:
        """Asked of every cache; files are written at once."""


_told = False  # that nothing can be written, once per process


def cache_folder() -> Path | None:
    """Where kernels are kept: in NUMBA_CACHE_DIR, else the user's cache; None if there is none.

    The folder may be read-only: what an image was built with is still read.
    """
    return _make_folder(os.environ.get("NUMBA_CACHE_DIR"))


@lru_cache(maxsize=4)
def _make_folder(numba_cache_dir: str | None) -> Path | None:
    problem = "there is no home folder"
    for base in _candidates(numba_cache_dir):
        folder = base / f"minigrad-{_stamp()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        except OSError as error:
            problem = f"{folder}: {error.strerror or error}"
    _without_cache(problem)
    return None


def _candidates(numba_cache_dir: str | None) -> list[Path]:
    if numba_cache_dir:
        return [Path(numba_cache_dir)]
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return [Path(local) / "minigrad"] if local else []
    places = []
    if os.environ.get("XDG_CACHE_HOME"):
        places.append(Path(os.environ["XDG_CACHE_HOME"]) / "minigrad")
    try:
        home = Path.home()
    except RuntimeError:
        return places
    apple = sys.platform == "darwin"
    return [*places, home / ("Library/Caches" if apple else ".cache") / "minigrad"]


def _without_cache(problem: str) -> None:
    global _told
    if not _told:
        _told = True
        warnings.warn(
            f"minigrad: compiled kernels cannot be kept ({problem}), so every process compiles"
            " them anew. Set NUMBA_CACHE_DIR to a folder that can be written.",
            RuntimeWarning,
            stacklevel=2,
        )


@lru_cache(maxsize=1)
def _stamp() -> str:
    """Hash of everything that a compiled kernel depends on."""
    import llvmlite
    import llvmlite.binding
    import numba
    import numpy

    parts = [
        *(sys.implementation.cache_tag or "", platform.machine(), numba.__version__),
        *(llvmlite.__version__, numpy.__version__, llvmlite.binding.get_host_cpu_name()),
        llvmlite.binding.get_host_cpu_features().flatten(),
        *(os.environ.get(f"NUMBA_{k}", "") for k in ("CPU_NAME", "CPU_FEATURES", "OPT")),
    ]
    digest = hashlib.sha256("\n".join(parts).encode())
    for name, source in sorted(_sources()):
        digest.update(name.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()[:20]


def _sources() -> list[tuple[str, bytes]]:
    """Every module of this package, also when it is imported from a zip file."""
    from importlib.resources import files

    package = files("minigrad.kernels")
    return [(f.name, f.read_bytes()) for f in package.iterdir() if f.name.endswith(".py")]
