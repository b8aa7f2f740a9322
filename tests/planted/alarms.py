"""False alarms: check_op on drawn cases of minigrad's own ops, which are right."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

import minigrad.nn.functional  # noqa: F401  (declares the neural ops)
from minigrad.op import registry
from minigrad.testing import Case
from minigrad.testing.check_op import examine_op

__all__ = ["count_alarms"]


def _cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for file in sorted((Path(__file__).parents[1] / "samples").glob("[!_]*.py")):
        found.update(importlib.import_module(f"samples.{file.stem}").CASES)
    return {name: case for name, case in sorted(found.items()) if name in registry}


def count_alarms(total: int, every: int = 1, first: int = 0) -> tuple[int, list[str]]:
    """(cases run, alarms) over at least `total` cases, spread over every op (or every n-th)."""
    cases = dict(list(_cases().items())[::every])
    done, alarms = 0, []
    for turn in range(first, first + 100):  # a strategy may hold fewer samples than asked
        each = math.ceil((total - done) / len(cases))
        if each <= 0:
            break
        for name, case in cases.items():
            for sample in _draw(case, each, turn):
                done += 1
                report = examine_op(registry[name], case, *sample)
                if not report.ok or report.kinks:
                    alarms.append(f"{name}: {report}")
    return done, alarms


def _draw(case: Case, count: int, turn: int) -> list[Any]:
    """Samples of a case, the same in every run."""
    found: list[Any] = []

    @seed(turn)
    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case.draw)
    def collect(sample: Any) -> None:
        found.append(sample)

    collect()
    return found
