"""Dropout layers: random zeros in training, nothing in evaluation."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from ._checks import probability
from ._settings import Settings

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d"]


class _Dropout(Settings):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        probability(type(self).__name__, p)
        super().__init__(p=p, inplace=inplace)

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, each value becomes 0 with probability p; the others are divided by 1 − p."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L) sequences."""

    def forward(self, input: Tensor) -> Tensor:
        """The same shape."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Dropout of whole channels of (N, C, H, W) or (C, H, W) images. Tompson et al. 2015."""

    def forward(self, input: Tensor) -> Tensor:
        """The same shape."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Dropout that keeps the mean and variance of SELU activations. Klambauer et al. 2017."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)
