"""Images read at any place: affine_grid says where, grid_sample reads. Resizing: resample.py."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..op import composite
from ..tensor import Tensor
from .arguments import floating, shape_of, shown
from .creation import linspace, ones_like
from .gather import gather
from .join import stack
from .linalg import bmm

__all__ = ["affine_grid", "grid_sample"]


@composite
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Where each pixel of an image that is moved by an affine map comes from.

        grid[n,i,j] = theta[n] · (x_j, y_i, 1),   x and y from −1 to 1 over the image

    Parameters
    ----------
    theta : (N, 2, 3) float
    size : (N, C, H, W)
        Of the image to make.
    align_corners : bool
        Whether −1 and 1 are the centres of the outer pixels (True) or their outer edges.

    Returns
    -------
    (N, H, W, 2) float, each (x, y).
    """
    floating("affine_grid", theta=theta)
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (2, 3) or len(size) != 4:
        raise ShapeError(
            "affine_grid: theta must be (N, 2, 3) and size (N, C, H, W); got theta "
            f"{shape_of(theta)}, size {tuple(size)}."
        )
    n, _, h, w = (int(s) for s in size)
    y, x = (_base(k, align_corners, theta) for k in (h, w))
    x, y = x.expand(h, w), y.unsqueeze(1).expand(h, w)
    base = stack([x, y, ones_like(x)], -1).reshape(1, h * w, 3).expand(n, h * w, 3)
    return bmm(base, theta.transpose(1, 2)).reshape(n, h, w, 2)


def _base(n: int, align_corners: bool | None, like: Tensor) -> Tensor:
    if n == 1:
        return linspace(0, 0, 1, dtype=like.dtype)
    line = linspace(-1, 1, n, dtype=like.dtype)
    return line if align_corners else line * ((n - 1) / n)


@composite
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The image read at the places of the grid, between pixels.

    Parameters
    ----------
    input : (N, C, H, W) float
    grid : (N, OH, OW, 2) float
        Places (x, y), −1 at the left and top, 1 at the right and bottom.
    mode : {'bilinear', 'nearest'}
    padding_mode : {'zeros', 'border', 'reflection'}
        What stands outside the image.
    align_corners : bool
        Whether −1 and 1 are the centres of the outer pixels (True) or their outer edges.

    Returns
    -------
    (N, C, OH, OW) float
    """
    floating("grid_sample", input=input, grid=grid)
    if mode not in ("bilinear", "nearest"):
        raise ShapeError(f"grid_sample: mode must be 'bilinear' or 'nearest'; got mode {mode!r}.")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ShapeError(
            "grid_sample: padding_mode must be 'zeros', 'border' or 'reflection'; got "
            f"padding_mode {padding_mode!r}."
        )
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2 or len(grid) != len(input):
        raise ShapeError(
            "grid_sample: input must be (N, C, H, W) and grid (N, OH, OW, 2); got "
            f"{shown(input=input, grid=grid)}."
        )
    h, w = shape_of(input)[2:]
    if not h or not w:
        raise ShapeError(f"grid_sample: the image must not be empty; got {shown(input=input)}.")
    x = _place(grid[..., 0], w, padding_mode, align_corners)
    y = _place(grid[..., 1], h, padding_mode, align_corners)
    if mode == "nearest":
        return _read(input, x.detach().round(), y.detach().round())
    left, top = x.detach().floor(), y.detach().floor()
    fx, fy = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
    upper = _read(input, left, top) * (1 - fx) + _read(input, left + 1, top) * fx
    lower = _read(input, left, top + 1) * (1 - fx) + _read(input, left + 1, top + 1) * fx
    return upper * (1 - fy) + lower * fy


def _place(at: Tensor, n: int, padding_mode: str, align_corners: bool | None) -> Tensor:
    """Places in [−1, 1] as pixels, brought into the image unless zeros stand outside."""
    at = (at + 1) * ((n - 1) / 2) if align_corners else (at + 1) * (n / 2) - 0.5
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
        if not span:
            return at * 0
        at = (at - low).abs() % (2 * span)
        at = span - (at - span).abs() + low
    return at if padding_mode == "zeros" else at.clamp(0, n - 1)


def _read(input: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The pixels at whole places (N, OH, OW), 0 outside."""
    n, c, h, w = shape_of(input)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    at = (y.clamp(0, h - 1) * w + x.clamp(0, w - 1)).long().reshape(n, 1, -1).expand(n, c, -1)
    found = gather(input.reshape(n, c, h * w), 2, at).reshape(n, c, *shape_of(x)[1:])
    return found * inside.unsqueeze(1).to(input.dtype)
