"""`nn.modules.loss._Loss`, from which losses in model files inherit."""

from __future__ import annotations

from ..loss import _Loss, _Weighted

__all__ = ["_Loss", "_WeightedLoss"]

_WeightedLoss = _Weighted
