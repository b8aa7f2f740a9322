"""Pooling to a given size: windows that adapt. Sliding windows are in pool.py."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..kernels import pool as kernels
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import batched, floating, ints, shape_of
from .pool import scatter_plane

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_input_grad",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]

Pair = tuple[int, int]
Sizes = tuple[int, ...]


@op(name="adaptive_max_pool2d", outputs="values indices")
def _adaptive_max_pool2d(input: Array, out_hw: Pair) -> tuple[Array, Array]:
    """Winners and their places in windows that tile the plane."""
    return kernels.adaptive_max_pool2d(input, out_hw)


_adaptive_max_pool2d.gradient(
    "input", lambda g, indices, input_shape: scatter_plane(g, indices, input_shape[2:])
)


@op(name="adaptive_avg_pool2d")
def _adaptive_avg_pool2d(input: Array, out_hw: Pair) -> Array:
    """Means of windows that tile the plane."""
    return kernels.adaptive_avg_pool2d(input, out_hw)


@op
def adaptive_avg_pool2d_input_grad(grad: Array, hw: Pair) -> Array:
    """Adjoint of `adaptive_avg_pool2d`: (N, C, OH, OW) -> (N, C, *hw)."""
    return kernels.adaptive_avg_pool2d_input_grad(grad, hw)


_adaptive_avg_pool2d.gradient(
    "input", lambda g, input_shape: adaptive_avg_pool2d_input_grad(g, input_shape[2:])
)
adaptive_avg_pool2d_input_grad.gradient(
    "grad", lambda g, grad_shape: _adaptive_avg_pool2d(g, grad_shape[2:])
)


@composite
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Average over windows chosen so that the result has the given size.

    Window i covers rows floor(i·H/OH) to ceil((i+1)·H/OH).

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    output_size : int or (int or None, int or None)
        (OH, OW); None keeps the input's size.

    Returns
    -------
    (N, C, OH, OW) or (C, OH, OW) float
    """
    x, alone, out = _adaptive("adaptive_avg_pool2d", input, output_size, 2)
    y = _adaptive_avg_pool2d(x, out)
    return y.squeeze(0) if alone else y


@composite
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Average over windows chosen so that the result has the given length.

    Parameters
    ----------
    input : (N, C, L) or (C, L) float
    output_size : int

    Returns
    -------
    (N, C, output_size) or (C, output_size) float
    """
    x, alone, out = _adaptive("adaptive_avg_pool1d", input, output_size, 1)
    y = _adaptive_avg_pool2d(x, out).squeeze(2)
    return y.squeeze(0) if alone else y


@composite
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows chosen so that the result has the given size.

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    output_size : int or (int or None, int or None)
        (OH, OW); None keeps the input's size.
    return_indices : bool
        Return as well where the winners stand: flat places h·W + w in their planes, int64.

    Returns
    -------
    (N, C, OH, OW) or (C, OH, OW) float; or a pair of it and the places
    """
    x, alone, out = _adaptive("adaptive_max_pool2d", input, output_size, 2)
    both = _adaptive_max_pool2d(x, out)
    if alone:
        both = tuple(t.squeeze(0) for t in both)
    return both if return_indices else both[0]


@composite
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows chosen so that the result has the given length.

    Parameters
    ----------
    input : (N, C, L) or (C, L) float
    output_size : int
    return_indices : bool
        Return as well where the winners stand, int64.

    Returns
    -------
    (N, C, output_size) or (C, output_size) float; or a pair of it and the places
    """
    x, alone, out = _adaptive("adaptive_max_pool1d", input, output_size, 1)
    both = tuple(t.squeeze(2) for t in _adaptive_max_pool2d(x, out))
    if alone:
        both = tuple(t.squeeze(0) for t in both)
    return both if return_indices else both[0]


def _adaptive(op: str, input: Any, output_size: Any, n: int) -> tuple[Tensor, bool, Sizes]:
    """Batch of planes, whether it was one sample, and the size of the result."""
    x, alone = batched(op, input, "NCHW" if n == 2 else "NCL")
    floating(op, input=x)
    if 0 in shape_of(x)[2 if "avg" in op else 1 :]:
        raise ShapeError(f"{op}: only the batch may be empty; got input {shape_of(x)}.")
    hw = shape_of(x)[2:]
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != n:
            raise ShapeError(
                f"{op}: output_size must be an int or {n} of them; got output_size {output_size}."
            )
        output_size = tuple(h if o is None else o for h, o in zip(hw, output_size))
    out = ints(op, "output_size", output_size, n, 0)
    return (x, alone, out) if n == 2 else (x.unsqueeze(2), alone, (1, *out))
