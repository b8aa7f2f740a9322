"""`nn.modules.batchnorm._BatchNorm`, by which model files recognise batch norms."""

from __future__ import annotations

from ..norm import BatchNorm1d, BatchNorm2d, _BatchNorm

__all__ = ["BatchNorm1d", "BatchNorm2d", "_BatchNorm"]
