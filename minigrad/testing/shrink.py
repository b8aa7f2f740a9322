"""A failing sample made small enough to read, and printed as code. No check lives here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..contract import line_of
from .cases import Case
from .checks import Arguments

__all__ = ["code", "name_of", "smallest"]

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


def name_of(fn: Callable[..., Any]) -> str:
    """What a function is called in a report: mul, Scale.apply, Linear for an instance of it."""
    owner = getattr(fn, "__self__", None)
    name = str(getattr(fn, "__name__", type(fn).__name__))
    return f"{owner.__name__}.{name}" if isinstance(owner, type) else name


def code(fn: Callable[..., Any], sample: Sample, case: Any) -> str:
    """Python that runs the check on this sample again, with imports where there is a module."""
    name, *lines = _source(fn, "op")
    args, kwargs = sample
    inside = ", ".join(_text(a) for a in args) + ("," if len(args) == 1 else "")
    named = ", ".join(f"{k!r}: {_text(v)}" for k, v in kwargs.items())
    if "nan" in inside or "inf" in inside:
        lines.append("from numpy import inf, nan")
    options = ""
    if case.oracle is not None:
        reference, *more = _source(case.oracle, "reference")
        lines += [line for line in more if line not in lines]
        options += f", reference={reference}"
    for option in ("grad", "order", "linear", "exact", "dtypes", "constants", "random"):
        if (value := getattr(case, option)) != getattr(Case, option):
            options += f", {option}={value!r}"
    options += "" if case.keeps_dtype else ", keeps_dtype=False"
    lines = ["import numpy as np", "from minigrad.testing import check_op", *lines, ""]
    return "\n".join([*lines, f"check_op({name}, [(({inside}), {{{named}}})]{options})"])


def _source(fn: Callable[..., Any], otherwise: str) -> tuple[str, str]:
    """What to call a function in pasted code, and the line that makes it known there."""
    first, dot, last = name_of(fn).partition(".")
    held: Any = fn.__self__ if dot else fn  # type: ignore[attr-defined]
    method = dot + last
    module = str(getattr(held, "__module__", ""))
    name = str(getattr(held, "__name__", ""))
    known = vars(sys.modules[module]) if module in sys.modules else {}
    if known.get(name) is not held:
        name = next((k for k, v in known.items() if v is held and k.isidentifier()), "")
    if name and module != "__main__":
        return name + method, f"from {module} import {name}"
    if name:
        script = getattr(sys.modules[module], "__file__", None)
        return name + method, f"# Paste this below {name}{f' in {script}' if script else ''}."
    name = first if first.isidentifier() and hasattr(fn, "__name__") else otherwise
    place = line_of(fn)
    made = f" ({place})" if place.partition(":")[0].endswith(".py") else ""
    return name + method, f"# {name} is in no module{made}: paste this where it is at hand."


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
