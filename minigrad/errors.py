"""The exceptions minigrad raises beside Python's own. No checks live here."""

from __future__ import annotations

__all__ = ["GradientError", "ShapeError"]


class ShapeError(ValueError, RuntimeError):
    """Shapes, sizes or dims that do not fit together.

    Both a ValueError (what NumPy raises) and a RuntimeError (what PyTorch raises), so that an
    `except` clause written for either catches it.
    """


class GradientError(RuntimeError):
    """The graph was asked for something that it cannot give; the message shows the right code."""
