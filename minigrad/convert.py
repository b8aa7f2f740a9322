"""Data in: Python numbers, sequences and ndarrays become Tensors. Creation by size is in ops."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from . import dtypes, values
from .tensor import Tensor, wrap

__all__ = ["array_of", "as_tensor", "from_numpy", "is_tensor", "tensor"]


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def _refuse(what: str, data: Any) -> NoReturn:
    raise TypeError(
        f"{what}: data must be a number, nested sequences of numbers, an ndarray or a Tensor; "
        f"got {type(data).__name__}."
    )


def array_of(data: Any, dtype: Any, copy: bool = True) -> np.ndarray:
    """What the user typed as an ndarray of a supported dtype."""
    if dtype is not None:
        dtype = dtypes.to_dtype(dtype)
    if isinstance(data, Tensor):
        data = data.numpy(force=True)
    from_array = isinstance(data, (np.ndarray, np.generic)) or hasattr(data, "__array_interface__")
    if not from_array:
        if isinstance(data, (str, bytes, dict, set)) or data is None:
            _refuse("tensor", data)
        data = _unwrap_nested(data)
    try:
        array = np.array(data, dtype=dtype, copy=True if copy else None)
    except (ValueError, TypeError, OverflowError) as e:
        raise type(e)(f"tensor: rows must have equal lengths and hold numbers; {e}.") from None
    if array.dtype.kind not in "fiub":
        _refuse("tensor", data if array.ndim == 0 else array.flat[0] if array.size else data)
    if dtype is None:
        if from_array:
            array = array.astype(dtypes.to_dtype(array.dtype), copy=False)
        elif array.dtype.kind == "f":
            array = array.astype(_dtype_of_leaves(data), copy=False)
        elif array.dtype.kind in "iu":
            array = array.astype(dtypes.int64, copy=False)
    return array


def _unwrap_nested(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple, Tensor)):
        return [_unwrap_nested(d) for d in data]
    return data


def _dtype_of_leaves(data: Any) -> Any:
    """What nested sequences with floats become: if they begin with an array, arrays' dtypes count.

    Python numbers among arrays count as the default float does.
    """
    first, default = data, dtypes.get_default_dtype()
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if not isinstance(first, np.ndarray):
        return default
    found, rest = dtypes.to_dtype(first.dtype), [data]
    while rest:
        item = rest.pop()
        if isinstance(item, (list, tuple)):
            rest.extend(item)
        else:
            leaf = item.dtype if isinstance(item, np.ndarray) else dtypes.default_for(item)
            found = dtypes.promote_types(found, leaf)
    return found


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new leaf holding a copy of `data`: a number, nested sequences, an ndarray or a Tensor.

    Python floats become the default dtype, ints int64; arrays keep their dtype.
    """
    if device is not None:
        values.device(device)
    out = wrap(array_of(data, dtype))
    if requires_grad:
        out.requires_grad = True
    return out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor, sharing memory where it can."""
    if isinstance(data, Tensor) and (dtype is None or data.dtype == dtypes.to_dtype(dtype)):
        return data
    if isinstance(data, Tensor):
        return data.to(dtype)
    return wrap(array_of(data, dtype, copy=False))


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A Tensor that shares memory with `ndarray`: changing one changes the other."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(
            f"from_numpy: expected an ndarray; got {type(ndarray).__name__}. Use tensor()."
        )
    if dtypes.to_dtype(ndarray.dtype) != ndarray.dtype:
        raise TypeError("from_numpy: the array's byte order is not this machine's. Use tensor().")
    return wrap(ndarray)
