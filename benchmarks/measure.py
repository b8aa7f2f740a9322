"""How time is taken: contestants in turn, many times, medians. What is timed is elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Result", "in_turn", "show"]

ENOUGH = 0.004  # seconds that one sample takes at least, so that the clock's grain does not matter


@dataclass
class Result:
    """Median seconds of one call, per contestant; `base` is what others are compared with."""

    name: str
    seconds: dict[str, float]
    unit: str = "ms"
    notes: dict[str, Any] = field(default_factory=dict)

    def ratio(self, base: str = "torch", to: str = "minigrad") -> float | None:
        """How many times as fast as `base` we are; None where one did not run."""
        both = base in self.seconds and to in self.seconds
        return self.seconds[base] / self.seconds[to] if both else None


def in_turn(
    contestants: dict[str, Callable[[], Any]],
    repeats: int = 15,
    budget: float = 4.0,
    enough: float = ENOUGH,
) -> dict[str, float]:
    """Median seconds of a call of each, taken in turn so that all see the same machine.

    The first call of each, which may compile, is not counted. Stops after `budget` seconds per
    contestant, but not before three rounds.
    """
    counts = {}
    for name, call in contestants.items():
        call()
        start = time.perf_counter()
        call()
        once = max(time.perf_counter() - start, 1e-7)
        counts[name] = max(1, int(enough / once))
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    end = time.perf_counter() + budget * len(contestants)
    for k in range(repeats):
        if k >= 3 and time.perf_counter() > end:
            break
        for name, call in contestants.items():
            n = counts[name]
            start = time.perf_counter()
            for _ in range(n):
                call()
            samples[name].append((time.perf_counter() - start) / n)
    return {name: statistics.median(s) for name, s in samples.items()}


def show(results: list[Result]) -> str:
    """A table: a row per result, a column per contestant, and the ratio where torch ran."""
    names = list(dict.fromkeys(n for r in results for n in r.seconds))
    wide = max((len(r.name) for r in results), default=4)
    ratios = any(r.ratio() is not None for r in results)
    head = f"{'':{wide}}" + "".join(f"{n:>14}" for n in names) + ("   torch/ours" if ratios else "")
    lines = [head]
    for r in results:
        scale = {"us": 1e6, "ms": 1e3}[r.unit]
        line = f"{r.name:{wide}}"
        for n in names:
            line += f"{r.seconds[n] * scale:11.2f} {r.unit}" if n in r.seconds else f"{'–':>14}"
        ratio = r.ratio()
        lines.append(line + (f"{ratio:13.2f}" if ratio is not None else ""))
    return "\n".join(lines)
