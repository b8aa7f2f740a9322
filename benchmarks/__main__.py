"""Time minigrad: `python -m benchmarks overhead layers models --against torch --json out.json`."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import minigrad

from .custom import custom
from .measure import Result, show
from .networks import layers, models
from .overhead import overhead

SETS: dict[str, Callable[[dict[str, ModuleType]], list[Result]]] = {
    "overhead": overhead, "custom": custom, "layers": layers, "models": models,
}


def main() -> None:
    """Run the named sets, print a table of each, and store all numbers with the machine's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sets", nargs="+", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--against", choices=["torch"], help="run it too, in turn, in this process")
    parser.add_argument("--threads", type=int, help="threads of every library")
    parser.add_argument("--json", type=Path, help="store the numbers in this file")
    args = parser.parse_args()
    libraries: dict[str, ModuleType] = {"minigrad": minigrad}
    if args.against:
        try:
            libraries[args.against] = importlib.import_module(args.against)
        except ImportError:
            parser.error(f"{args.against} is not installed; run: pip install -e '.[oracle]'")
    for lib in libraries.values():
        lib.set_num_threads(args.threads or minigrad.get_num_threads())
    stored: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(), "python": platform.python_version(),
        "threads": minigrad.get_num_threads(),
        "versions": {n: getattr(lib, "__version__", "") for n, lib in libraries.items()},
    }
    versions = ", ".join(f"{n} {v}" for n, v in stored["versions"].items())
    print(f"{stored['threads']} threads; {versions}")
    for name in args.sets:
        results = SETS[name](libraries)
        print(f"\n{name}\n{show(results)}")
        stored[name] = [asdict(r) for r in results]
    if args.json:
        args.json.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
