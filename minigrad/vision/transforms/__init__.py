"""Image transforms, as in torchvision.transforms; each works on one image and on whole batches.

Kinds and layouts of images are told in `functional`.
"""

from __future__ import annotations

from . import functional
from ._arguments import InterpolationMode
from .container import Compose, Lambda, is_batched
from .convert import ConvertImageDtype, Normalize, RandomErasing, ToTensor
from .geometry import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)

__all__ = [
    "CenterCrop", "Compose", "ConvertImageDtype", "InterpolationMode", "Lambda", "Normalize", "Pad",
    "RandomCrop", "RandomErasing", "RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip",
    "Resize", "ToTensor", "functional", "is_batched",
]
