"""`nn.modules.conv._ConvNd`, by which model files recognise convolutions."""

from __future__ import annotations

from ..conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from ..conv import _Conv as _ConvNd

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "_ConvNd"]
