"""Windows laid out as columns (unfold, fold), and images resized. Padding is in pad.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import resample as kernels
from ..op import Array, composite, op
from ..tensor import Tensor
from .adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from .arguments import batched, floating, ints, out_size, shape_of, shown, tensor_of
from .pad import _pick

__all__ = ["fold", "interpolate", "pixel_shuffle", "pixel_unshuffle", "unfold"]

Pair = tuple[int, int]
Sizes = tuple[int, ...]
Scales = tuple[float | None, float | None]


@op(name="im2col")
def _unfold(input: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """`unfold` of a batch, with settings as pairs of ints."""
    return kernels.unfold(input, kernel, stride, padding, dilation)


@op(name="col2im")
def _fold(
    input: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """`fold` of a batch, with settings as pairs of ints."""
    return kernels.fold(input, out_hw, kernel, stride, padding, dilation)


_unfold.gradient(
    "input",
    lambda g, input_shape, kernel, stride, padding, dilation: _fold(
        g, input_shape[2:], kernel, stride, padding, dilation
    ),
)
_fold.gradient(
    "input",
    lambda g, kernel, stride, padding, dilation: _unfold(g, kernel, stride, padding, dilation),
)


@op(name="upsample_nearest2d")
def _nearest(input: Array, out_hw: Pair, scales: Scales = (None, None)) -> Array:
    """Nearest pixels of (N, C, H, W) -> (N, C, *out_hw)."""
    return kernels.nearest(input, out_hw, scales)


@op
def nearest_grad(grad: Array, hw: Pair, scales: Scales = (None, None)) -> Array:
    """Adjoint of nearest interpolation: (N, C, OH, OW) -> (N, C, *hw)."""
    return kernels.nearest_grad(grad, hw, scales)


@op(name="upsample_bilinear2d")
def _bilinear(
    input: Array, out_hw: Pair, align_corners: bool = False, scales: Scales = (None, None)
) -> Array:
    """Bilinear interpolation of (N, C, H, W) -> (N, C, *out_hw)."""
    return kernels.bilinear(input, out_hw, align_corners, scales)


@op
def bilinear_grad(
    grad: Array, hw: Pair, align_corners: bool = False, scales: Scales = (None, None)
) -> Array:
    """Adjoint of bilinear interpolation: (N, C, OH, OW) -> (N, C, *hw)."""
    return kernels.bilinear_grad(grad, hw, align_corners, scales)


_nearest.gradient("input", lambda g, input_shape, scales: nearest_grad(g, input_shape[2:], scales))
nearest_grad.gradient("grad", lambda g, grad_shape, scales: _nearest(g, grad_shape[2:], scales))
_bilinear.gradient(
    "input",
    lambda g, input_shape, align_corners, scales: bilinear_grad(
        g, input_shape[2:], align_corners, scales
    ),
)
bilinear_grad.gradient(
    "grad",
    lambda g, grad_shape, align_corners, scales: _bilinear(
        g, grad_shape[2:], align_corners, scales
    ),
)


@composite
def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Lay every window of an image out as a column (im2col).

        y[n, (c·KH + u)·KW + v, i·OW + j] = x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW]

    Parameters
    ----------
    input : (N, C, H, W) or (C, H, W) float
    kernel_size, dilation, padding, stride : int or (int, int)

    Returns
    -------
    (N, C·KH·KW, L) or (C·KH·KW, L) float, L the number of windows

    Raises
    ------
    ValueError
        The window exceeds the padded image.
    """
    x, alone = batched("unfold", input, "NCHW")
    floating("unfold", input=x)
    k, s, p, d = _settings("unfold", kernel_size, stride, padding, dilation)
    if not x.shape[1]:
        raise ShapeError(f"unfold: only the batch may be empty; got {shown(input=input)}.")
    _blocks("unfold", shape_of(x)[2:], k, s, p, d)
    y = _unfold(x, k, s, p, d)
    return y.squeeze(0) if alone else y


