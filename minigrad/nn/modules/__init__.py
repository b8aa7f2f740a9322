"""The places in PyTorch's insides that model files import from. Nothing is defined here."""

from __future__ import annotations

from ..module import Module
from . import batchnorm, conv, loss, module, utils

__all__ = ["Module", "batchnorm", "conv", "loss", "module", "utils"]
