"""Switches that PyTorch scripts set. They can be set here and change nothing."""

from . import cudnn, mps

__all__ = ["cudnn", "mps"]
