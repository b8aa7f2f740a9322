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
from minigrad.testing.check_op import check_case

__all__ = ["count_alarms"]


def _cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for file in sorted((Path(__file__).parents[1] / "samples").glob("[!_]*.py")):
        found.update(importlib.import_module(f"samples.{file.stem}").CASES)
    return {name: case for name, case in sorted(found.items()) if name in registry}


def count_alarms(total: int, every: int = 1) -> tuple[int, list[str]]:
    """(cases run, alarms) over at least `total` cases, spread over every op (or every n-th)."""
    cases = dict(list(_cases().items())[::every])
    done, alarms = 0, []
    for round_ in range(100):
        each = math.ceil((total - done) / len(cases))
        if each <= 0:
            break
        for name, case in cases.items():

            @seed(round_)
            @settings(
                max_examples=each, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case.draw)
            def run(sample: Any, name: str = name, case: Case = case) -> None:
                nonlocal done
                done += 1
                report = check_case(registry[name], case, *sample)
                if not report.ok or report.kinks:
                    alarms.append(f"{name}: {report}")

            run()
    return done, alarms
