"""Peak memory of training steps, each in a process of its own (Linux: it reads /proc).

`python -m benchmarks.memory NETWORK CONTESTANT THREADS` is that process.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .contestants import Contestant, contestants
from .models import training_step
from .networks import NETWORKS
from .results import Result

__all__ = ["memory"]

STEPS = 6  # until pools and moments are there
FIRST = 8  # images of the step before, enough for the algorithms that the whole batch takes


def memory(
    libraries: list[Contestant], only: Callable[[str, str], bool], budget: float = 0.0
) -> list[Result]:
    """Megabytes of peak RSS over the RSS before the model was made.

    By then one step of some images was made with a model of the same kind, so that code (Numba's,
    oneDNN's, compiled kernels) is not counted; notes give the peak of the whole process.
    """
    import minigrad

    results = []
    for net in NETWORKS:
        name = f"{net.name} batch {net.batch}"
        if only("memory", name):
            values, whole = {}, {}
            for c in libraries:
                command = [net.name, c.name, str(minigrad.get_num_threads())]
                for _ in range(2 if c.name == "minigrad" else 1):  # the first one may compile
                    said = subprocess.run(
                        [sys.executable, "-m", __spec__.name, *command], check=True,
                        stdout=subprocess.PIPE, text=True,
                    ).stdout
                over, peak = json.loads(said)
                values[c.name], whole[c.name] = over, round(peak / 2**20)
            results.append(Result("memory", name, values, "MB", notes={"process, MB": whole}))
    return results


def measure(network: str, name: str, threads: int) -> tuple[int, int]:
    """Bytes of peak RSS over the RSS before the model was made, and of peak RSS."""
    against = None if name == "minigrad" else "torch"
    (contestant,) = [c for c in contestants(against, name == "compile", threads) if c.name == name]
    (net,) = [n for n in NETWORKS if n.name == network]
    channels, height, width = net.image
    small = replace(net, image=(channels, min(height, 64), min(width, 64)))
    training_step(contestant, small, FIRST)()
    gc.collect()
    _trim()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    step = training_step(contestant, net, net.batch)
    for _ in range(STEPS):
        step()
    peak = _status("VmHWM")
    return peak - before, peak


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))


def _trim() -> None:
    """Give freed memory back to the system, where the C library is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
