"""Transforms of values, not of place: ToTensor, ConvertImageDtype, Normalize, RandomErasing."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...errors import ShapeError
from ...tensor import Tensor, wrap
from . import functional as F
from ._arguments import probability
from ._base import Transform, rng
from ._images import open_image, write_back

__all__ = ["ConvertImageDtype", "Normalize", "RandomErasing", "ToTensor"]


class ToTensor(Transform):
    """A PIL image or ndarray (H, W[, C]), or a batch of them, as a channels-first Tensor.

    uint8 becomes float in [0, 1]. See `functional.to_tensor`.
    """

    def forward(self, img: Any) -> Tensor:
        """(C, H, W) or (N, C, H, W) Tensor."""
        return F.to_tensor(img)


class ConvertImageDtype(Transform):
    """Convert to `dtype`, values scaled to its range. See `functional.convert_image_dtype`."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtypes.to_dtype(dtype)

    def forward(self, img: Any) -> Any:
        """The image in the new dtype."""
        return F.convert_image_dtype(img, self.dtype)


class Normalize(Transform):
    """Subtract each channel's mean and divide by its std. See `functional.normalize`.

    Parameters
    ----------
    mean, std : sequence of C floats
    inplace : bool
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, img: Any) -> Any:
        """The normalised tensor."""
        return F.normalize(img, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class RandomErasing(Transform):
    """Erase a random box, with probability `p`; each image of a batch gets its own.

    Area and aspect ratio (log-uniform) are drawn up to ten times, until a box fits.

    Parameters
    ----------
    p : float
    scale : (min, max), part of the image's area
    ratio : (min, max), height / width of the box
    value : number, one number per channel, or 'random' for standard normal pixels
    inplace : bool

    Raises
    ------
    TypeError, ValueError
        On construction for arguments out of range; on call for a PIL image, or a `value` that
        does not fit the channels.

    References
    ----------
    Zhong et al., Random Erasing Data Augmentation, 2017, section 3.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Any = (0.02, 0.33),
        ratio: Any = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError(
                "RandomErasing: argument value should be either a number or str or a sequence; got "
                f"{type(value).__name__}."
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(
                f"RandomErasing: if value is str, it should be 'random'; got {value!r}."
            )
        for name, pair in (("scale", scale), ("ratio", ratio)):
            if not isinstance(pair, Sequence) or len(pair) != 2:
                raise TypeError(
                    f"RandomErasing: {name} should be a sequence (min, max); got {pair!r}."
                )
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn(
                "RandomErasing: scale and ratio should be of kind (min, max)", stacklevel=2
            )
        if min(scale) < 0 or max(scale) > 1:
            raise ValueError(f"RandomErasing: scale should be between 0 and 1; got {scale}.")
        if min(ratio) <= 0:
            raise ValueError(f"RandomErasing: ratio should be positive; got {ratio}.")
        self.p = probability("RandomErasing", p)
        self.scale, self.ratio, self.value, self.inplace = scale, ratio, value, inplace

    @staticmethod
    def get_params(
        img: Any, scale: Any, ratio: Any, value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Any]:
        """(i, j, h, w, v) for `functional.erase`; the whole image and itself if no box fits."""
        x, _ = open_image("RandomErasing", img)
        found = _draw_box(x.shape[1:], scale, ratio, value)
        if found is None:
            return 0, 0, x.shape[2], x.shape[3], img
        (i, j, h, w), v = found
        return i, j, h, w, wrap(v) if isinstance(img, Tensor) else v

    def forward(self, img: Any) -> Any:
        """The image with the box erased, or the image."""
        if not isinstance(img, (Tensor, np.ndarray)):
            raise TypeError(
                f"RandomErasing: img should be a Tensor image; got {type(img).__name__}. Put "
                "ToTensor() before RandomErasing()."
            )
        x, restore = open_image("RandomErasing", img)
        value = self._values(x.shape[1])
        chosen = np.flatnonzero(rng().random(len(x)) < self.p)
        if not len(chosen):
            return img
        y = np.array(x, order="C")
        for k in chosen.tolist():
            found = _draw_box(x.shape[1:], self.scale, self.ratio, value)
            if found is not None:
                (i, j, h, w), v = found
                y[k, :, i:i + h, j:j + w] = v
        return write_back("RandomErasing", img, y) if self.inplace else restore(y)

    def _values(self, channels: int) -> list[float] | None:
        if isinstance(self.value, str):
            return None
        values: Any = self.value if isinstance(self.value, (tuple, list)) else [self.value]
        if len(values) not in (1, channels):
            raise ShapeError(
                "RandomErasing: if value is a sequence, it should have either a single value or "
                f"{channels} (number of input channels); got {len(values)}."
            )
        return [float(v) for v in values]

    def __repr__(self) -> str:
        return (f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
                f"value={self.value}, inplace={self.inplace})")


def _draw_box(
    shape: tuple[int, ...], scale: Any, ratio: Any, value: Sequence[float] | None
) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
    channels, height, width = shape
    draw = rng()
    for _ in range(10):
        area = height * width * draw.uniform(*sorted(scale))
        aspect = math.exp(draw.uniform(*np.log(sorted(ratio))))
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if h < height and w < width:
            i = int(draw.integers(0, height - h + 1))
            j = int(draw.integers(0, width - w + 1))
            if value is None:
                v = draw.standard_normal((channels, h, w), np.float32)
            else:
                v = np.asarray(value, np.float32)[:, None, None]
            return (i, j, h, w), v
    return None
