"""Checks for gradients and ops. Hypothesis is imported only by `cases` and `strategies`."""

from __future__ import annotations

from .explain import Finding, GradcheckError, KinkWarning, Report
from .gradcheck import examine, examine_second, gradcheck, gradgradcheck

__all__ = [
    "Finding",
    "GradcheckError",
    "KinkWarning",
    "Report",
    "examine",
    "examine_second",
    "gradcheck",
    "gradgradcheck",
]
