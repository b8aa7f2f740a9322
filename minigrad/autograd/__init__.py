"""Differentiation as torch.autograd offers it. The walk itself is minigrad.engine."""

from __future__ import annotations

from ..contract import set_contract_checks
from ..differentiate import backward, grad
from ..engine import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from ..testing.gradcheck import GradcheckError, gradcheck, gradgradcheck
from . import function, functional
from .function import Function
from .variable import Variable

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_contract_checks",
    "set_detect_anomaly",
    "set_grad_enabled",
]
