"""Convolution of NCHW arrays and its two adjoints; no Tensor and no user checks live here.

The three functions are one bilinear form <conv2d(x, w), g> read in three ways, so each is the
gradient rule of the others. `conv2d` is cross-correlation: it does not flip the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.correlate import correlate, correlate_input_grad, correlate_weight_grad
from minigrad.kernels.jit import use_jit

Pair = tuple[int, int]
Array = NDArray[np.floating]

__all__ = ["ALGORITHMS", "choose", "conv2d", "conv2d_input_grad", "conv2d_weight_grad"]


def conv2d(
    x: Array,
    w: Array,
    b: Array | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> Array:
    """Cross-correlate images with filters.

        y[n,f,i,j] = b[f] + sum_{c,u,v} x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW] · w[f,c,u,v]

    Parameters
    ----------
    x : (N, C, H, W)
    w : (F, C / groups, KH, KW)
    b : (F,) or None

    Returns
    -------
    (N, F, OH, OW), OH = (H + 2·PH − DH·(KH−1) − 1) // SH + 1
    """
    name = algorithm or choose("conv2d", x.shape, w.shape, stride, use_jit(x, w, b))
    return ALGORITHMS["conv2d"][name](x, w, b, stride, padding, dilation, groups)


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> Array:
    """Adjoint of `conv2d` in x, which is also the forward of a transposed convolution.

        gx[n,c,i·SH+u·DH−PH, j·SW+v·DW−PW] += sum_f g[n,f,i,j] · w[f,c,u,v]

    Parameters
    ----------
    g : (N, F, OH, OW)
        OH may be less than what `input_hw` would give; the rows it does not reach stay zero.
    w : (F, C / groups, KH, KW)

    Returns
    -------
    (N, C, H, W) with (H, W) = input_hw
    """
    x_shape = (g.shape[0], w.shape[1] * groups, *input_hw)
    name = algorithm or choose("conv2d_input_grad", x_shape, w.shape, stride, use_jit(g, w))
    run = ALGORITHMS["conv2d_input_grad"][name]
    return run(g, w, input_hw, stride, padding, dilation, groups)


def conv2d_weight_grad(
    g: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> Array:
    """Adjoint of `conv2d` in w.

        gw[f,c,u,v] = sum_{n,i,j} g[n,f,i,j] · x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW]

    Parameters
    ----------
    g : (N, F, OH, OW)
    x : (N, C, H, W)

    Returns
    -------
    (F, C / groups, KH, KW) with (KH, KW) = kernel_hw
    """
    w_shape = (g.shape[1], x.shape[1] // groups, *kernel_hw)
    name = algorithm or choose("conv2d_weight_grad", x.shape, w_shape, stride, use_jit(g, x))
    run = ALGORITHMS["conv2d_weight_grad"][name]
    return run(g, x, kernel_hw, stride, padding, dilation, groups)


def choose(
    op: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: Pair, compiled: bool
) -> str:
    """Name of the algorithm in ALGORITHMS[op] that runs a layer: a pure function of its shapes.

    `compiled` says whether compiled kernels serve its dtype. Every function here takes
    `algorithm` to force another.
    """
    return "taps" if compiled else "reference"


# The definitions in NumPy: one matrix product per tap (u, v) of the window.


def conv2d_reference(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """`conv2d`, as one matrix product per tap."""
    (n, c, *hw), (f, _, *k) = x.shape, w.shape
    oh, ow = (
        (s + 2 * p - d * (u - 1) - 1) // t + 1
        for s, u, t, p, d in zip(hw, k, stride, padding, dilation, strict=True)
    )
    xp = _padded(x, padding).reshape(n, groups, c // groups, *_padded_hw(hw, padding))
    wg = w.reshape(groups, f // groups, c // groups, *k)
    y = np.zeros((n, groups, f // groups, oh * ow), x.dtype)
    for u, v, rows, cols in _taps(k, (oh, ow), stride, dilation):
        y += wg[..., u, v] @ xp[..., rows, cols].reshape(n, groups, c // groups, oh * ow)
    y = y.reshape(n, f, oh, ow)
    return y if b is None else y + b.reshape(f, 1, 1)


def conv2d_input_grad_reference(
    g: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """`conv2d_input_grad`, as one matrix product per tap."""
    (n, f, oh, ow), (_, c, *k) = g.shape, w.shape
    (h, wd), (ph, pw) = input_hw, padding
    gg = g.reshape(n, groups, f // groups, oh * ow)
    wt = w.reshape(groups, f // groups, c, *k).swapaxes(1, 2)
    gx = np.zeros((n, groups, c, *_padded_hw(input_hw, padding)), g.dtype)
    for u, v, rows, cols in _taps(k, (oh, ow), stride, dilation):
        gx[..., rows, cols] += (wt[..., u, v] @ gg).reshape(n, groups, c, oh, ow)
    gx = gx.reshape(n, groups * c, *gx.shape[3:])
    return np.ascontiguousarray(gx[:, :, ph : ph + h, pw : pw + wd])


def conv2d_weight_grad_reference(
    g: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """`conv2d_weight_grad`, as one matrix product per tap."""
    (n, f, oh, ow), (_, c, *hw) = g.shape, x.shape
    xp = _padded(x, padding).reshape(n, groups, c // groups, *_padded_hw(hw, padding))
    gg = g.reshape(n, groups, f // groups, oh * ow)
    gw = np.zeros((groups, f // groups, c // groups, *kernel_hw), g.dtype)
    for u, v, rows, cols in _taps(kernel_hw, (oh, ow), stride, dilation):
        patch = xp[..., rows, cols].reshape(n, groups, c // groups, oh * ow)
        gw[..., u, v] = (gg @ patch.swapaxes(2, 3)).sum(0)
    return gw.reshape(f, c // groups, *kernel_hw)


def _padded_hw(hw: Pair | list[int], padding: Pair) -> Pair:
    return hw[0] + 2 * padding[0], hw[1] + 2 * padding[1]


def _padded(x: Array, padding: Pair) -> Array:
    (ph, pw) = padding
    return np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else x


def _taps(
    k: Pair | list[int], out_hw: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """Each tap (u, v) with the rows and columns of the padded image that it meets."""
    (oh, ow), (sh, sw), (dh, dw) = out_hw, stride, dilation
    for u in range(k[0]):
        for v in range(k[1]):
            yield (
                u,
                v,
                slice(u * dh, u * dh + sh * oh, sh),
                slice(v * dw, v * dw + sw * ow, sw),
            )


ALGORITHMS: dict[str, dict[str, Callable[..., Array]]] = {
    "conv2d": {"reference": conv2d_reference, "taps": correlate},
    "conv2d_input_grad": {
        "reference": conv2d_input_grad_reference,
        "taps": correlate_input_grad,
    },
    "conv2d_weight_grad": {
        "reference": conv2d_weight_grad_reference,
        "taps": correlate_weight_grad,
    },
}
