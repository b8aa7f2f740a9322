"""Variable, which every Tensor is since PyTorch 0.4; old scripts still say it."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor

__all__ = ["Variable"]


class _IsTensor(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_IsTensor):
    """Variable(tensor, requires_grad=False): the tensor without its graph. Prefer the tensor."""

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
        """A Tensor that shares the memory of `data`."""
        source = data if isinstance(data, Tensor) else Tensor(data)
        return source.detach().requires_grad_(requires_grad)
