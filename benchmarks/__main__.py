"""Time minigrad: `python -m benchmarks layers models --against torch --json now.json`.

Ratios are minigrad's time (or memory) / that of the better of PyTorch eager and channels_last.
`python -m benchmarks table [before.json] now.json` makes the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minigrad

from .contestants import contestants
from .custom import custom
from .layers import layers
from .memory import memory
from .models import models
from .overhead import overhead
from .results import Result, add_run, show, summary
from .start import start
from .table import main as table

SETS: dict[str, Callable[..., list[Result]]] = {
    "layers": layers, "models": models, "overhead": overhead, "memory": memory, "start": start,
    "custom": custom,
}


def main() -> None:
    """Run the named sets, print a table of each, and store all numbers with the machine's."""
    if sys.argv[1:2] == ["table"]:
        return table(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sets", nargs="+", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--against", choices=["torch"], help="run it too, in turn, in this process")
    parser.add_argument("--compile", action="store_true", help="run torch.compile's models too")
    parser.add_argument("--threads", type=int, help="threads of every library")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT",
        help="run the cases with this in 'group: name'; may be given several times",
    )
    parser.add_argument("--budget", type=float, help="seconds per case and contestant")
    parser.add_argument("--json", type=Path, help="add the numbers to this file")
    args = parser.parse_args()
    if args.compile and args.against is None:
        parser.error("--compile needs --against torch")

    def only(group: str, name: str) -> bool:
        return not args.only or any(text in f"{group}: {name}" for text in args.only)

    try:
        libraries = contestants(args.against, args.compile, args.threads)
    except ImportError:
        parser.error(f"{args.against} is not installed; run: pip install -e '.[oracle]'")
    run = _circumstances({c.lib.__name__: c.lib for c in libraries})
    versions = ", ".join(f"{n} {v}" for n, v in run["versions"].items())
    print(f"{run['machine']}, {run['threads']} threads; {versions}")
    found = []
    options = {} if args.budget is None else {"budget": args.budget}
    for name in args.sets:
        results = SETS[name](libraries, only, **options)
        found += results
        if args.json and results:
            add_run(args.json, run, results)
        for group in dict.fromkeys(r.group for r in results):
            print(f"\n{name}: {group}\n{show([r for r in results if r.group == group])}")
    if not found:
        parser.error(f"no case of {', '.join(args.sets)} has {' or '.join(args.only)} in its name")
    if text := summary(found):
        print(f"\nours / the best of PyTorch's\n{text}")


def _circumstances(libs: dict[str, Any]) -> dict[str, Any]:
    import numpy

    versions = {n: getattr(lib, "__version__", "") for n, lib in libs.items()}
    versions |= {"numpy": numpy.__version__, "python": platform.python_version()}
    asked = sys.argv[1:]
    if "--json" in asked:  # where they are kept does not matter
        del asked[(at := asked.index("--json")) : at + 2]
    return {
        "command": shlex.join(["python", "-m", "benchmarks", *asked]),
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
        "machine": _processor(),
        "threads": minigrad.get_num_threads(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return name


if __name__ == "__main__":
    main()
