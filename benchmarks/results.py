"""What a measurement is, how it is printed and kept in a file. Nothing is measured here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "COMPILED", "GOALS", "OURS", "PYTORCH", "UNITS", "Goal", "Result", "add_run", "geometric_mean",
    "load", "show", "summary",
]

OURS = "minigrad"
PYTORCH = ("eager", "channels_last")  # the modes that the goals are about
COMPILED = "compile"  # torch.compile, where it was asked for
UNITS = {"us": 1e6, "ms": 1e3, "s": 1.0, "MB": 2.0**-20}


@dataclass
class Goal:
    """What a group of cases should reach, as ours / the best of PyTorch's: its mean, its worst."""

    title: str
    mean: float | None
    worst: float


GOALS = {
    "conv3x3": Goal("3x3 stride-1 convolution, forward + backward", 0.45, 0.65),
    "conv-other": Goal("other convolutions, forward + backward", 0.80, 1.10),
    "pool-norm-linear": Goal("pooling, normalisation, ReLU, Linear, cross-entropy", 0.60, 1.0),
    "inference-layer": Goal("inference of the same layers, batch 1 and 8", 0.80, 1.2),
    "float64": Goal("float64 layers, forward + backward", None, 1.3),
    "train": Goal("training step", 0.50, 0.70),
    "inference-net": Goal("inference of the same nets", 0.55, 0.90),
    "small": Goal("small tensors", 0.70, 1.0),
    "memory": Goal("peak memory of a training step", 0.70, 1.0),
}


@dataclass
class Result:
    """One case: seconds (medians) or bytes by contestant, ours being called minigrad.

    `flops` are the floating-point operations of one call, two per multiply-add, as the definition
    counts them: an algorithm that needs fewer gets a higher rate.
    """

    group: str
    name: str
    values: dict[str, float]
    unit: str = "ms"
    flops: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours / the best of PyTorch's modes: less is better. None where one did not run."""
        return self._ratio(*PYTORCH)

    @property
    def to_compiled(self) -> float | None:
        """Ours / that of torch.compile."""
        return self._ratio(COMPILED)

    def _ratio(self, *modes: str) -> float | None:
        theirs = [self.values[m] for m in modes if m in self.values]
        return self.values[OURS] / min(theirs) if theirs and OURS in self.values else None

    @property
    def gflops(self) -> float | None:
        """Our 10⁹ floating-point operations per second."""
        return self.flops / self.values[OURS] / 1e9 if self.flops else None


def geometric_mean(values: Sequence[float]) -> float:
    """(v₁ · … · vₙ)^(1/n)."""
    return math.exp(sum(map(math.log, values)) / len(values))


def show(results: Sequence[Result]) -> str:
    """A table: a row per case, a column per contestant; ratio is ours / PyTorch's best mode."""
    names = list(dict.fromkeys(n for r in results for n in r.values))
    wide = max(len(r.name) for r in results)
    derived = {
        "ratio": [_number(r.ratio, 2) for r in results],
        "to compile": [_number(r.to_compiled, 2) for r in results],
        "GFLOP/s": [_number(r.gflops, 0) for r in results],
    }
    derived = {title: cells for title, cells in derived.items() if any(cells)}
    lines = [f"{'':{wide}}" + "".join(f"{n:>15}" for n in names)]
    lines[0] += "".join(f"{title:>12}" for title in derived)
    for k, r in enumerate(results):
        line = f"{r.name:{wide}}"
        for n in names:
            got = f"{r.values[n] * UNITS[r.unit]:.2f} {r.unit}" if n in r.values else "–"
            line += f"{got:>15}"
        lines.append(line + "".join(f"{cells[k]:>12}" for cells in derived.values()))
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def summary(results: Iterable[Result]) -> str:
    """Of each group with a goal: mean and worst ratio, and what they should be."""
    groups: dict[str, list[Result]] = {}
    for r in results:
        if r.ratio is not None and r.group in GOALS:
            groups.setdefault(r.group, []).append(r)
    lines = []
    for group, members in groups.items():
        ratios = [r.ratio for r in members if r.ratio is not None]
        goal, worst = GOALS[group], max(members, key=lambda r: r.ratio or 0.0)
        wanted = "" if goal.mean is None else f" (goal {goal.mean:.2f})"
        lines.append(
            f"{group}: geometric mean {geometric_mean(ratios):.2f}{wanted},"
            f" worst {max(ratios):.2f} (limit {goal.worst:.2f}) in {worst.name}"
        )
    return "\n".join(lines)


def add_run(path: Path, run: dict[str, Any], results: Sequence[Result]) -> None:
    """Append a run to the file, which is made if there is none."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": []}
    kept["runs"].append({
        **run,
        "results": [{**asdict(r), "ratio": r.ratio, "GFLOP/s": r.gflops} for r in results],
    })
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Result]]:
    """The runs of a file, and by (group, name) each case as it was last measured."""
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    cases = {}
    for run in runs:
        for r in run["results"]:
            fields = {k: v for k, v in r.items() if k not in ("ratio", "GFLOP/s")}
            cases[r["group"], r["name"]] = Result(**fields)
    return runs, cases
