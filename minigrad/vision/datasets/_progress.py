"""A progress bar for downloads: tqdm's or rich's if one is installed, a plain line otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """On stderr. Yields a function that takes the number of bytes that came in."""
    try:
        from tqdm import tqdm
    except ImportError:
        pass
    else:
        with tqdm(total=total, desc=label, unit="B", unit_scale=True, leave=False) as bar:
            yield lambda n: bar.update(n) and None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        with _plain_line(label, total) as advance:
            yield advance
        return
    with Progress(console=Console(stderr=True), transient=True) as rich_bar:
        task = rich_bar.add_task(label, total=total)
        yield lambda n: rich_bar.advance(task, n)


@contextmanager
def _plain_line(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    done, shown = 0, 0.0

    def advance(n: int) -> None:
        nonlocal done, shown
        done += n
        now = time.monotonic()
        if now - shown > 0.5 and sys.stderr is not None:
            shown = now
            part = f" of {total / 1e6:.1f}" if total else ""
            print(f"\r{label}: {done / 1e6:.1f}{part} MB", end="", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        if shown and sys.stderr is not None:
            print(file=sys.stderr)
