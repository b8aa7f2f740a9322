"""Convolution: one closed family of three ops. unfold and fold are in resample.py.

`_conv2d` and its adjoints in the image and in the filters are one bilinear form
<conv2d(x, w), g> read in three ways, so that each is the gradient rule of the other two. The public
functions check what the user typed and call the family. Convolution here is cross-correlation, as
in PyTorch: the window is not flipped.
"""

from __future__ import annotations

from typing import Any

from ..engine import mode
from ..kernels import conv as kernels
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import batched, ints, shape_of
from .conv_arguments import check_layer, check_window, padded, transposed_sizes
from .piecewise import relu

__all__ = [
    "conv1d",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv_transpose1d",
    "conv_transpose2d",
]

Pair = tuple[int, int]


@op(name="convolution")
def _conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    relu: bool = False,
) -> Array:
    """`conv2d` of a batch, with settings as pairs of ints; `relu` only where none records."""
    return kernels.conv2d(input, weight, bias, stride, padding, dilation, groups, relu=relu)


@op
def conv2d_input_grad(
    grad: Array,
    weight: Array,
    input_hw: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of `conv2d` in the image: (N, F, OH, OW), (F, C/groups, KH, KW) -> (N, C, H, W)."""
    return kernels.conv2d_input_grad(grad, weight, input_hw, stride, padding, dilation, groups)


@op
def conv2d_weight_grad(
    grad: Array,
    input: Array,
    kernel_hw: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of `conv2d` in the filters: (N, F, OH, OW), (N, C, H, W) -> (F, C/groups, KH, KW)."""
    return kernels.conv2d_weight_grad(grad, input, kernel_hw, stride, padding, dilation, groups)


@op
def conv2d_bias_grad(grad: Array) -> Array:
    """Gradient of `conv2d` in the bias: gb[f] = sum_{n,i,j} g[n,f,i,j]."""
    return kernels.conv2d_bias_grad(grad)


_conv2d.gradient(
    "input",
    lambda g, weight, input_shape, stride, padding, dilation, groups: conv2d_input_grad(
        g, weight, input_shape[2:], stride, padding, dilation, groups
    ),
)
_conv2d.gradient(
    "weight",
    lambda g, input, weight_shape, stride, padding, dilation, groups: conv2d_weight_grad(
        g, input, weight_shape[2:], stride, padding, dilation, groups
    ),
)
_conv2d.gradient("bias", conv2d_bias_grad)
conv2d_bias_grad.gradient(
    "grad", lambda g, grad_shape: g.reshape(1, -1, 1, 1).expand(grad_shape)
)
conv2d_input_grad.gradient(
    "grad",
    lambda g, weight, grad_shape, stride, padding, dilation, groups: _crop(
        _conv2d(g, weight, None, stride, padding, dilation, groups), grad_shape
    ),
)
conv2d_input_grad.gradient(
    "weight",
    lambda g, grad, weight_shape, stride, padding, dilation, groups: conv2d_weight_grad(
        grad, g, weight_shape[2:], stride, padding, dilation, groups
    ),
)
conv2d_weight_grad.gradient(
    "grad",
    lambda g, input, grad_shape, stride, padding, dilation, groups: _crop(
        _conv2d(input, g, None, stride, padding, dilation, groups), grad_shape
    ),
)
conv2d_weight_grad.gradient(
    "input",
    lambda g, grad, input_shape, stride, padding, dilation, groups: conv2d_input_grad(
        grad, g, input_shape[2:], stride, padding, dilation, groups
    ),
)


def _crop(y: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first rows and columns: with output_padding, more windows fit than there were."""
    return y if tuple(y.shape) == tuple(shape) else y[:, :, : shape[2], : shape[3]]


@composite
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate images with a bank of filters.

        y[n,f,i,j] = b[f] + sum_{c,u,v} x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW] · w[f,c,u,v]

    With `groups`, filter f sees only the channels of its own group.

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    weight : (F, C/groups, KH, KW) float
    bias : (F,) float, optional
    stride, dilation : int or (int, int)
        Pixels between windows, and between the taps of one window.
    padding : int, (int, int), 'valid' or 'same'
        Zeros around the image. 'valid' is 0; 'same' keeps H and W at stride 1, and puts the odd
        zero below and on the right.
    groups : int
        Divides C and F.

    Returns
    -------
    (N, F, OH, OW) or (F, OH, OW) float, OH = floor((H + 2·PH − DH·(KH−1) − 1) / SH) + 1

    Raises
    ------
    ValueError
        Channels do not match, the window exceeds the padded image, stride or dilation below 1,
        padding below 0, 'same' with a stride.
    TypeError
        Not floating, or of different dtypes.
    """
    return _checked_conv2d(input, weight, bias, stride, padding, dilation, groups, False)


def conv2d_relu(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Tensor:  # fmt: skip
    """relu(conv2d(...)) of the same arguments; in one pass over memory where none records."""
    how = stride, padding, dilation, groups
    if mode.recording:
        return relu(_checked_conv2d(input, weight, bias, *how, False))
    return _checked_conv2d(input, weight, bias, *how, True)


def _checked_conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    groups: int, relu: bool,
) -> Tensor:  # fmt: skip
    x, alone = batched("conv2d", input, "NCHW")
    check_layer("conv2d", x, weight, bias, "NCHW", groups)
    s = ints("conv2d", "stride", stride, 2, 1)
    d = ints("conv2d", "dilation", dilation, 2, 1)
    x, p = padded("conv2d", x, weight, padding, s, d)
    check_window("conv2d", shape_of(x), shape_of(weight), p, d)
    y = _conv2d(x, weight, bias, s, p, d, groups, relu)
    return y.squeeze(0) if alone else y


@composite
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate signals with a bank of filters: `conv2d` on images one pixel high.

        y[n,f,i] = b[f] + sum_{c,u} x[n, c, i·S+u·D−P] · w[f,c,u]

    Parameters
    ----------
    input : (N, C, L) or (C, L) float
    weight : (F, C/groups, K) float
    bias : (F,) float, optional
    stride, padding, dilation, groups
        As in `conv2d`, in one dim.

    Returns
    -------
    (N, F, OL) or (F, OL) float
    """
    x, alone = batched("conv1d", input, "NCL")
    check_layer("conv1d", x, weight, bias, "NCL", groups)
    s = ints("conv1d", "stride", stride, 1, 1)
    d = ints("conv1d", "dilation", dilation, 1, 1)
    x, p = padded("conv1d", x, weight, padding, s, d)
    check_window("conv1d", shape_of(x), shape_of(weight), p, d)
    x, w = x.unsqueeze(2), weight.unsqueeze(2)
    y = _conv2d(x, w, bias, (1, *s), (0, *p), (1, *d), groups).squeeze(2)
    return y.squeeze(0) if alone else y


@composite
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution: the adjoint of `conv2d` in the image, with a bias.

        y[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW] += sum_f x[n,f,i,j] · w[f,c,u,v]

    Parameters
    ----------
    input : (N, F, H, W) or (F, H, W) float
    weight : (F, C/groups, KH, KW) float
    bias : (C,) float, optional
    stride, padding, dilation, groups
        Those of the convolution of which this is the adjoint.
    output_padding : int or (int, int)
        Rows and columns added below and on the right; less than stride or dilation.

    Returns
    -------
    (N, C, OH, OW) or (C, OH, OW) float, OH = (H−1)·SH − 2·PH + DH·(KH−1) + output_padding + 1
    """
    x, alone = batched("conv_transpose2d", input, "NCHW")
    check_layer("conv_transpose2d", x, weight, bias, "NCHW", groups, transposed=True)
    settings = transposed_sizes(
        "conv_transpose2d", x, weight, 2, stride, padding, output_padding, dilation
    )
    y = conv2d_input_grad(x, weight, *settings, groups)
    if bias is not None:
        y = y + bias.reshape(-1, 1, 1)
    return y.squeeze(0) if alone else y


@composite
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of signals: `conv_transpose2d` on images one pixel high.

    Parameters
    ----------
    input : (N, F, L) or (F, L) float
    weight : (F, C/groups, K) float
    bias : (C,) float, optional
    stride, padding, output_padding, groups, dilation
        As in `conv_transpose2d`, in one dim.

    Returns
    -------
    (N, C, OL) or (C, OL) float
    """
    x, alone = batched("conv_transpose1d", input, "NCL")
    check_layer("conv_transpose1d", x, weight, bias, "NCL", groups, transposed=True)
    (ol,), (s,), (p,), (d,) = transposed_sizes(
        "conv_transpose1d", x, weight, 1, stride, padding, output_padding, dilation
    )
    y = conv2d_input_grad(
        x.unsqueeze(2), weight.unsqueeze(2), (1, ol), (1, s), (0, p), (1, d), groups
    ).squeeze(2)
    if bias is not None:
        y = y + bias.reshape(-1, 1)
    return y.squeeze(0) if alone else y
