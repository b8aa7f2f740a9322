"""The pytest plugin: a Hypothesis profile without deadline, `--grad-order`, reports of failures.

It is loaded by an entry point in every pytest run where minigrad is installed, so it imports
nothing until it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
]

PROFILE = "minigrad"
VARIABLE = "MINIGRAD_GRAD_ORDER"  # so that processes which tests start obey, too
_before = pytest.StashKey[str | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--grad-order`."""
    parser.getgroup("minigrad").addoption(
        "--grad-order",
        type=int,
        choices=(0, 1, 2),
        default=None,
        help="check gradients up to this order, where a test asks for more (default: all)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the profile before any conftest, so that a conftest's own profile wins."""
    try:
        from hypothesis import settings
    except ImportError:
        return
    # The first call of an op compiles its kernel: no deadline can be right for it.
    settings.register_profile(PROFILE, deadline=None)
    settings.load_profile(PROFILE)


def pytest_configure(config: pytest.Config) -> None:
    """Pass `--grad-order` on."""
    order = config.getoption("--grad-order")
    config.stash[_before] = os.environ.get(VARIABLE)
    if order is not None:
        os.environ[VARIABLE] = str(order)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the environment as it was."""
    before = config.stash.get(_before, None)
    if before is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Print the report of a failed check under the test's name."""
    report: Any = yield
    text = "" if call.excinfo is None else _report_of(call.excinfo.value)
    if text:
        report.sections.append(("gradient report", text))
    return report


def _report_of(error: BaseException) -> str:
    """The report that an error carries; of several, as Hypothesis raises them, all."""
    parts = getattr(error, "exceptions", None)
    if parts:
        return "\n\n".join(filter(None, map(_report_of, parts)))
    report = getattr(error, "report", None)
    return str(report) if report is not None and hasattr(report, "findings") else ""
