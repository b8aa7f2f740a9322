"""Deterministic transforms as functions, under torchvision's names. Random ones: the classes.

Every function takes one image or a whole batch, as a Tensor (channels first), an ndarray (channels
last) or, where said, a PIL image, and gives back the same kind; `to_tensor` gives a Tensor. In an
ndarray of three dims the last is the channels when it is 1 to 4, and columns of a batch of grey
images otherwise. No gradients are recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...complaints import taught
from ...errors import ShapeError
from ...tensor import Tensor, wrap
from . import _arrays
from ._arguments import (
    InterpolationMode,
    channel_values,
    interpolation_mode,
    output_size,
    paddings,
    resized_size,
)
from ._images import image_size, is_pil, open_image, pil_array, write_back

__all__ = [
    "InterpolationMode", "center_crop", "convert_image_dtype", "crop", "erase", "get_dimensions",
    "get_image_size", "hflip", "normalize", "pad", "resize", "rotate", "to_tensor", "vflip",
]


@taught
def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width] of an image."""
    return list(image_size("get_dimensions", img))


@taught
def get_image_size(img: Any) -> list[int]:
    """[width, height] of an image."""
    return list(image_size("get_image_size", img)[:0:-1])


@taught
def to_tensor(pic: Any) -> Tensor:
    """A PIL image or ndarray as a channels-first Tensor.

    uint8 becomes float in [0, 1] (of the default dtype); other dtypes keep type and values.

    Parameters
    ----------
    pic : (H, W) or (H, W, C) ndarray or PIL image; or a batch (N, H, W) or (N, H, W, C)

    Returns
    -------
    (C, H, W) or (N, C, H, W) Tensor, which owns its memory

    Raises
    ------
    TypeError
        `pic` is neither PIL image nor ndarray, or of a dtype without tensors.
    ValueError
        `pic` has other dims.
    """
    if is_pil(pic):
        mode, pic = pic.mode, pil_array("to_tensor", pic)
        if mode == "I;16":
            pic = pic.astype(np.int16)
    if not isinstance(pic, np.ndarray):
        more = "It is a Tensor already; use convert_image_dtype(pic), or pic.numpy()." \
            if isinstance(pic, Tensor) else "Use np.asarray(pic)."
        raise TypeError(
            f"to_tensor: pic should be PIL Image or ndarray; got {type(pic).__name__}. {more}"
        )
    one = pic.ndim == 2 or (pic.ndim == 3 and 1 <= pic.shape[2] <= 4)
    x, _ = open_image("to_tensor", pic)
    y = _arrays.scaled_to_unit(x.astype(dtypes.to_dtype(x.dtype), copy=False),
                               dtypes.get_default_dtype())
    return wrap(y[0] if one else y)


