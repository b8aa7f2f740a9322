"""Layers of weighted sums over features: Linear, Bilinear, and Identity beside them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes, values
from ..complaints import explained
from ..ops.linalg import bilinear
from ..tensor import Tensor, wrap
from . import functional as F
from . import init
from ._checks import size
from .module import Module
from .parameter import Parameter

__all__ = ["Bilinear", "Identity", "Linear", "empty_parameter"]


def empty_parameter(*shape: int, dtype: Any = None, device: Any = None) -> Parameter:
    """A parameter whose values are still to be set by the layer's `reset_parameters`."""
    if device is not None:
        values.device(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.to_dtype(dtype)
    try:
        return Parameter(wrap(np.empty(shape, kind)))
    except (MemoryError, ValueError, OverflowError) as error:
        raise explained("Parameter", error, [("shape", shape), ("dtype", kind)]) from error


class Identity(Module):
    """Returns its input. Takes any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """`input` itself."""
        return input


class Linear(Module):
    """y = x · weightᵀ + bias over the last dim. See `functional.linear`.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last dim of x and y.

    Attributes
    ----------
    weight : (out_features, in_features) ~ U(−k, k), k = 1/√in_features
    bias : (out_features,) ~ U(−k, k), or None
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = size("Linear", "in_features", in_features, 0)
        self.out_features = size("Linear", "out_features", out_features, 0)
        self.weight = empty_parameter(out_features, in_features, dtype=dtype, device=device)
        if bias:
            self.bias = empty_parameter(self.out_features, dtype=dtype, device=device)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            k = 1 / math.sqrt(max(self.in_features, 1))
            init.uniform_(self.bias, -k, k)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y[o] = Σ_ij x1[i] · weight[o, i, j] · x2[j] + bias[o] over the last dims.

    Attributes
    ----------
    weight : (out_features, in1_features, in2_features) ~ U(−k, k), k = 1/√in1_features
    bias : (out_features,) ~ U(−k, k), or None
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = size("Bilinear", "in1_features", in1_features)
        self.in2_features = size("Bilinear", "in2_features", in2_features)
        self.out_features = size("Bilinear", "out_features", out_features)
        self.weight = empty_parameter(
            out_features, in1_features, in2_features, dtype=dtype, device=device
        )
        if bias:
            self.bias = empty_parameter(out_features, dtype=dtype, device=device)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        k = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -k, k)
        if self.bias is not None:
            init.uniform_(self.bias, -k, k)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(..., in1_features) and (..., in2_features) -> (..., out_features)."""
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
