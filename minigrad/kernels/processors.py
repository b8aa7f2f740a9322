"""How many processors there are for this process, and which runs a thread; nothing else."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

__all__ = ["cpu_quota", "cpus", "current_cpu", "default_threads"]


def _find_current_cpu() -> Callable[[], int]:
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError, AttributeError):
            function = ctypes.CDLL(None).sched_getcpu
            function.argtypes, function.restype = (), ctypes.c_int
            return function
    return lambda: -1


current_cpu = _find_current_cpu()


def cpus() -> int:
    """How many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """MINIGRAD_NUM_THREADS, else as many as there are processors or the quota allows."""
    asked = os.environ.get("MINIGRAD_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    quota = cpu_quota(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, math.ceil(min(cpus(), quota)))


def cpu_quota(root: Path, groups: Path) -> float:
    """CPUs that the container may use, by cgroup version 2 or 1; infinite if nothing limits."""
    quota = math.inf
    try:
        lines = [line.split(":", 2) for line in groups.read_text().splitlines()]
    except OSError:
        lines = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":
            base = root
        elif "cpu" in controllers.split(","):
            base = root / "cpu"
        else:
            continue
        here = base / path.lstrip("/")
        for folder in chain([base, here], here.parents):
            if folder == base or base in folder.parents:
                quota = min(quota, _folder_quota(folder))
    return quota


def _folder_quota(folder: Path) -> float:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return math.inf
    try:
        cpus = float(limit) / float(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return math.inf
    return cpus if cpus > 0 else math.inf
