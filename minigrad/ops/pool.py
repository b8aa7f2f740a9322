"""Pooling over sliding windows: maximum and average. Windows that adapt are in adaptive_pool.py.

A maximum is a gather: the forward finds who won, and `gather_plane` and its adjoint `scatter_plane`
carry gradients of any order. An average is linear, and has an adjoint of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import ShapeError
from ..kernels import pool as kernels
from ..op import Array, composite, op
from ..tensor import Tensor, wrap
from .arguments import batched, floating, ints, out_size, shape_of

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "gather_plane",
    "max_pool1d",
    "max_pool2d",
    "scatter_plane",
]

Pair = tuple[int, int]
Sizes = tuple[int, ...]


@op
def gather_plane(input: Array, indices: Array) -> Array:
    """y[n,c,i,j] = x[n,c].ravel()[indices[n,c,i,j]], of input (N, C, H, W)."""
    return kernels.gather_plane(input, indices)


@op
def scatter_plane(input: Array, indices: Array, hw: Pair) -> Array:
    """Adjoint of `gather_plane`: elements are added up where they came from, in (N, C, *hw)."""
    return kernels.scatter_plane(input, indices, hw)


gather_plane.gradient(
    "input", lambda g, indices, input_shape: scatter_plane(g, indices, input_shape[2:])
)
scatter_plane.gradient("input", lambda g, indices: gather_plane(g, indices))


@op(name="max_pool2d", byproducts="tap")
def _max_pool2d(
    input: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_hw: Pair
) -> tuple[Array, Array]:
    """Winners of a batch, with settings as pairs of ints; which taps they are is kept."""
    return kernels.max_pool2d(input, kernel, stride, padding, dilation, out_hw)


@op
def max_pool2d_input_grad(
    grad: Array, tap: Any, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Adjoint of picking the taps: (N, C, OH, OW) -> (N, C, *hw)."""
    return kernels.max_pool2d_input_grad(grad, tap, hw, kernel, stride, padding, dilation)


@_max_pool2d.gradient("input")
def _(g: Tensor, tap: Any, input_shape: Sizes, kernel: Pair, stride: Pair, padding: Pair,
      dilation: Pair) -> Tensor:  # fmt: skip
    return max_pool2d_input_grad(g, tap, input_shape[2:], kernel, stride, padding, dilation)


@max_pool2d_input_grad.gradient("grad")
def _(g: Tensor, tap: Any, hw: Pair, kernel: Pair, stride: Pair, padding: Pair,
      dilation: Pair) -> Tensor:  # fmt: skip
    return gather_plane(g, wrap(kernels.places(tap, hw[1], kernel, stride, padding, dilation)))


@op(name="max_pool2d_with_indices", outputs="values indices")
def _max_pool2d_with_indices(
    input: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_hw: Pair
) -> tuple[Array, Array]:
    """Winners and their places, of a batch."""
    y, tap = kernels.max_pool2d(input, kernel, stride, padding, dilation, out_hw)
    return y, kernels.places(tap, input.shape[3], kernel, stride, padding, dilation)


_max_pool2d_with_indices.gradient(
    "input", lambda g, indices, input_shape: scatter_plane(g, indices, input_shape[2:])
)


@op(name="avg_pool2d")
def _avg_pool2d(
    input: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    out_hw: Pair,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Means of a batch, with settings as pairs of ints."""
    return kernels.avg_pool2d(
        input, kernel, stride, padding, out_hw, count_include_pad, divisor_override
    )


@op
def avg_pool2d_input_grad(
    grad: Array,
    hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Adjoint of `avg_pool2d`: (N, C, OH, OW) -> (N, C, *hw)."""
    return kernels.avg_pool2d_input_grad(
        grad, hw, kernel, stride, padding, count_include_pad, divisor_override
    )


_avg_pool2d.gradient(
    "input",
    lambda g, input_shape, kernel, stride, padding, count_include_pad, divisor_override: (
        avg_pool2d_input_grad(
            g, input_shape[2:], kernel, stride, padding, count_include_pad, divisor_override
        )
    ),
)
avg_pool2d_input_grad.gradient(
    "grad",
    lambda g, grad_shape, kernel, stride, padding, count_include_pad, divisor_override: _avg_pool2d(
        g, kernel, stride, padding, grad_shape[2:], count_include_pad, divisor_override
    ),
)


@composite
def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window.

        y[n,c,i,j] = max_{u<KH, v<KW} x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW]

    Of equal elements the first wins, and alone gets the gradient. A NaN wins over all. Padding
    never wins.

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    kernel_size, dilation : int or (int, int)
    stride : int or (int, int)
        kernel_size unless given.
    padding : int or (int, int)
        At most half of kernel_size.
    ceil_mode : bool
        Let the last window stand out of the image, if it begins inside.
    return_indices : bool
        Return as well where the winners stand: flat places h·W + w in their planes, int64.

    Returns
    -------
    (N, C, OH, OW) or (C, OH, OW) float, OH = floor((H + 2·PH − DH·(KH−1) − 1) / SH) + 1; or a pair

    Raises
    ------
    ValueError
        The window exceeds the padded image, the padding half the window; sizes below 1.
    """
    return _maximum(
        return_indices, "max_pool2d", input, 2, kernel_size, stride, padding, dilation, ceil_mode
    )


@composite
def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of a signal: `max_pool2d` on images one pixel high.

    Parameters
    ----------
    input : (N, C, L) or (C, L) float
    kernel_size, stride, padding, dilation, ceil_mode, return_indices
        As in `max_pool2d`, in one dim.

    Returns
    -------
    (N, C, OL) or (C, OL) float; or a pair of it and the places
    """
    return _maximum(
        return_indices, "max_pool1d", input, 1, kernel_size, stride, padding, dilation, ceil_mode
    )


