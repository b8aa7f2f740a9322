"""Images of every accepted kind as one (N, C, H, W) array, and back. No transform lives here."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...tensor import Tensor, wrap

__all__ = ["image_size", "is_pil", "open_image", "pil_array", "write_back"]

PIL_MODES = ("L", "RGB", "RGBA", "F", "I", "1", "I;16")
Restore = Callable[[np.ndarray], Any]


def is_pil(img: Any) -> bool:
    """Whether `img` is a Pillow image. Never imports Pillow: without it there is none."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(img, module.Image)


def pil_array(op: str, img: Any) -> np.ndarray:
    """The pixels of a Pillow image, (H, W) or (H, W, C)."""
    if img.mode not in PIL_MODES:
        raise ValueError(
            f"{op}: a PIL image must have one of the modes {', '.join(PIL_MODES)}; got mode "
            f"{img.mode!r}. Use img.convert('RGB')."
        )
    array = np.asarray(img)
    return array.astype(np.uint8) * np.uint8(255) if img.mode == "1" else array


def open_image(op: str, img: Any) -> tuple[np.ndarray, Restore]:
    """A view of `img` as (N, C, H, W), and the function that gives a result the form of `img`.

    The layout follows from the kind, as in torchvision:

    - Tensor: channels first, (H, W), (C, H, W), (N, C, H, W) or more leading dims;
    - ndarray: channels last, (H, W) or (H, W, C) for one image, (N, H, W) or (N, H, W, C) for a
      batch. Three dims are one image when the last is 1 to 4, and a batch of greys otherwise;
    - PIL image: one image.
    """
    if isinstance(img, Tensor):
        return _open_tensor(op, img)
    if isinstance(img, np.ndarray):
        return _open_ndarray(op, img)
    if is_pil(img):
        return _open_pil(op, img)
    raise TypeError(
        f"{op}: img must be a Tensor, an ndarray or a PIL image; got {type(img).__name__}. "
        "Use np.asarray(img)."
    )


def image_size(op: str, img: Any) -> tuple[int, int, int]:
    """Channels, height and width of an image or of each image of a batch."""
    _, channels, height, width = open_image(op, img)[0].shape
    return channels, height, width


def _open_tensor(op: str, img: Tensor) -> tuple[np.ndarray, Restore]:
    x = img._data
    if img.requires_grad:
        raise RuntimeError(
            f"{op}: transforms record no gradients; got a tensor that requires grad. Use "
            "img.detach(), or the differentiable ops of minigrad.nn.functional."
        )
    if x.ndim < 2:
        raise ShapeError(
            f"{op}: a Tensor image must be (..., H, W); got shape {x.shape}. Use img.view(C, H, W)."
        )
    if x.ndim == 2:
        return x[None, None], lambda y: wrap(y[0, 0])
    lead = x.shape[:-3]
    view = x.reshape((math.prod(lead), *x.shape[-3:]))
    return view, lambda y: wrap(y.reshape(lead + y.shape[1:]))


def _open_ndarray(op: str, x: np.ndarray) -> tuple[np.ndarray, Restore]:
    if x.ndim == 2:
        return x[None, None], lambda y: y[0, 0]
    if x.ndim == 3 and 1 <= x.shape[2] <= 4:
        return x.transpose(2, 0, 1)[None], lambda y: y[0].transpose(1, 2, 0)
    if x.ndim == 3:
        return x[:, None], lambda y: y[:, 0]
    if x.ndim == 4:
        return x.transpose(0, 3, 1, 2), lambda y: y.transpose(0, 2, 3, 1)
    raise ShapeError(
        f"{op}: an ndarray image must be (H, W) or (H, W, C), a batch (N, H, W) or (N, H, W, C); "
        f"got shape {x.shape}."
    )


def _open_pil(op: str, img: Any) -> tuple[np.ndarray, Restore]:
    mode = img.mode
    view, back = _open_ndarray(op, pil_array(op, img))

    def restore(y: np.ndarray) -> Any:
        image = sys.modules["PIL.Image"]
        out = image.fromarray(np.ascontiguousarray(back(y)))
        return out if out.mode == mode else out.convert(mode)

    return view, restore


def write_back(op: str, img: Any, new: np.ndarray) -> Any:
    """Put `new`, (N, C, H, W), into the memory of `img` and return `img`."""
    if is_pil(img):
        raise TypeError(f"{op}: inplace works on tensors and arrays; got a PIL image.")
    target = open_image(op, img)[0]
    mine = img._data if isinstance(img, Tensor) else img
    if np.shares_memory(target, mine) or not mine.size:
        target[...] = new
    else:  # more than one leading dim, in strides that no view can merge
        mine[...] = new.reshape(mine.shape)
    if isinstance(img, Tensor) and img._cell is not None:
        img._cell.version += 1  # what the graph saved of it is stale now
    return img
