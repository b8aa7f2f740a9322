"""A failing sample made small enough to read, and printed as code. No check lives here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .checks import Arguments

__all__ = ["code", "smallest"]

Sample = tuple[tuple[Any, ...], dict[str, Any]]
TRIES = 60


def smallest(sample: Sample, fails: Callable[[Sample], bool]) -> Sample:
    """A sample with shorter dims and rounder numbers for which `fails` still holds.

    A dim may have to shrink in several arrays at once (channels of an image and of its filter), so
    all dims of one size go first, then each alone. At most 60 tries.
    """
    given = Arguments(*sample)
    arrays, left = given.arrays, TRIES
    for propose in (_shorter, _rounder):
        found = True
        while found and left > 0:
            found = False
            for candidate in propose(arrays):
                left -= 1
                if left < 0:
                    break
                if fails(given.fill([a.copy() for a in candidate])):
                    arrays, found = candidate, True
                    break
    return given.fill(arrays)


def _shorter(arrays: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    sizes = sorted({s for a in arrays for s in a.shape if s > 1}, reverse=True)
    for size in sizes:
        for keep in sorted({1, size // 2, size - 1}):
            yield [_cut(a, size, keep) for a in arrays]
    for i, a in enumerate(arrays):
        for d, size in enumerate(a.shape):
            if size > 1 and len(arrays) > 1:
                for keep in sorted({1, size - 1}):
                    part = np.ascontiguousarray(a[(slice(None),) * d + (slice(keep),)])
                    yield [part if k == i else b for k, b in enumerate(arrays)]


def _cut(a: np.ndarray, size: int, keep: int) -> np.ndarray:
    """`a` with `keep` elements in every dim that has `size`."""
    return a[tuple(slice(keep) if s == size else slice(None) for s in a.shape)].copy()


def _rounder(arrays: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    floats = [a.dtype.kind == "f" for a in arrays]
    for places in (0, 1, 2):
        new = [a.round(places) + 0.0 if f else a for a, f in zip(arrays, floats)]
        if all(np.array_equal(a, a.round(2)) for a, f in zip(arrays, floats) if f) and places:
            return
        if any(not np.array_equal(a, b) for a, b in zip(arrays, new)):
            yield new


def code(fn: Callable[..., Any], sample: Sample, case: Any) -> str:
    """Python that runs the check on this sample again."""
    name = getattr(fn, "__name__", "op")
    args, kwargs = sample
    lines = ["import numpy as np", "from minigrad.testing import check_op", ""]
    inside = ", ".join(_text(a) for a in args) + ("," if len(args) == 1 else "")
    named = ", ".join(f"{k!r}: {_text(v)}" for k, v in kwargs.items())
    options = f", order={case.order}" if case.order != 2 else ""
    options += f", constants={case.constants}" if case.constants else ""
    options += ", random=True" if case.random else ""
    lines += [f"check_op({name}, [(({inside}), {{{named}}})]{options})"]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        kind = "" if value.dtype in (np.float64, np.int64) else f", dtype=np.{value.dtype}"
        kind = ", dtype=bool" if value.dtype == np.bool_ else kind
        if value.size == 0:
            return f"np.zeros({value.shape}{kind})"
        return f"np.array({value.tolist()!r}{kind})"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_text(v) for v in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)
