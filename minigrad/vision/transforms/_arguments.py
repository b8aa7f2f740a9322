"""Checks of what the user passed to transforms: sizes, paddings, fills, modes. No pixels here."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from ...errors import ShapeError

__all__ = ["InterpolationMode", "channel_values", "interpolation_mode", "output_size", "paddings",
           "probability", "resized_size"]


class InterpolationMode(Enum):
    """How values between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


_FROM_PILLOW = {0: InterpolationMode.NEAREST, 2: InterpolationMode.BILINEAR,
                3: InterpolationMode.BICUBIC}


def interpolation_mode(op: str, value: Any) -> InterpolationMode:
    """An InterpolationMode from one, or from Pillow's integer constant."""
    if isinstance(value, InterpolationMode):
        return value
    if isinstance(value, int) and int(value) in _FROM_PILLOW:
        return _FROM_PILLOW[int(value)]
    names = ", ".join(str(m) for m in InterpolationMode)
    raise TypeError(
        f"{op}: interpolation must be an InterpolationMode or Pillow's integer constant; got "
        f"{value!r}. Choose from {names}."
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def output_size(op: str, size: Any) -> tuple[int, int]:
    """(height, width) from an int (a square) or a sequence of one or two ints."""
    parts: Any = [size] if isinstance(size, numbers.Number) else size
    if not isinstance(parts, Sequence) or not all(_is_int(p) for p in parts):
        raise TypeError(
            f"{op}: size should be int or sequence of ints; got {size!r}. Use {op}(32) or "
            f"{op}((height, width))."
        )
    if len(parts) not in (1, 2):
        raise ValueError(
            f"{op}: please provide only two dimensions (h, w) for size; got {size!r}."
        )
    height, width = int(parts[0]), int(parts[-1])
    if height < 1 or width < 1:
        raise ShapeError(f"{op}: size must be at least 1 pixel; got {size!r}.")
    return height, width


def resized_size(
    op: str, image: tuple[int, int], size: Any, max_size: int | None
) -> tuple[int, int]:
    """(height, width) after a resize: an int is the smaller edge, and keeps the aspect ratio."""
    one = _is_int(size) or (isinstance(size, Sequence) and len(size) == 1)
    if not one:
        if max_size is not None:
            raise ValueError(
                f"{op}: max_size should only be passed if size is the length of the smaller edge; "
                f"got size {size!r}, max_size {max_size}. Drop max_size."
            )
        return output_size(op, size)
    (short_wanted, _), (height, width) = output_size(op, size), image
    if max_size is not None and max_size <= short_wanted:
        raise ValueError(
            f"{op}: max_size must be strictly greater than the size asked for the smaller edge; "
            f"got max_size {max_size}, size {size!r}."
        )
    short, long = sorted(image)
    new_short, new_long = short_wanted, int(short_wanted * long / short)
    if max_size is not None and new_long > max_size:
        new_short, new_long = int(max_size * new_short / new_long), max_size
    if new_short < 1:
        raise ShapeError(
            f"{op}: an image of {height} by {width} pixels has no smaller edge left within "
            f"max_size {max_size}. Pass size=(height, width)."
        )
    return (new_short, new_long) if height <= width else (new_long, new_short)


def paddings(op: str, padding: Any, mode: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from one, two (left/right, top/bottom) or four ints."""
    parts = [padding] if _is_int(padding) else padding
    if not isinstance(parts, (tuple, list)) or not all(_is_int(p) for p in parts):
        raise TypeError(f"{op}: padding must be an int or a sequence of ints; got {padding!r}.")
    if len(parts) not in (1, 2, 4):
        raise ValueError(
            f"{op}: padding must be an int or a 1, 2, or 4 element tuple, not a {len(parts)} "
            "element tuple: (all,), (left and right, top and bottom), (left, top, right, bottom)."
        )
    if not isinstance(mode, str):
        raise TypeError(f"{op}: padding_mode must be a str; got {type(mode).__name__}.")
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            f"{op}: padding_mode should be either constant, edge, reflect or symmetric; got "
            f"{mode!r}."
        )
    left, top = int(parts[0]), int(parts[1 % len(parts)])
    return left, top, int(parts[2 % len(parts)]), int(parts[3 % len(parts)])


def channel_values(
    op: str, name: str, value: Any, channels: int, dtype: np.dtype[Any]
) -> np.ndarray:
    """`value`, a number or one number per channel, as an array of 1 or `channels` elements."""
    parts = [value] if isinstance(value, numbers.Number) else value
    if not isinstance(parts, Sequence) or not all(isinstance(p, numbers.Real) for p in parts):
        raise TypeError(f"{op}: {name} must be a number or a sequence of numbers; got {value!r}.")
    if len(parts) not in (1, channels):
        raise ShapeError(
            f"{op}: {name} must be one number or one for each of the {channels} channels; got "
            f"{len(parts)} numbers."
        )
    if dtype.kind in "iu" and len(parts):
        info = np.iinfo(dtype)
        if not info.min <= min(parts) <= max(parts) <= info.max:
            raise ValueError(
                f"{op}: {name} must lie within {info.min} to {info.max} for an image of {dtype}; "
                f"got {value!r}."
            )
    return np.asarray(parts).astype(dtype)


def probability(op: str, p: Any) -> float:
    """`p`, checked to lie in [0, 1]."""
    if not isinstance(p, numbers.Real) or not 0 <= float(p) <= 1:
        raise ValueError(f"{op}: p should be a probability between 0 and 1; got {p!r}.")
    return float(p)
