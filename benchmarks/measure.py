"""How time is taken: contestants in turn, many times, medians. What is timed is elsewhere."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["in_turn", "rounds_in_turn"]

ENOUGH = 0.004  # seconds that one sample takes at least, so that the clock's grain does not matter
QUIET = 0.15  # share of the machine that others may use: OpenMP's barriers wait for a lost core


def in_turn(
    contestants: dict[str, Callable[[], Any]],
    repeats: int = 15,
    budget: float = 4.0,
    enough: float = ENOUGH,
    settle: bool = False,
) -> dict[str, float]:
    """Median seconds of a call of each, in rounds as `rounds_in_turn` takes them."""
    rounds = rounds_in_turn(contestants, repeats, budget, enough, settle)
    return {name: statistics.median([r[name] for r in rounds]) for name in contestants}


def rounds_in_turn(
    contestants: dict[str, Callable[[], Any]],
    repeats: int = 15,
    budget: float = 4.0,
    enough: float = ENOUGH,
    settle: bool = False,
) -> list[dict[str, float]]:
    """Seconds of a call of each, round by round, in turn so that all see the same machine.

    The first call of each, which may compile, is not counted. Stops after `budget` seconds per
    contestant, but not before three rounds. Rounds in which other processes used the machine are
    left out, as long as three others can be had in thrice the budget. `settle` is for contestants
    with threads: it keeps those of one from slowing the next.
    """
    counts = {}
    for name, call in contestants.items():
        call()
        start = time.perf_counter()
        call()
        once = max(time.perf_counter() - start, 1e-7)
        counts[name] = max(1, int(enough / once))
    rounds: list[tuple[float, dict[str, float]]] = []  # share of others, seconds
    begin, allowed = time.perf_counter(), budget * len(contestants)
    quiet = 0
    while quiet < repeats:
        passed = time.perf_counter() - begin
        if (passed > allowed and quiet >= 3) or (passed > 3 * allowed and len(rounds) >= 3):
            break
        others, start = _used_by_others(), time.perf_counter()
        samples = {n: _sample(call, counts[n], settle) for n, call in contestants.items()}
        elapsed = (time.perf_counter() - start) * (os.cpu_count() or 1)
        share = (_used_by_others() - others) / elapsed
        rounds.append((share, samples))
        quiet += share < QUIET
    rounds.sort(key=lambda r: r[0])
    return [samples for _, samples in rounds[: max(quiet, 3)]]


def _sample(call: Callable[[], Any], n: int, settle: bool) -> float:
    """Seconds per call, in the state that a call before it leaves."""
    if settle:
        _settle()
    call()  # else the first of a round would pay for what was done between rounds
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n


def _settle() -> None:
    """Wait until no thread spins: OpenMP's do for 10 ms after their work, OpenBLAS's for 110."""
    for _ in range(100):
        used = time.process_time()
        time.sleep(0.006)  # longer than the ticks in which the system counts
        if time.process_time() - used < 0.001:
            return


def _used_by_others() -> float:
    """Seconds of all cores that others have used, the host included; 0 where it is not known."""
    try:
        head = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, head.split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()