@composite
def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Add columns back into the windows of an image (col2im): the adjoint of `unfold`.

    Parameters
    ----------
    input : (N, C·KH·KW, L) or (C·KH·KW, L) float
    output_size : int or (int, int)
        (H, W) of the image.
    kernel_size, dilation, padding, stride : int or (int, int)

    Returns
    -------
    (N, C, H, W) or (C, H, W) float

    Raises
    ------
    ValueError
        The columns are not as many, or not as long, as these settings make them.
    """
    x = tensor_of("fold", "input", input)
    floating("fold", input=x)
    if x.ndim not in (2, 3):
        raise ShapeError(
            f"fold: input must be (N, C·KH·KW, L) or (C·KH·KW, L); got input {shape_of(x)}."
        )
    alone = x.ndim == 2
    k, s, p, d = _settings("fold", kernel_size, stride, padding, dilation)
    out = ints("fold", "output_size", output_size, 2, 1)
    blocks = _blocks("fold", out, k, s, p, d)
    rows, length = shape_of(x)[-2:]
    if rows % math.prod(k) or not rows:
        raise ShapeError(
            f"fold: the columns must hold a multiple of KH·KW = {math.prod(k)} numbers; got input "
            f"{shape_of(x)}, kernel_size {k}."
        )
    if length != math.prod(blocks):
        raise ShapeError(
            f"fold: there must be {blocks[0]} · {blocks[1]} = {math.prod(blocks)} columns; got "
            f"input {shape_of(x)}, output_size {out}, kernel_size {k}, dilation {d}, padding {p}, "
            f"stride {s}."
        )
    y = _fold(x.unsqueeze(0) if alone else x, out, k, s, p, d)
    return y.squeeze(0) if alone else y


def _settings(
    op: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    return (
        ints(op, "kernel_size", kernel_size, 2, 1),
        ints(op, "stride", stride, 2, 1),
        ints(op, "padding", padding, 2, 0),
        ints(op, "dilation", dilation, 2, 1),
    )


def _blocks(op: str, hw: Sizes, k: Sizes, s: Sizes, p: Sizes, d: Sizes) -> Sizes:
    """Windows per dim; at least one."""
    blocks = tuple(out_size(*one) for one in zip(hw, k, s, p, d))
    if any(b < 1 for b in blocks):
        raise ShapeError(
            f"{op}: the window must fit the padded image; got kernel_size {k}, dilation {d}, "
            f"padding {p}, image {tuple(hw)}."
        )
    return blocks


_DIMS = {
    "nearest": (3, 4),
    "nearest-exact": (3, 4),
    "area": (3, 4),
    "linear": (3,),
    "bilinear": (4,),
}  # dims of the input


@composite
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize images or signals.

    Parameters
    ----------
    input : (N, C, H, W) or (N, C, L) float
    size : int or sequence of int
        Of the result; this or `scale_factor`.
    scale_factor : float or sequence of float
        The result has floor(scale·H) rows.
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear', 'area'}
        'linear' for signals, 'bilinear' for images; 'area' is adaptive average pooling.
    align_corners : bool
        For 'linear' and 'bilinear': map the centres of the corner pixels to each other, instead of
        their outer corners.
    recompute_scale_factor : bool
        Interpolate with the ratio of the sizes instead of the given scale.

    Returns
    -------
    (N, C, OH, OW) or (N, C, OL) float
    """
    x = tensor_of("interpolate", "input", input)
    floating("interpolate", input=x)
    _check_mode(x, mode, align_corners, antialias)
    n, hw = x.ndim - 2, shape_of(x)[2:]
    if recompute_scale_factor and size is not None:
        raise ShapeError("interpolate: recompute_scale_factor is not meaningful with a size.")
    out, scales = _sizes(hw, size, scale_factor, recompute_scale_factor or mode == "area")
    if 0 in (*hw, x.shape[1]) or (0 in out and mode != "area"):
        raise ShapeError(
            f"interpolate: input and output must have pixels; got {shown(input=x)}, output size "
            f"{out}."
        )
    if mode == "area":
        return adaptive_avg_pool1d(x, out[0]) if n == 1 else adaptive_avg_pool2d(x, out)
    if mode == "nearest-exact":
        return _pick(x, (None, None, *[_exact(*one) for one in zip(hw, out, scales)]))
    if n == 1:
        x, out, scales = x.unsqueeze(2), (1, *out), (None, *scales)
    pair: Any = tuple(scales)
    y = (
        _nearest(x, out, pair)
        if mode == "nearest"
        else _bilinear(x, out, bool(align_corners), pair)
    )
    return y.squeeze(2) if n == 1 else y


