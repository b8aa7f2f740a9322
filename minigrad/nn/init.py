"""Ways to fill a tensor before training, in place. Which layer uses which stands in the layer."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..complaints import taught
from ..engine import no_grad
from ..errors import ShapeError
from ..inplace import bump
from ..tensor import Tensor, wrap

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_",
    "normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_",
    "xavier_uniform_", "zeros_",
]

_GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


@taught
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much to scale weights so that the nonlinearity keeps the size of signals.

    1 for linear, conv and sigmoid, 5/3 for tanh, √2 for relu, √(2 / (1 + param²)) for leaky_relu
    (`param` its slope, 0.01 if not given), 3/4 for selu.
    """
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"calculate_gain: negative_slope must be a number; got {param!r}.")
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity in ("linear", "sigmoid") or nonlinearity.startswith("conv"):
        return 1
    raise ValueError(
        f"calculate_gain: unsupported nonlinearity {nonlinearity!r}. Use linear, conv2d, sigmoid, "
        "tanh, relu, leaky_relu or selu."
    )


@taught
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with draws from U(a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


@taught
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with draws from N(mean, std²)."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


@taught
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fill with draws from N(mean, std²) that lie in [a, b]; others are drawn again.

    `a` and `b` are values, not multiples of `std`.
    """
    if not a < b:
        raise ValueError(f"trunc_normal_: a must be less than b; got a {a}, b {b}.")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "trunc_normal_: mean is more than 2 std from [a, b]; hardly any draw lies inside, so "
            "the values may be wrong.", stacklevel=2,
        )
    values = np.empty(tensor.numel())
    todo = np.arange(values.size)
    for _ in range(1000):
        if not todo.size:
            break
        draws = wrap(np.empty(max(2 * todo.size, 16)))
        inside = normal_(draws, mean, std, generator)._data
        inside = inside[(inside >= a) & (inside <= b)][: todo.size]
        values[todo[: inside.size]] = inside
        todo = todo[inside.size:]
    values[todo] = np.clip(mean, a, b)
    return _fill(tensor, values.reshape(tensor.shape), "trunc_normal_")


@taught
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with `val`."""
    return _fill(tensor, val, "constant_")


@taught
def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return _fill(tensor, 1, "ones_")


@taught
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return _fill(tensor, 0, "zeros_")


@taught
def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity, as far as it is square."""
    _need("eye_", tensor, (2,))
    return _fill(tensor, np.eye(*tensor.shape), "eye_")


@taught
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a conv weight pass its input channels through, as many as there are filters per group.

    Parameters
    ----------
    tensor : (F, C/groups, K), (F, C/groups, KH, KW) or with three window dims
    """
    _need("dirac_", tensor, (3, 4, 5))
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(
            f"dirac_: dim 0 must be divisible by groups; got shape {tuple(tensor.shape)}, "
            f"groups {groups}."
        )
    values = np.zeros(tensor.shape)
    per_group = tensor.shape[0] // groups
    middle = tuple(k // 2 for k in tensor.shape[2:])
    for g in range(groups):
        for c in range(min(per_group, tensor.shape[1])):
            values[(g * per_group + c, c, *middle)] = 1
    return _fill(tensor, values, "dirac_")


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """How many inputs feed one output of the weight, and how many outputs one input feeds."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"{name}: the tensor must have at least 2 dims (outputs, inputs, ...); got shape "
            f"{tuple(tensor.shape)}. For a bias use zeros_ or uniform_."
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: what each output sees, and how many see each input."""
    return _fans("_calculate_fan_in_and_fan_out", tensor)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """The one of the two that `mode` ('fan_in' or 'fan_out') names."""
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


@taught
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with U(−a, a), a = gain · √(6 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 16."""
    bound = gain * math.sqrt(6 / max(sum(_fans("xavier_uniform_", tensor)), 1))
    return uniform_(tensor, -bound, bound, generator)


@taught
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with N(0, s²), s = gain · √(2 / (fan_in + fan_out)). Glorot & Bengio 2010."""
    std = gain * math.sqrt(2 / max(sum(_fans("xavier_normal_", tensor)), 1))
    return normal_(tensor, 0, std, generator)


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode must be 'fan_in' or 'fan_out'; got {mode!r}.")
    fan = _fans(name, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


@taught
def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill with U(−b, b), b = gain · √(3 / fan). He et al. 2015, section 2.2.

    Parameters
    ----------
    a : float
        Slope of the leaky_relu that follows.
    mode : 'fan_in' or 'fan_out'
        Keep the size of signals forward, or of gradients backward.
    """
    std = _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound, generator)


@taught
def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill with N(0, s²), s = gain / √fan. Arguments as for `kaiming_uniform_`."""
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0, std, generator)


@taught
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with a random matrix whose rows (or columns, if fewer) are orthonormal, times `gain`.

    Dims after the first are taken together. Saxe et al. 2014.
    """
    if tensor.ndim < 2:
        raise ShapeError(
            f"orthogonal_: the tensor must have at least 2 dims; got shape {tuple(tensor.shape)}."
        )
    if not tensor.numel():
        return tensor
    rows, cols = tensor.shape[0], tensor.numel() // tensor.shape[0]
    draws = normal_(wrap(np.empty((rows, cols))), generator=generator)._data
    q, r = np.linalg.qr(draws.T if rows < cols else draws)
    q = q * np.sign(np.diag(r))  # without the signs the distribution is not uniform
    q = q.T if rows < cols else q
    return _fill(tensor, gain * q.reshape(tensor.shape), "orthogonal_")


@taught
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix with N(0, std²) and a part `sparsity` of each column with 0. Martens 2010."""
    _need("sparse_", tensor, (2,))
    if not 0 <= sparsity <= 1:
        raise ShapeError(f"sparse_: sparsity must be between 0 and 1; got sparsity {sparsity!r}.")
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0, std, generator)
    order = uniform_(wrap(np.empty((rows, cols))), generator=generator)._data.argsort(axis=0)
    values = tensor._data.copy()
    np.put_along_axis(values, order[:zeros], 0, axis=0)
    return _fill(tensor, values, "sparse_")


def _need(name: str, tensor: Tensor, ndims: tuple[int, ...]) -> None:
    if tensor.ndim not in ndims:
        many = " or ".join(str(n) for n in ndims)
        raise ShapeError(
            f"{name}: the tensor must have {many} dims; got shape {tuple(tensor.shape)}."
        )


def _fill(tensor: Tensor, values: Any, name: str) -> Tensor:
    tensor._data[...] = values
    with no_grad():
        bump(tensor, name)
    return tensor