@taught
def convert_image_dtype(image: Any, dtype: Any = dtypes.float32) -> Any:
    """`image` in another dtype, with the values scaled to its range.

    Floats lie in [0, 1] and integers in [0, max]. Raises RuntimeError where a float cannot hold
    the integers (float32 to int32 or int64, float64 to int64).
    """
    x, restore = open_image("convert_image_dtype", image)
    new = dtypes.to_dtype(dtype)
    if x.dtype == new:
        return image
    if is_pil(image):
        raise TypeError("convert_image_dtype: image must be a Tensor or ndarray; got a PIL image. "
                        "Use to_tensor(image).")
    if x.dtype.kind == "f":
        return restore(_from_float(x, new))
    from_max = 1 if x.dtype.kind == "b" else int(np.iinfo(x.dtype).max)
    if new.kind == "f":
        return restore(x.astype(new) / new.type(from_max))
    to_max = 1 if new.kind == "b" else int(np.iinfo(new).max)
    if from_max > to_max:
        return restore((x // ((from_max + 1) // (to_max + 1))).astype(new))
    return restore(x.astype(new) * new.type((to_max + 1) // (from_max + 1)))


def _from_float(x: np.ndarray, new: np.dtype[Any]) -> np.ndarray:
    if new.kind == "f":
        return x.astype(new)
    if (x.dtype.itemsize <= 4 and new.itemsize >= 4) or new.itemsize == 8:
        raise RuntimeError(
            f"convert_image_dtype: the cast from {x.dtype} to {new} cannot be performed safely. "
            "Use a smaller integer dtype, such as uint8."
        )
    if new.kind == "b":
        return x.astype(new)
    # max + 1 - eps spreads [0, 1] evenly over the integers; times max, only 1.0 would reach max.
    return (x * x.dtype.type(np.iinfo(new).max + 1.0 - 1e-3)).astype(new)


@taught
def normalize(tensor: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """Subtract each channel's mean and divide by its std.

        y[..., c, i, j] = (x[..., c, i, j] - mean[c]) / std[c]

    Parameters
    ----------
    tensor : (..., C, H, W) float Tensor, or channels-last float ndarray
    mean, std : sequence of C or 1 floats
    inplace : bool
        Write into `tensor`.

    Raises
    ------
    TypeError
        `tensor` is a PIL image or holds integers.
    ValueError
        It has under three dims, a std is zero, or the lengths do not fit the channels.
    """
    if not isinstance(tensor, (Tensor, np.ndarray)):
        raise TypeError(
            f"normalize: img should be a Tensor; got {type(tensor).__name__}. Put ToTensor() "
            "before Normalize()."
        )
    x, restore = open_image("normalize", tensor)
    if x.dtype.kind != "f":
        raise TypeError(
            f"normalize: input should be a float tensor; got {x.dtype}. Put ToTensor() before "
            "Normalize()."
        )
    if isinstance(tensor, Tensor) and tensor.ndim < 3:
        raise ShapeError(
            "normalize: expected tensor to be a tensor image of size (..., C, H, W); got shape "
            f"{tuple(tensor.shape)}."
        )
    m, s = (
        channel_values("normalize", name, _plain(v), x.shape[1], x.dtype).reshape(-1, 1, 1)
        for name, v in (("mean", mean), ("std", std))
    )
    if (s == 0).any():
        raise ValueError(
            f"normalize: std evaluated to zero after conversion to {x.dtype}, leading to division "
            f"by zero; got std {std}."
        )
    y = np.subtract(x, m, order="C")
    y /= s
    return write_back("normalize", tensor, y) if inplace else restore(y)


def _plain(values: Any) -> Any:
    return values.tolist() if isinstance(values, (Tensor, np.ndarray)) else values


@taught
def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Add a border around the image.

    Parameters
    ----------
    padding : int, (left and right, top and bottom) or (left, top, right, bottom), in pixels
        Negative sizes crop.
    fill : number or one number per channel
        Of the border in mode `constant`.
    padding_mode : {'constant', 'edge', 'reflect', 'symmetric'}
        `edge` repeats the last pixel; `reflect` mirrors without repeating it, `symmetric` with.

    Raises
    ------
    TypeError, ValueError
        The arguments are of the wrong kind, or the border is larger than what can be mirrored.
    """
    left, top, right, bottom = paddings("pad", padding, padding_mode)
    x, restore = open_image("pad", img)
    height, width = x.shape[2:]
    cut = [s + min(a, 0) + min(b, 0) for s, a, b in ((height, top, bottom), (width, left, right))]
    if min(cut) < 0 or min(height + top + bottom, width + left + right) < 1:
        raise ShapeError(
            f"pad: the padding leaves no pixels; got image {height} by {width}, padding {padding}."
        )
    if padding_mode == "constant":
        fill = channel_values("pad", "fill", 0 if fill is None else fill, x.shape[1], x.dtype)
    else:
        least = cut[0] > 0 and cut[1] > 0
        room = 0 if padding_mode == "symmetric" else 1
        fits = max(top, bottom) <= cut[0] - room and max(left, right) <= cut[1] - room
        if not least or (padding_mode != "edge" and not fits):
            raise ShapeError(
                f"pad: padding_mode {padding_mode!r} can only mirror what is there; got image "
                f"{height} by {width}, padding {padding}. Use a smaller padding, or 'edge'."
            )
    return restore(_arrays.pad(x, left, top, right, bottom, fill, padding_mode))


@taught
def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """Rows top:top+height and columns left:left+width; zeros where the box leaves the image."""
    x, restore = open_image("crop", img)
    if height < 1 or width < 1:
        raise ShapeError(f"crop: the box must hold a pixel; got height {height}, width {width}.")
    h, w = x.shape[2:]
    out = np.zeros((*x.shape[:2], height, width), x.dtype)
    i0, i1 = max(top, 0), min(top + height, h)
    j0, j1 = max(left, 0), min(left + width, w)
    if i0 < i1 and j0 < j1:
        out[:, :, i0 - top:i1 - top, j0 - left:j1 - left] = x[:, :, i0:i1, j0:j1]
    return restore(out)


@taught
def center_crop(img: Any, output_size: Any) -> Any:
    """The middle (height, width) of the image; a smaller image is padded with zeros first."""
    height, width = _center_size(output_size)
    _, h, w = image_size("center_crop", img)
    # Half pixels: outwards the border below and right is the larger, inwards round() decides.
    top, left = (
        -((out - size) // 2) if out > size else round((size - out) / 2)
        for out, size in ((height, h), (width, w))
    )
    return crop(img, top, left, height, width)


def _center_size(size: Any) -> tuple[int, int]:
    return output_size("center_crop", int(size) if isinstance(size, (int, float)) else size)


@taught
def hflip(img: Any) -> Any:
    """The image mirrored left to right."""
    x, restore = open_image("hflip", img)
    return restore(np.array(x[..., ::-1], order="C"))


@taught
def vflip(img: Any) -> Any:
    """The image mirrored top to bottom."""
    x, restore = open_image("vflip", img)
    return restore(np.array(x[..., ::-1, :], order="C"))


@taught
def resize(
    img: Any,
    size: Any,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image on another grid of pixels.

    Parameters
    ----------
    size : int or (height, width), in pixels
        An int is the smaller edge; the other keeps the aspect ratio.
    interpolation : InterpolationMode
        NEAREST, NEAREST_EXACT, BILINEAR or BICUBIC.
    max_size : int, optional
        Largest length of the longer edge, when `size` is an int.
    antialias : bool
        Average over all pixels that an output pixel covers when shrinking. Nothing to the nearest
        modes. Integers are rounded, and agree with torchvision's within 1.

    Raises
    ------
    TypeError, ValueError
        The arguments are of the wrong kind or contradict each other.
    """
    mode = interpolation_mode("resize", interpolation)
    x, restore = open_image("resize", img)
    if 0 in x.shape[2:]:
        raise ShapeError(f"resize: the image must hold pixels; got shape {x.shape[1:]}.")
    height, width = resized_size("resize", x.shape[2:], size, max_size)
    return restore(_arrays.resize(x, height, width, mode.value, bool(antialias)))


@taught
def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The image turned counter-clockwise.

    Parameters
    ----------
    angle : float, in degrees
    interpolation : InterpolationMode
        NEAREST or BILINEAR.
    expand : bool
        Make the result large enough to hold the whole turned image.
    center : (x, y), optional
        Point that stays, in pixels from the upper left corner; the middle by default.
    fill : number or one per channel, optional
        Value outside the image, 0 by default.

    Raises
    ------
    TypeError, ValueError
        The arguments are of the wrong kind, or the mode is BICUBIC.
    """
    mode = interpolation_mode("rotate", interpolation)
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"rotate: interpolation must be NEAREST or BILINEAR; got {mode}.")
    if not isinstance(angle, (int, float)):
        raise TypeError(f"rotate: angle should be int or float; got {type(angle).__name__}.")
    if center is not None and not (isinstance(center, (list, tuple)) and len(center) == 2):
        raise TypeError(f"rotate: center should be a sequence (x, y); got {center!r}.")
    x, restore = open_image("rotate", img)
    if fill is not None:
        fill = channel_values("rotate", "fill", fill, x.shape[1], x.dtype)
    height, width = x.shape[2:]
    cx, cy = (0.0, 0.0) if center is None else (center[0] - width / 2, center[1] - height / 2)
    return restore(_arrays.rotate(x, float(angle), mode.value, expand, (cx, cy), fill))


@taught
def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Write `v` over the box of `h` by `w` pixels whose upper left corner is (i, j).

    Parameters
    ----------
    img : (..., C, H, W) Tensor or channels-last ndarray
    v : number, Tensor or ndarray that broadcasts to (C, h, w)
    inplace : bool
        Write into `img`.

    Raises
    ------
    TypeError
        `img` is a PIL image.
    ValueError
        The box leaves the image, or `v` does not fit it.
    """
    if not isinstance(img, (Tensor, np.ndarray)):
        raise TypeError(f"erase: img should be a Tensor image; got {type(img).__name__}.")
    x, restore = open_image("erase", img)
    if min(i, j, h, w) < 0 or i + h > x.shape[2] or j + w > x.shape[3]:
        raise ShapeError(
            f"erase: the box must lie within the image; got i {i}, j {j}, h {h}, w {w}, image "
            f"{x.shape[2]} by {x.shape[3]}."
        )
    value = v._data if isinstance(v, Tensor) else np.asarray(v)
    y = np.array(x, order="C")
    try:
        y[:, :, i:i + h, j:j + w] = value
    except ValueError:
        raise ShapeError(
            f"erase: v must broadcast to (C, h, w) = {(x.shape[1], h, w)}; got shape {value.shape}."
        ) from None
    return write_back("erase", img, y) if inplace else restore(y)
