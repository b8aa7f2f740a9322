"""Checks for gradients and ops. Hypothesis is imported only by `strategies` and `properties`."""

from __future__ import annotations

from typing import Any

from .cases import Case
from .check_op import check_op
from .explain import CheckError, Finding, GradcheckError, KinkWarning, Report
from .gradcheck import examine, examine_second, gradcheck, gradgradcheck

__all__ = [
    "Case",
    "CheckError",
    "Finding",
    "GradcheckError",
    "KinkWarning",
    "Report",
    "check_op",
    "examine",
    "examine_second",
    "gradcheck",
    "gradgradcheck",
    "property_test",
]


def __getattr__(name: str) -> Any:
    if name == "property_test":  # needs Hypothesis
        from .properties import property_test

        return property_test
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
