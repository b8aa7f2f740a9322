"""What the first step costs, in processes of their own: import, compiling, loading.

`python -m benchmarks.start import|step LIBRARY NETWORK THREADS` is such a process.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, ClassVar

from .results import Result

__all__ = ["start"]

REPEATS = 5
LIMITS = {"LeNet, cold": 8.0, "ResNet-20, cold": 20.0, "LeNet, warm": 1.2}


def start(
    libraries: list[Any], only: Callable[[str, str], bool], budget: float = 0.0
) -> list[Result]:
    """Seconds from the start of the process to the end of the import or of the first step.

    Cold: with no compiled kernel on disk. Warm: with all of them there. Notes say where they went.
    """
    libs = {c.name: c.lib.__name__ for c in libraries if c.name in ("minigrad", "eager")}
    results = []
    for library in libs.values():
        _process("import", library, "", None)  # which writes it
    if only("start", "import"):
        results.append(_warm("import", libs, "import", "LeNet", None))
    for net in ("LeNet", "ResNet-20"):
        cold, warm = f"{net}, cold", f"{net}, warm"
        if only("start", cold) or only("start", warm):
            with tempfile.TemporaryDirectory() as folder:
                took, notes = _process("step", "minigrad", net, folder)
                results.append(Result("start", cold, {"minigrad": took}, "s", notes=notes))
                if only("start", warm):
                    results.append(_warm(warm, libs, "step", net, folder))
    for r in results:
        if r.name in LIMITS:
            r.notes["limit"] = LIMITS[r.name]
    return results


def _warm(name: str, libs: dict[str, str], job: str, net: str, cache: str | None) -> Result:
    """Medians over processes, and the parts of the last of ours."""
    samples: dict[str, list[float]] = {n: [] for n in libs}
    notes: dict[str, Any] = {}
    for _ in range(REPEATS):
        for n, library in libs.items():
            took, parts = _process(job, library, net, cache)
            samples[n].append(took)
            notes = parts if n == "minigrad" else notes
    values = {n: statistics.median(s) for n, s in samples.items()}
    return Result("start", name, values, "s", notes=notes)


def _process(
    job: str, library: str, net: str, cache: str | None
) -> tuple[float, dict[str, Any]]:
    """Seconds that one process took to the end of its job, and what it says about them."""
    import minigrad

    env = dict(os.environ) if cache is None else {**os.environ, "NUMBA_CACHE_DIR": cache}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its byte code
    began = time.time()
    said = subprocess.run(
        [sys.executable, "-m", __spec__.name, job, library, net, str(minigrad.get_num_threads())],
        check=True, capture_output=True, text=True, env=env,
    ).stdout
    ended, notes = json.loads(said.splitlines()[-1])
    return ended - began, notes


def _child(job: str, library: str, net_name: str, threads: int) -> tuple[float, dict[str, Any]]:
    """When the job was done, by the clock of the day; seconds by part and by compiled kernel."""
    parts = {}

    def timed(name: str, call: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        result = call(*args)
        parts[name] = round(time.perf_counter() - began, 3)
        return result

    lib = timed(f"import {library}", importlib.import_module, library)
    if job == "import":
        return time.time(), {"parts": parts}
    compiled: dict[str, list[float]] = {}
    if library == "minigrad":
        event = timed("import numba", importlib.import_module, "numba.core.event")
        event.register("numba:compile", _listener(event, compiled))
    from .contestants import Contestant
    from .models import training_step
    from .networks import NETWORKS

    lib.set_num_threads(threads)
    (net,) = [n for n in NETWORKS if n.name == net_name]
    step = timed("model", training_step, Contestant(library, lib), net, net.batch)
    timed("first step", step)
    ended = time.time()
    timed("second step", step)
    notes: dict[str, Any] = {"parts": parts}
    if compiled:
        notes["kernels"] = len(compiled)
        notes["variants"] = sum(map(len, compiled.values()))
        seconds = {k: round(sum(v), 2) for k, v in compiled.items()}
        notes["compile seconds"] = dict(sorted(seconds.items(), key=lambda kv: -kv[1]))
    return ended, notes


def _listener(event: Any, compiled: dict[str, list[float]]) -> Any:
    """Notes the seconds of each kernel's compilations, those of its helpers included."""

    class Listener(event.Listener):  # type: ignore[misc]
        stack: ClassVar[list[float]] = []

        def on_start(self, event: Any) -> None:
            self.stack.append(time.perf_counter())

        def on_end(self, event: Any) -> None:
            took = time.perf_counter() - self.stack.pop()
            if not self.stack:
                name = event.data["dispatcher"].py_func.__name__
                compiled.setdefault(name, []).append(took)

    return Listener()


if __name__ == "__main__":
    print(json.dumps(_child(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))