@composite
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Average over sliding windows.

        y[n,c,i,j] = 1/(KH·KW) · sum_{u<KH, v<KW} x[n, c, i·SH+u−PH, j·SW+v−PW]

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    kernel_size : int or (int, int)
        Window (KH, KW), in pixels.
    stride : int or (int, int)
        kernel_size unless given.
    padding : int or (int, int)
        Zeros around the image, at most half the window.
    ceil_mode : bool
        Let the last window stand out of the image, if it begins inside; what stands out of the
        padded image does not count in the divisor.
    count_include_pad : bool
        Whether the padding counts in the divisor.
    divisor_override : int, optional
        The divisor, instead of the number of elements.

    Returns
    -------
    (N, C, OH, OW) or (C, OH, OW) float, OH = floor((H + 2·PH − KH) / SH) + 1; `ceil_mode` rounds
    up instead

    Raises
    ------
    ValueError
        The window exceeds the padded image, the padding half the window; sizes below 1.
    """
    if divisor_override is not None:
        (divisor_override,) = ints("avg_pool2d", "divisor_override", divisor_override, 1, -(2**62))
        if divisor_override == 0:
            raise ShapeError("avg_pool2d: divisor_override must not be zero; got 0.")
    x, alone, k, s, p, _, out = _windows(
        "avg_pool2d", input, 2, kernel_size, stride, padding, 1, ceil_mode
    )
    y = _avg_pool2d(x, k, s, p, out, bool(count_include_pad), divisor_override)
    return y.squeeze(0) if alone else y


@composite
def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Average over sliding windows of a signal: `avg_pool2d` on images one pixel high.

    Parameters
    ----------
    input : (N, C, L) or (C, L) float
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As in `avg_pool2d`, in one dim.

    Returns
    -------
    (N, C, OL) or (C, OL) float
    """
    x, alone, k, s, p, _, out = _windows(
        "avg_pool1d", input, 1, kernel_size, stride, padding, 1, ceil_mode
    )
    y = _avg_pool2d(x, k, s, p, out, bool(count_include_pad), None).squeeze(2)
    return y.squeeze(0) if alone else y


def _maximum(return_indices: bool, op: str, input: Any, n: int, *settings: Any) -> Any:
    """Winners, and places if they are wanted, in as many dims as the input."""
    x, alone, k, s, p, d, out = _windows(op, input, n, *settings)
    if not return_indices:
        y = _max_pool2d(x, k, s, p, d, out)
        y = y if n == 2 else y.squeeze(2)
        return y.squeeze(0) if alone else y
    both = _max_pool2d_with_indices(x, k, s, p, d, out)
    if n == 1:
        both = tuple(t.squeeze(2) for t in both)
    return tuple(t.squeeze(0) for t in both) if alone else both


def _windows(
    op: str,
    input: Any,
    n: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Tensor, bool, Sizes, Sizes, Sizes, Sizes, Sizes]:
    """Batch of planes, whether it was one sample, kernel, stride, padding, dilation, out size.

    Signals become planes of height 1.
    """
    x, alone = batched(op, input, "NCHW" if n == 2 else "NCL")
    floating(op, input=x)
    k = ints(op, "kernel_size", kernel_size, n, 1)
    unset = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    s = k if unset else ints(op, "stride", stride, n, 1)
    p, d = ints(op, "padding", padding, n, 0), ints(op, "dilation", dilation, n, 1)
    out = _out_sizes(op, shape_of(x), k, s, p, d, bool(ceil_mode))
    if n == 1:
        return x.unsqueeze(2), alone, (1, *k), (1, *s), (0, *p), (1, *d), (1, *out)
    return x, alone, k, s, p, d, out


@lru_cache(maxsize=1024)
def _out_sizes(
    op: str, shape: Sizes, k: Sizes, s: Sizes, p: Sizes, d: Sizes, ceil_mode: bool
) -> Sizes:
    """How many windows fit in each dim; a layer asks the same again and again."""
    if any(pi > ki // 2 for ki, pi in zip(k, p)):
        raise ShapeError(
            f"{op}: padding must be at most half of kernel_size; got padding {p}, kernel_size {k}. "
            "Use pad() for wider borders."
        )
    if 0 in shape[1:]:
        raise ShapeError(f"{op}: only the batch may be empty; got input {shape}.")
    out = tuple(out_size(*one, ceil_mode) for one in zip(shape[2:], k, s, p, d))
    if any(o < 1 for o in out):
        raise ShapeError(
            f"{op}: the window must fit the padded image; got kernel_size {k}, dilation {d}, "
            f"padding {p}, image {shape[2:]}. Use a smaller window, or pool less before."
        )
    return out
