"""How time is taken: contestants in turn, many times, medians. What is timed is elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

__all__ = ["REST", "in_turn"]

ENOUGH = 0.004  # seconds that one sample takes at least, so that the clock's grain does not matter
REST = 0.015  # seconds after which OpenMP's and BLAS's threads have ceased to spin (10 ms measured)


def in_turn(
    contestants: dict[str, Callable[[], Any]],
    repeats: int = 15,
    budget: float = 4.0,
    enough: float = ENOUGH,
    rest: float = 0.0,
) -> dict[str, float]:
    """Median seconds of a call of each, taken in turn so that all see the same machine.

    The first call of each, which may compile, is not counted. Stops after `budget` seconds per
    contestant, but not before three rounds. `rest` seconds pass before each sample, and a short
    call is made once without a clock after them: else the threads of one contestant, which spin
    for a while when they are done, would slow the next.
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
            if rest:
                time.sleep(rest)
                if n > 1:
                    call()
            start = time.perf_counter()
            for _ in range(n):
                call()
            samples[name].append((time.perf_counter() - start) / n)
    return {name: statistics.median(s) for name, s in samples.items()}
