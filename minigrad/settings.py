"""What PyTorch scripts set or ask for once, and little hangs on here: accepted, and explained."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .convert import array_of, as_tensor
from .tensor import Tensor, wrap
from .values import CPU, device

__all__ = [
    "BoolTensor", "ByteTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
    "LongTensor", "ShortTensor", "are_deterministic_algorithms_enabled", "asarray", "compile",
    "e", "from_dlpack", "get_default_device", "get_float32_matmul_precision",
    "get_num_interop_threads", "inf", "nan", "newaxis", "pi", "set_default_device",
    "set_default_tensor_type", "set_float32_matmul_precision", "set_flush_denormal",
    "set_num_interop_threads", "use_deterministic_algorithms",
]

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi


def compile(model: Any = None, **options: Any) -> Any:
    """`model` (a module or function) as it is: kernels are compiled one by one already."""
    return model if model is not None else (lambda model: model)


def use_deterministic_algorithms(mode: Any, *, warn_only: Any = False) -> None:
    """Accepted for PyTorch's scripts: results here are always deterministic."""


def are_deterministic_algorithms_enabled() -> bool:
    """Always True."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted for PyTorch's scripts: float32 products are always computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(
            "set_float32_matmul_precision: must be 'highest', 'high' or 'medium'; got "
            f"{precision!r}."
        )


def get_float32_matmul_precision() -> str:
    """Always 'highest'."""
    return "highest"


def set_flush_denormal(mode: bool) -> bool:
    """Always False: denormal numbers are kept."""
    return False


def set_num_interop_threads(num_threads: int) -> None:
    """Accepted for PyTorch's scripts: ops run one after the other. See `set_num_threads`."""


def get_num_interop_threads() -> int:
    """Always 1."""
    return 1


def set_default_device(where: Any) -> None:
    """An error for any device but the CPU."""
    if where is not None:
        device(where)


def get_default_device() -> device:
    """Always `cpu`."""
    return CPU


def set_default_tensor_type(t: Any) -> None:
    """The old spelling of `set_default_dtype`: a type such as FloatTensor, or its name."""
    name = t if isinstance(t, str) else t.__name__
    wanted = {"FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64}
    found = wanted.get(name.split(".")[-1])
    if found is None or "cuda" in name:
        raise TypeError(
            f"set_default_tensor_type: must be FloatTensor or DoubleTensor; got {name!r}. Use "
            "minigrad.set_default_dtype(minigrad.float32)."
        )
    dtypes.set_default_dtype(found)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """`obj` as a tensor that shares its memory if it can, or never (copy=True)."""
    out = as_tensor(obj, dtype=dtype, device=device)
    return out.clone() if copy else out


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with another library's."""
    return wrap(np.from_dlpack(ext_tensor))


def _typed(name: str, dtype: np.dtype[Any]) -> Callable[..., Tensor]:
    def make(*data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return wrap(array_of(data[0], dtype))
        return wrap(np.empty(data or (0,), dtype))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A {dtype} tensor from a sequence, or of sizes; better minigrad.tensor(data)."
    return make


FloatTensor = _typed("FloatTensor", dtypes.float32)
DoubleTensor = _typed("DoubleTensor", dtypes.float64)
HalfTensor = _typed("HalfTensor", dtypes.float16)
LongTensor = _typed("LongTensor", dtypes.int64)
IntTensor = _typed("IntTensor", dtypes.int32)
ShortTensor = _typed("ShortTensor", dtypes.int16)
ByteTensor = _typed("ByteTensor", dtypes.uint8)
BoolTensor = _typed("BoolTensor", dtypes.bool_)
