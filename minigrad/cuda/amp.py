"""The older place of `minigrad.amp`, for PyTorch's scripts."""

from __future__ import annotations

from ..amp import GradScaler, autocast, custom_bwd, custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
