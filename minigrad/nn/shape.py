"""Layers that only change the shape: Flatten, Unflatten, PixelShuffle."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from ._checks import positive
from ._settings import Settings
from .module import Module

__all__ = ["Flatten", "PixelShuffle", "PixelUnshuffle", "Unflatten"]


class Flatten(Settings):
    """Dims `start_dim` to `end_dim` become one. By default all but the batch."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__(start_dim=start_dim, end_dim=end_dim)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C·H·W), by default."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(Settings):
    """The one dim `dim` becomes several of sizes `unflattened_size`; one of them may be −1."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an int; got {dim!r}.")
        sizes = tuple(unflattened_size)
        if not all(isinstance(n, int) for n in sizes):
            raise TypeError(
                f"Unflatten: unflattened_size must be a tuple of ints; got {unflattened_size!r}."
            )
        super().__init__(dim=dim, unflattened_size=unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """(..., D, ...) -> (..., *unflattened_size, ...)."""
        return input.unflatten(self.dim, tuple(self.unflattened_size))


class PixelShuffle(Module):
    """(N, C·r², H, W) -> (N, C, H·r, W·r): depth laid out as space. Shi et al. 2016."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        positive("PixelShuffle", upscale_factor=upscale_factor)
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(..., C·r², H, W) -> (..., C, H·r, W·r)."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H·r, W·r) -> (N, C·r², H, W): space laid out as depth."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        positive("PixelUnshuffle", downscale_factor=downscale_factor)
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(..., C, H·r, W·r) -> (..., C·r², H, W)."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"
