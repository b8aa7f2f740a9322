"""A nested object as a JSON tree and a dict of arrays, and back. No file is touched here.

JSON's own values stand for themselves. Everything else is an object with one tag: {"tensor": name},
{"tuple": [...]}, {"dict": [[key, value], ...]}, ...
"""

from __future__ import annotations

import base64
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .tensor import Tensor, wrap
from .values import Size, device

__all__ = ["Reader", "Writer"]


class Writer:
    """Takes `obj` apart into `tree` and `arrays`, named by their path, such as model.fc.bias."""

    def __init__(self, obj: Any) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._stored: dict[Any, str] = {}  # which region of memory has which name
        self._open: set[int] = set()  # containers that we are inside of
        self._share = not _is_flat(obj)
        self.tree = self._write(obj, ())

    def _write(self, x: Any, path: tuple[Any, ...]) -> Any:
        if x is None or isinstance(x, bool):
            return x
        if isinstance(x, (np.generic, np.dtype, Size, device)):
            return self._write_special(x, path)
        if isinstance(x, str):
            return str(x)
        if isinstance(x, int):
            return int(x)
        if isinstance(x, float):
            return float(x) if math.isfinite(x) else {"float": repr(float(x))}
        if isinstance(x, Tensor):
            return self._write_tensor(x, path)
        if isinstance(x, np.ndarray):
            return {"array": self._store(x, path)}
        if isinstance(x, bytes):
            return {"bytes": base64.b64encode(x).decode("ascii")}
        containers = (Mapping, list, tuple, set, frozenset)
        if isinstance(x, containers) and not hasattr(x, "_fields"):
            return self._write_container(x, path)
        self._refuse(x, path)

    def _write_special(self, x: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(x, np.generic):
            if x.dtype.kind == "U":
                return str(x)
            if x.dtype.kind not in "fiub":
                self._refuse(x, path)
            return {"scalar": [str(x.dtype), self._write(x.item(), path)]}
        if isinstance(x, np.dtype):
            return {"dtype": str(x)}
        return {"size": [int(n) for n in x]} if isinstance(x, Size) else {"device": str(x)}

    def _write_tensor(self, x: Tensor, path: tuple[Any, ...]) -> Any:
        from .nn.parameter import Parameter

        out: dict[str, Any] = {"tensor": self._store(x._data, path)}
        if isinstance(x, Parameter):
            out = {"parameter": out["tensor"]}
        if x._rg and x._node is None:
            out["grad"] = True
        return out

    def _write_container(self, x: Any, path: tuple[Any, ...]) -> Any:
        if id(x) in self._open:
            raise ValueError(f"save: {_show(path)} contains itself. Save plain, tree-like data.")
        self._open.add(id(x))
        try:
            if isinstance(x, Mapping):
                tag = "ordered" if isinstance(x, OrderedDict) else "dict"
                return {tag: [
                    [self._write_key(k, path), self._write(v, (*path, k))] for k, v in x.items()
                ]}
            parts = [self._write(v, (*path, i)) for i, v in enumerate(x)]
            if isinstance(x, list):
                return parts
            if isinstance(x, tuple):
                return {"tuple": parts}
            return {"set" if isinstance(x, set) else "frozenset": sorted(parts, key=repr)}
        finally:
            self._open.discard(id(x))

    def _write_key(self, key: Any, path: tuple[Any, ...]) -> Any:
        if not isinstance(key, (str, int, float, bool, bytes, tuple, type(None), np.generic)):
            raise TypeError(
                f"save: the keys of dicts must be plain values; got a {type(key).__name__} as a "
                f"key in {_show(path)}. Save the state_dict(), whose keys are names or numbers."
            )
        return self._write(key, path)

    def _store(self, array: np.ndarray, path: tuple[Any, ...]) -> str:
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise TypeError(
                f"save: {_show(path)} must be an array of numbers; got dtype {array.dtype}. "
                "Convert it, or save it as a list."
            )
        region: Any = None
        if self._share and array.size:
            where = array.__array_interface__["data"][0]
            region = (where, array.shape, array.strides, array.dtype)
            if region in self._stored:
                return self._stored[region]
        name = base = ".".join(map(str, path)) or "value"
        n = 1
        while name in self.arrays or name == "__metadata__":
            n += 1
            name = f"{base}#{n}"
        little = array.dtype.newbyteorder("<")
        self.arrays[name] = np.asarray(array, dtype=little, order="C")
        if region is not None:
            self._stored[region] = name
        return name

    def _refuse(self, x: Any, path: tuple[Any, ...]) -> Any:
        hint = "Save its plain parts."
        if hasattr(x, "state_dict"):
            hint = "Save its state_dict(), and make the object anew before loading."
        elif hasattr(x, "_fields"):
            hint = "Save tuple(x), or x._asdict()."
        elif callable(x):
            hint = "Code is not saved: files hold data only."
        raise TypeError(
            "save: data can be dicts, lists, tuples, sets, tensors, ndarrays, numbers, strings, "
            f"bytes, bools and None; got {type(x).__name__} at {_show(path)}. {hint}"
        )


class Reader:
    """Puts an object together again from a tree and its arrays."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        self.name = name
        self.arrays = arrays
        self._made: dict[Any, Tensor] = {}

    def read(self, tree: Any) -> Any:
        """The object; ValueError where the tree makes no sense."""
        try:
            return self._read(tree)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ValueError(
                f"load: {self.name} is corrupt: its description does not fit its tensors ({error})."
            ) from error

    def _read(self, x: Any) -> Any:
        if isinstance(x, list):
            return [self._read(v) for v in x]
        if not isinstance(x, dict):
            return x
        tag = next(iter(x))
        value = x[tag]
        if tag in ("tensor", "parameter"):
            return self._read_tensor(tag, value, bool(x.get("grad")))
        if tag == "array":
            return self.arrays[value]
        if tag in ("dict", "ordered"):
            pairs = [(self._read(k), self._read(v)) for k, v in value]
            return dict(pairs) if tag == "dict" else OrderedDict(pairs)
        if tag in ("tuple", "set", "frozenset"):
            make: Callable[[Iterable[Any]], Any] = {
                "tuple": tuple, "set": set, "frozenset": frozenset
            }[tag]
            return make(self._read(v) for v in value)
        if tag == "scalar":
            return np.dtype(value[0]).type(self._read(value[1]))
        simple: dict[str, Callable[[Any], Any]] = {
            "float": float, "bytes": base64.b64decode, "dtype": np.dtype, "size": Size,
            "device": device,
        }
        return simple[tag](value)

    def _read_tensor(self, tag: str, name: str, grad: bool) -> Tensor:
        key = (tag, name, grad)
        if key not in self._made:
            if tag == "parameter":
                from .nn.parameter import Parameter

                self._made[key] = Parameter(wrap(self.arrays[name]), requires_grad=grad)
            else:
                self._made[key] = wrap(self.arrays[name]).requires_grad_(grad)
        return self._made[key]


def _is_flat(obj: Any) -> bool:
    return isinstance(obj, dict) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in obj.items()
    )


def _show(path: tuple[Any, ...]) -> str:
    return "obj" + "".join(f"[{p!r}]" for p in path)
