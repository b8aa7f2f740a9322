"""What all transform classes share: the batch flag, the call, the random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import random

__all__ = ["Transform", "rng"]


def rng() -> np.random.Generator:
    """The generator that `minigrad.manual_seed` seeds."""
    return random.default_generator.numpy()


class Transform:
    """A callable on images. Subclasses define `forward`.

    Attributes
    ----------
    batched : bool
        Whether a call with a whole batch does to each image what a call with that image alone
        would do, random draws included. Data sets then fetch batches in one go. A callable of
        your own may say so too, by an attribute of this name.
    """

    batched: bool = True

    def __call__(self, img: Any) -> Any:
        return self.forward(img)

    def forward(self, img: Any) -> Any:
        """The transformed image or batch."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
