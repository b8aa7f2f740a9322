"""How a Tensor is shown: PyTorch's layout, number for number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .tensor import Tensor

__all__ = ["set_printoptions", "tensor_repr"]


class _Options:
    precision = 4
    threshold: float = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


options = _Options()
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """Change how tensors are shown.

    Parameters
    ----------
    precision : int
        Decimals (default 4).
    threshold : int
        Number of elements above which the middle is left out (default 1000).
    edgeitems : int
        Entries kept at each end of a dim then (default 3).
    linewidth : int
        Characters per line (default 80).
    profile : 'default', 'short' or 'full'
        Sets the four above first.
    sci_mode : bool
        Scientific notation always or never; None lets the numbers decide.
    """
    if profile is not None:
        if profile not in _PROFILES:
            names = ", ".join(map(repr, _PROFILES))
            raise ValueError(f"set_printoptions: profile must be one of {names}; got {profile!r}.")
        for name, value in _PROFILES[profile].items():
            setattr(options, name, value)
    given = {
        "precision": precision, "threshold": threshold, "edgeitems": edgeitems,
        "linewidth": linewidth,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


class _Formatter:
    """One width and notation for all elements that will be shown."""

    def __init__(self, values: np.ndarray) -> None:
        self.floating = values.dtype.kind == "f"
        self.whole, self.scientific, self.width = True, False, 1
        flat = values.reshape(-1)
        if not self.floating:
            self.width = max([len(str(v)) for v in flat.tolist()], default=1)
            return
        wide = flat.astype(np.float64)
        wide = wide[np.isfinite(wide) & (wide != 0)]  # zeros and nan fit in whatever these need
        if not wide.size:
            return
        top, low = np.abs(wide).max(), np.abs(wide).min()
        self.whole = bool((wide == np.ceil(wide)).all())
        self.scientific = bool(top > 1000 * low or top > 1e8 or low < 1e-4)
        if options.sci_mode is not None:
            self.scientific = options.sci_mode
        self.width = max([len(self._text(v)) for v in wide.tolist()])

    def _text(self, value: float) -> str:
        if self.scientific:
            return f"{value:.{options.precision}e}"
        if self.whole:
            text = f"{value:.0f}"
            return text if math.isinf(value) or math.isnan(value) else text + "."
        return f"{value:.{options.precision}f}"

    def __call__(self, value: Any) -> str:
        text = self._text(value) if self.floating else str(value)
        return text.rjust(self.width)


def _shown(a: np.ndarray) -> np.ndarray:
    """The elements that will be shown: `edgeitems` at both ends of each dim."""
    n = options.edgeitems
    for d in range(a.ndim):
        if a.shape[d] > 2 * n:
            a = np.concatenate(
                [a.take(range(n), d), a.take(range(a.shape[d] - n, a.shape[d]), d)], d
            )
    return a


def _rows(a: np.ndarray, indent: int, brief: bool, form: _Formatter) -> str:
    if a.ndim == 0:
        return form(a.item())
    n = options.edgeitems
    cut = brief and a.shape[0] > 2 * n
    if a.ndim == 1:
        texts = [form(v) for v in (a[:n].tolist() if cut else a.tolist())]
        if cut:
            texts += [" ...", *[form(v) for v in a[-n:].tolist()]]
        per_line = max(1, math.floor((options.linewidth - indent) / (form.width + 2)))
        lines = [texts[i : i + per_line] for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join([", ".join(line) for line in lines]) + "]"
    if cut:
        parts = [_rows(a[i], indent + 1, brief, form) for i in range(n)]
        parts.append("...")
        parts += [_rows(a[i], indent + 1, brief, form) for i in range(len(a) - n, len(a))]
    else:
        parts = [_rows(row, indent + 1, brief, form) for row in a]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def tensor_repr(t: Tensor) -> str:
    """`tensor(values, dtype=..., grad_fn=...)`; a Parameter says so itself."""
    a = t._data
    prefix = "tensor("
    indent = len(prefix)
    suffixes = []
    plain = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if a.size == 0:
        if a.ndim != 1:
            suffixes.append(f"size={tuple(a.shape)}")
        if a.dtype != dtypes.get_default_dtype():
            suffixes.append(f"dtype=minigrad.{a.dtype}")
        body = "[]"
    else:
        if a.dtype not in plain:
            suffixes.append(f"dtype=minigrad.{a.dtype}")
        brief = a.size > options.threshold
        body = _rows(a, indent, brief, _Formatter(_shown(a) if brief else a))
    if t.grad_fn is not None:
        suffixes.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    text = prefix + body
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            last = indent + len(suffix)
        else:
            text += ", " + suffix
            last += len(suffix) + 2
    return text + ")"
