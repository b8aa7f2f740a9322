"""Many images in one picture, and pictures in files. Plots of networks are in `minigrad.viz`."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from .._files import write_bytes
from ..complaints import taught
from ..errors import ShapeError
from ..tensor import Tensor, wrap

__all__ = ["make_grid", "save_image"]


@taught
def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images side by side in one.

    Parameters
    ----------
    tensor : (N, C, H, W), (C, H, W) or (H, W) Tensor, or sequence of (C, H, W) Tensors
    nrow : int
        Images in a row.
    padding : int
        Pixels around each image.
    normalize : bool
        Shift and scale to [0, 1].
    value_range : (min, max), optional
        What becomes 0 and 1 then; by default the least and largest value.
    scale_each : bool
        Take those from each image, not from all.
    pad_value : float
        Value of the pixels between images.

    Returns
    -------
    (C, rows·(H + padding) + padding, columns·(W + padding) + padding) Tensor; grey becomes RGB.
    One image comes back as it is.

    Raises
    ------
    TypeError, ValueError
        `tensor` is something else, holds no image, or `value_range` is no (min, max).
    """
    x = _batch(tensor)
    if not len(x) or nrow < 1:
        raise ShapeError(f"make_grid: needs an image and a row; got {len(x)} images, nrow {nrow}.")
    if x.shape[1] == 1:
        x = np.repeat(x, 3, axis=1)
    if normalize:
        x = _to_unit(x, value_range, scale_each)
    n, channels, h, w = x.shape
    if n == 1:
        return wrap(x[0].copy())
    columns = min(nrow, n)
    rows = -(-n // columns)
    h, w = h + padding, w + padding
    grid = np.full((channels, rows * h + padding, columns * w + padding), pad_value, x.dtype)
    for k, image in enumerate(x):
        top, left = k // columns * h + padding, k % columns * w + padding
        grid[:, top:top + h - padding, left:left + w - padding] = image
    return wrap(grid)


def _batch(tensor: Any) -> np.ndarray:
    """(N, C, H, W) view or copy."""
    if isinstance(tensor, (list, tuple)) and tensor and all(isinstance(t, Tensor) for t in tensor):
        shapes = {tuple(t.shape) for t in tensor}
        if len(shapes) > 1:
            raise ShapeError(f"make_grid: images must have one shape; got {sorted(shapes)}.")
        x = np.stack([t._data for t in tensor])
        x = x[:, None] if x.ndim == 3 else x
    elif isinstance(tensor, Tensor):
        x = tensor._data
        x = x[(None,) * (4 - x.ndim)] if x.ndim in (2, 3) else x
    else:
        raise TypeError(
            f"make_grid: tensor or sequence of tensors expected; got {type(tensor).__name__}. Use "
            "minigrad.from_numpy(array)."
        )
    if x.ndim != 4:
        raise ShapeError(
            f"make_grid: images must be (N, C, H, W) or (C, H, W); got shape {x.shape}."
        )
    return x


def _to_unit(x: np.ndarray, value_range: Sequence[float] | None, each: bool) -> np.ndarray:
    if value_range is not None and not (isinstance(value_range, tuple) and len(value_range) == 2):
        raise TypeError(
            f"make_grid: value_range has to be a tuple (min, max); got {value_range!r}."
        )
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    if value_range is not None:
        low, high = (np.asarray(v, x.dtype) for v in value_range)
        x = np.clip(x, low, high)
    else:
        dims = (1, 2, 3) if each else None
        low, high = x.min(dims, keepdims=each), x.max(dims, keepdims=each)
    return (x - low) / np.maximum(high - low, np.asarray(1e-5, x.dtype))


@taught
def save_image(
    tensor: Any,
    fp: str | os.PathLike[str] | IO[bytes],
    format: str | None = None,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> None:
    """Write an image, or the grid that `make_grid` makes of several, to a file.

    Values in [0, 1] become 0 to 255, rounded; others are cut off.

    Parameters
    ----------
    fp : path, or file opened for writing bytes
    format : str, optional
        Such as 'png'; by default the ending of the path says it.

    Raises
    ------
    ImportError
        Pillow is not installed (the extra `viz` brings it).
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("save_image: needs Pillow. Use pip install pillow.") from error
    grid = make_grid(tensor, nrow, padding, normalize, value_range, scale_each, pad_value)._data
    pixels = np.clip(grid * 255.0 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if not isinstance(fp, (str, os.PathLike)):
        image.save(fp, format=format)
        return
    if format is None:
        ending = Path(fp).suffix.lower()
        format = Image.registered_extensions().get(ending)
        if format is None:
            raise ValueError(
                f"save_image: the ending of the path must say the format; got {os.fspath(fp)!r}. "
                "End it in .png, or pass format='png'."
            )
    encoded = io.BytesIO()
    image.save(encoded, format=format)
    write_bytes(fp, encoded.getvalue(), "save_image")  # a full disk leaves the old file