def _check_mode(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _DIMS:
        raise NotImplementedError(
            f"interpolate: mode must be one of {', '.join(_DIMS)}; got mode {mode!r}."
        )
    if x.ndim not in _DIMS[mode]:
        raise NotImplementedError(
            f"interpolate: mode {mode!r} takes {' or '.join(map(str, _DIMS[mode]))} dims, "
            f"(N, C, ...); got {shown(input=x)}."
        )
    if antialias:
        raise NotImplementedError("interpolate: antialias is not supported. Leave it False.")
    if align_corners is not None and mode not in ("linear", "bilinear"):
        raise ShapeError(
            "interpolate: align_corners option can only be set with mode 'linear' or 'bilinear'; "
            f"got mode {mode!r}."
        )


def _sizes(
    hw: Sizes, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[Sizes, tuple[float | None, ...]]:
    """Size of the result, and the scales to interpolate with (None: the ratio of the sizes)."""
    n = len(hw)
    if (size is None) == (scale_factor is None):
        raise ShapeError(
            "interpolate: exactly one of size and scale_factor must be given; got size "
            f"{size}, scale_factor {scale_factor}."
        )
    if size is not None:
        if isinstance(size, (tuple, list)) and len(size) != n:
            raise ShapeError(f"interpolate: size must be an int or {n} ints; got size {size!r}.")
        return ints("interpolate", "size", size, n, 0), (None,) * n
    scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * n
    if len(scales) != n:
        raise ShapeError(
            f"interpolate: scale_factor must be a number or {n} of them; got {scale_factor!r}."
        )
    scales = tuple(float(s) for s in scales)
    if any(not s > 0 or math.isinf(s) for s in scales):
        raise ShapeError(
            f"interpolate: scale_factor must be positive; got scale_factor {scale_factor!r}."
        )
    out = tuple(int(h * s) for h, s in zip(hw, scales))
    return out, (None,) * n if recompute else scales


def _exact(size: int, out: int, scale: float | None) -> Array:
    """Source of each element: floor((i + 1/2) · size / out), in float32 as PyTorch."""
    ratio = np.float32(1 / scale) if scale else np.float32(size) / np.float32(out)
    source = np.floor((np.arange(out, dtype=np.float32) + np.float32(0.5)) * ratio)
    return np.minimum(source.astype(np.int64), size - 1)


@composite
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Turn channels into pixels: (*, C·r², H, W) -> (*, C, H·r, W·r), r = upscale_factor.

    Raises
    ------
    ValueError
        r² does not divide the channels.
    """
    x = tensor_of("pixel_shuffle", "input", input)
    (r,) = ints("pixel_shuffle", "upscale_factor", upscale_factor, 1, 1)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(
            f"pixel_shuffle: input must be (*, C·r², H, W); got {shown(input=x)}, r {r}."
        )
    *batch, c, h, w = shape_of(x)
    parts = x.reshape(*batch, c // (r * r), r, r, h, w)
    n = len(batch)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return parts.permute(order).reshape(*batch, c // (r * r), h * r, w * r)


@composite
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Turn pixels into channels: (*, C, H·r, W·r) -> (*, C·r², H, W), r = downscale_factor.

    Raises
    ------
    ValueError
        r does not divide height and width.
    """
    x = tensor_of("pixel_unshuffle", "input", input)
    (r,) = ints("pixel_unshuffle", "downscale_factor", downscale_factor, 1, 1)
    if x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        raise ShapeError(
            f"pixel_unshuffle: input must be (*, C, H·r, W·r); got {shown(input=x)}, r {r}."
        )
    *batch, c, h, w = shape_of(x)
    parts = x.reshape(*batch, c, h // r, r, w // r, r)
    n = len(batch)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return parts.permute(order).reshape(*batch, c * r * r, h // r, w // r)
