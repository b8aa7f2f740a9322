"""Helpers around training: `data` feeds it; `checkpoint` is there for PyTorch's scripts."""

from __future__ import annotations

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
