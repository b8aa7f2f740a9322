"""Dtypes by PyTorch's names, and PyTorch's promotion rules. A dtype here is NumPy's own object."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "bool_",
    "can_cast",
    "default_for",
    "dtype",
    "finfo",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_floating",
    "promote_types",
    "result_type",
    "set_default_dtype",
    "to_dtype",
    "uint8",
]

dtype = np.dtype
float16 = np.dtype("float16")
float32 = np.dtype("float32")
float64 = np.dtype("float64")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
bool_ = np.dtype("bool")
iinfo = np.iinfo

SUPPORTED = (float32, float64, int64, bool_, uint8, int32, int16, int8, float16)
_BY_NAME = {str(d): d for d in SUPPORTED} | {
    "float": float32,
    "double": float64,
    "half": float16,
    "long": int64,
    "int": int32,
    "short": int16,
}
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}  # bool < integer < floating
_default = float32


class finfo:
    """The limits of a floating dtype, as Python numbers: bits, eps, max, min, tiny, ..."""

    def __init__(self, type: Any = None) -> None:
        d = get_default_dtype() if type is None else to_dtype(type)
        if d.kind != "f":
            raise TypeError(f"finfo: the dtype must be floating; got {d}. Use iinfo.")
        limits = np.finfo(d)
        self.bits, self.dtype = int(limits.bits), str(d)
        self.eps, self.resolution = float(limits.eps), float(limits.resolution)
        self.max, self.min = float(limits.max), float(limits.min)
        self.tiny = self.smallest_normal = float(limits.tiny)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


def get_default_dtype() -> np.dtype[Any]:
    """Dtype that Python floats become: float32 unless set otherwise."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Make `d` (float32 or float64) the dtype that Python floats become."""
    global _default
    d = to_dtype(d)
    if d.kind != "f":
        raise TypeError(f"set_default_dtype: only floating dtypes can be the default; got {d}.")
    _default = d


def to_dtype(d: Any) -> np.dtype[Any]:
    """`d` as a supported dtype: a dtype, Python's float, int or bool, or a name like 'float32'."""
    if d is float:
        return _default
    if d is int:
        return int64
    found = _BY_NAME.get(d) if isinstance(d, str) else None
    if found is None:
        try:
            named = isinstance(d, (str, type, np.dtype))  # np.dtype() reads any `.dtype` there is
            found = np.dtype(d).newbyteorder("=") if named else None
        except (TypeError, ValueError, SyntaxError):
            found = None
    if d is None or found is None or found not in SUPPORTED:  # np.dtype(None) is float64
        names = ", ".join(str(s) for s in SUPPORTED)
        raise TypeError(
            f"dtype: must be one of {names}; got {d!r}. Convert the data to one of these."
        )
    return found


def is_floating(d: np.dtype[Any]) -> bool:
    """True for float16, float32 and float64."""
    return d.kind == "f"


def default_for(value: Any) -> np.dtype[Any]:
    """Dtype a Python scalar gets when nothing else decides."""
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else _default


def promote_types(a: Any, b: Any) -> np.dtype[Any]:
    """Smallest dtype to which both convert: floats beat integers whatever their width.

    Unlike NumPy, int64 with float32 gives float32.
    """
    a, b = to_dtype(a), to_dtype(b)
    if a == b:
        return a
    ca, cb = _CATEGORY[a.kind], _CATEGORY[b.kind]
    if ca != cb:
        return a if ca > cb else b
    return np.promote_types(a, b)


def can_cast(source: Any, target: Any) -> bool:
    """Whether `source` may be written into `target` in place: never to a lower category."""
    s, t = to_dtype(source), to_dtype(target)
    return _CATEGORY[s.kind] <= _CATEGORY[t.kind]


def result_type(*operands: Any) -> np.dtype[Any]:
    """Dtype in which arrays and Python scalars meet.

    Arrays with dims come first, then 0-dim arrays, then Python scalars; a later group matters
    only if its category (bool < integer < floating) is higher (PyTorch, "Tensor Attributes").
    """
    groups: list[np.dtype[Any] | None] = [None, None, None]
    for v in operands:
        if isinstance(v, (bool, int, float)):
            rank, d = 2, default_for(v)
        else:
            rank, d = (0 if v.ndim else 1), v.dtype
        seen = groups[rank]
        groups[rank] = d if seen is None else promote_types(seen, d)
    best: np.dtype[Any] | None = None
    for group in groups:
        if group is not None and (best is None or _CATEGORY[group.kind] > _CATEGORY[best.kind]):
            best = group
    assert best is not None, "result_type needs an operand"
    return best
