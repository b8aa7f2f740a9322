"""Transforms that move pixels: Pad, crops, flips, Resize, RandomRotation."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ShapeError
from . import _arrays
from . import functional as F
from ._arguments import (
    InterpolationMode,
    interpolation_mode,
    output_size,
    paddings,
    probability,
    resized_size,
)
from ._base import Transform, rng
from ._images import image_size, open_image

__all__ = ["CenterCrop", "Pad", "RandomCrop", "RandomHorizontalFlip", "RandomRotation",
           "RandomVerticalFlip", "Resize"]


class Pad(Transform):
    """Add a border. See `functional.pad`.

    Parameters
    ----------
    padding : int, (left and right, top and bottom) or (left, top, right, bottom), in pixels
    fill : number or one number per channel
    padding_mode : {'constant', 'edge', 'reflect', 'symmetric'}
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        paddings("Pad", padding, padding_mode)
        if not isinstance(fill, (numbers.Number, tuple, list)):
            raise TypeError(
                f"Pad: got inappropriate fill arg {fill!r}. Use a number, or one per channel."
            )
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        """The padded image."""
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
                f"padding_mode={self.padding_mode})")


class CenterCrop(Transform):
    """The middle of the image. See `functional.center_crop`.

    Parameters
    ----------
    size : int or (height, width), in pixels
    """

    def __init__(self, size: Any) -> None:
        self.size = output_size("CenterCrop", size)

    def forward(self, img: Any) -> Any:
        """The cropped image."""
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class RandomCrop(Transform):
    """A box of the image at a random place; each image of a batch gets its own.

    Parameters
    ----------
    size : int or (height, width), in pixels
    padding : as in `functional.pad`, optional
        Border added before cropping.
    pad_if_needed : bool
        Pad images smaller than `size` on both sides by what is missing.
    fill, padding_mode : as in `functional.pad`

    Raises
    ------
    ValueError
        The padded image is smaller than `size`.
    """

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = output_size("RandomCrop", size)
        paddings("RandomCrop", 0 if padding is None else padding, padding_mode)
        self.padding, self.pad_if_needed = padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random box, for `functional.crop`."""
        _, h, w = image_size("RandomCrop", img)
        tops, lefts = _draw_corners(1, (h, w), output_size)
        return int(tops[0]), int(lefts[0]), *output_size

    def forward(self, img: Any) -> Any:
        """The cropped image."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, h, w = image_size("RandomCrop", img)
        height, width = self.size
        if self.pad_if_needed and (w < width or h < height):
            border = (max(width - w, 0), max(height - h, 0))
            img = F.pad(img, border, self.fill, self.padding_mode)
        x, restore = open_image("RandomCrop", img)
        tops, lefts = _draw_corners(len(x), x.shape[2:], self.size)
        return restore(_arrays.crop_each(x, tops, lefts, height, width))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


def _draw_corners(
    n: int, image: tuple[int, ...], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    (h, w), (height, width) = image, size
    if h < height or w < width:
        raise ShapeError(
            f"RandomCrop: required crop size {(height, width)} is larger than input image size "
            f"{(h, w)}. Pass padding=, or pad_if_needed=True."
        )
    if (h, w) == (height, width):
        return np.zeros(n, np.int64), np.zeros(n, np.int64)
    draw = rng()
    return draw.integers(0, h - height + 1, n), draw.integers(0, w - width + 1, n)


class _RandomFlip(Transform):
    _dim: int

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability(type(self).__name__, p)

    def forward(self, img: Any) -> Any:
        """The image or its mirror image."""
        x, restore = open_image(type(self).__name__, img)
        chosen = rng().random(len(x)) < self.p
        return restore(_arrays.flip_each(x, chosen, self._dim)) if chosen.any() else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Mirror left to right with probability `p`; each image of a batch on its own."""

    _dim = 3


class RandomVerticalFlip(_RandomFlip):
    """Mirror top to bottom with probability `p`; each image of a batch on its own."""

    _dim = 2


class Resize(Transform):
    """The image on another grid of pixels. See `functional.resize`.

    Parameters
    ----------
    size : int (the smaller edge) or (height, width), in pixels
    interpolation : InterpolationMode
    max_size : int, optional
    antialias : bool
    """

    def __init__(
        self,
        size: Any,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        resized_size("Resize", (1, 1), size, max_size)
        self.size, self.max_size = size, max_size
        self.interpolation = interpolation_mode("Resize", interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        """The resized image."""
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (f"{type(self).__name__}(size={self.size}, "
                f"interpolation={self.interpolation.value}, "
                f"max_size={self.max_size}, antialias={self.antialias})")


class RandomRotation(Transform):
    """Turn by a random angle; each image of a batch by its own. See `functional.rotate`.

    Parameters
    ----------
    degrees : number or (min, max)
        A number d stands for (-d, d).
    interpolation, expand, center, fill
        As in `functional.rotate`. A batch cannot be expanded: its images would differ in size.
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        if isinstance(degrees, numbers.Real):
            if float(degrees) < 0:
                raise ValueError(
                    "RandomRotation: if degrees is a single number, it must be positive; got "
                    f"{degrees}."
                )
            degrees = (-float(degrees), float(degrees))
        if not isinstance(degrees, Sequence) or len(degrees) != 2:
            raise TypeError(
                f"RandomRotation: degrees should be a number or (min, max); got {degrees!r}."
            )
        if fill is not None and not isinstance(fill, (Sequence, numbers.Number)):
            raise TypeError(
                f"RandomRotation: fill should be either a sequence or a number; got {fill!r}."
            )
        self.degrees = [float(d) for d in degrees]
        self.interpolation = interpolation_mode("RandomRotation", interpolation)
        self.expand, self.center, self.fill = expand, center, 0 if fill is None else fill

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether whole batches work: not when images are expanded."""
        return not self.expand

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle, in degrees, for `functional.rotate`."""
        return float(rng().uniform(degrees[0], degrees[1]))

    def forward(self, img: Any) -> Any:
        """The turned image."""
        x, restore = open_image("RandomRotation", img)
        if len(x) == 1:
            angle = self.get_params(self.degrees)
            return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)
        if self.expand:
            raise ShapeError(
                f"RandomRotation: a batch cannot be expanded, its images would differ in size; got "
                f"{len(x)} images. Use expand=False, or one image after another."
            )
        turned = [
            F.rotate(one.transpose(1, 2, 0)[None], self.get_params(self.degrees),
                     self.interpolation, False, self.center, self.fill)[0].transpose(2, 0, 1)
            for one in x
        ]
        return restore(np.stack(turned)) if turned else img

    def __repr__(self) -> str:
        text = (f"{type(self).__name__}(degrees={self.degrees}, "
                f"interpolation={self.interpolation.value}, expand={self.expand}")
        text += f", center={self.center}" if self.center is not None else ""
        return f"{text}, fill={self.fill})"
