"""What stands beside pooling: power means, and the way back from a maximum to its place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import batched, floating, ints, shape_of
from .pool import avg_pool1d, avg_pool2d, gather_plane

__all__ = ["lp_pool1d", "lp_pool2d", "max_unpool2d"]

Pair = tuple[int, int]
Sizes = tuple[int, ...]


@composite
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Power mean without the division: (sum over the window of x^p)^(1/p), p = norm_type.

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    kernel_size, stride, ceil_mode
        As in `avg_pool2d`.

    Returns
    -------
    (N, C, OH, OW) or (C, OH, OW) float
    """
    kh, kw = ints("lp_pool2d", "kernel_size", kernel_size, 2, 1)
    mean = avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, kh * kw, norm_type)


@composite
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """`lp_pool2d` of signals.

    Parameters
    ----------
    input : (N, C, L) or (C, L) float

    Returns
    -------
    (N, C, OL) or (C, OL) float
    """
    (k,) = ints("lp_pool1d", "kernel_size", kernel_size, 1, 1)
    mean = avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, k, norm_type)


def _root(mean: Tensor, count: int, p: float) -> Tensor:
    return (mean.sign() * mean.abs() * count).pow(1.0 / p)


@op(name="max_unpool2d")
def _unpool(input: Array, indices: Array, hw: Sizes) -> Array:
    """Zeros but for the given places; of two writers to one place the last wins."""
    n, c = input.shape[:2]
    y = np.zeros((n, c, hw[0] * hw[1]), input.dtype)
    np.put_along_axis(y, indices.reshape(n, c, -1), input.reshape(n, c, -1), axis=2)
    return y.reshape(n, c, *hw)


_unpool.gradient("input", lambda g, indices: gather_plane(g, indices))


@composite
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the winners of `max_pool2d` back to where they stood, with zeros elsewhere.

    Parameters
    ----------
    input, indices : (N, C, H, W) or (C, H, W)
        What `max_pool2d(..., return_indices=True)` returned.
    kernel_size, stride, padding
        Those of the pooling.
    output_size : sequence of int
        Size of what was pooled, where more than one is possible.

    Raises
    ------
    IndexError
        A place is outside of the result.
    """
    x, alone = batched("max_unpool2d", input, "NCHW")
    floating("max_unpool2d", input=x)
    if shape_of(indices) != shape_of(input) or indices.dtype != np.int64:
        raise ShapeError(
            f"max_unpool2d: indices must be int64 of the input's shape {shape_of(input)}; got "
            f"{shape_of(indices)} of dtype {indices.dtype}."
        )
    k = ints("max_unpool2d", "kernel_size", kernel_size, 2, 1)
    s = k if stride is None else ints("max_unpool2d", "stride", stride, 2, 1)
    p = ints("max_unpool2d", "padding", padding, 2, 0)
    hw: Sizes = tuple((h - 1) * si - 2 * pi + ki for h, ki, si, pi in zip(x.shape[2:], k, s, p))
    if output_size is not None:
        given = ints("max_unpool2d", "output_size", tuple(output_size)[-2:], 2, 0)
        if any(not d - si < o < d + si for d, o, si in zip(hw, given, s)):
            raise ShapeError(
                f"max_unpool2d: output_size must be within one stride {s} of {hw}; got {given}."
            )
        hw = given
    flat = indices._data
    if flat.size and not 0 <= int(flat.min()) <= int(flat.max()) < hw[0] * hw[1]:
        raise IndexError(
            f"max_unpool2d: indices must be in [0, {hw[0] * hw[1]}) for a plane {hw}; got "
            f"{int(flat.min())} to {int(flat.max())}. Give output_size."
        )
    y = _unpool(x, indices.unsqueeze(0) if alone else indices, hw)
    return y.squeeze(0) if alone else y
