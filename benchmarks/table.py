"""The results as Markdown: `python -m benchmarks table before.json now.json --into FILE`.

FILE's text between the lines `<!-- results -->` and `<!-- end of results -->` is replaced; without
it the text is printed. With one file there are no columns of what was before.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .results import COMPILED, GOALS, OURS, PYTORCH, UNITS, Result, geometric_mean, load

__all__ = ["main", "markdown", "replace_between"]

Cases = dict[tuple[str, str], Result]
Kept = tuple[list[dict[str, Any]], Cases]  # runs, cases


def main(arguments: Sequence[str]) -> None:
    """Read the files and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks table", description=__doc__)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="[before.json] now.json"
    )
    parser.add_argument("--into", type=Path, help="a Markdown file with the two marks")
    args = parser.parse_args(arguments)
    if len(args.files) > 2:
        parser.error(f"takes one or two files; got {len(args.files)}")
    text = markdown(*map(load, args.files[::-1]))
    if args.into is None:
        print(text)
        return
    try:
        replace_between(args.into, "results", text)
    except ValueError as error:
        parser.error(str(error))


def replace_between(path: Path, name: str, text: str) -> None:
    """Put text between the lines `<!-- name -->` and `<!-- end of name -->` of a file."""
    mark, end_mark = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, begin, rest = path.read_text(encoding="utf-8").partition(mark)
    _, end, tail = rest.partition(end_mark)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {mark.strip()} and {end_mark}")
    path.write_text(f"{head}{begin}\n{text}\n\n{end}{tail}", encoding="utf-8")


def markdown(now: Kept, before: Kept | None = None) -> str:
    """All tables: of the goals, of the start, and folded those of the cases."""
    runs, cases = now
    old = before[1] if before else {}
    parts = [_circumstances("Now", runs)]
    if before:
        parts.insert(0, _circumstances("Before", before[0]))
    parts += ["\n".join(_goals(cases, old)), "\n".join(_start(cases, old))]
    parts += ["\n".join(_group(g, cases, old)) for g in dict.fromkeys(g for g, _ in cases)]
    return "\n\n".join(p for p in parts if p)


def _circumstances(title: str, runs: Sequence[dict[str, Any]]) -> str:
    """When, on what and how; what all runs have in common is said once."""
    dates = sorted({r["date"].split()[0] for r in runs})
    told = []
    for r in runs:
        versions = ", ".join(f"{n} {v}" for n, v in r["versions"].items())
        told.append(f"{r['machine']}, {r['threads']} threads, {versions}")
    commands = dict.fromkeys(f"`{_whole(r['command'])}`" for r in runs)
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{title}: {when}, {'; '.join(dict.fromkeys(told))}. " + ", ".join(commands) + "."


def _whole(command: str) -> str:
    """The command without the choice of cases: a set may have been run in pieces."""
    words = shlex.split(command)
    while "--only" in words:
        del words[(at := words.index("--only")) : at + 2]
    return shlex.join(words)


def _goals(cases: Cases, old: Cases) -> Iterator[str]:
    """A row per group: goals, geometric mean and worst ratio, how many cases exceed the limit."""
    if not any(_ratios(cases, group) for group in GOALS):
        return
    yield "| ours / PyTorch | mean: goal | before | now | worst: limit | before | now | in | over |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|--:|"
    for group, goal in GOALS.items():
        ratios = _ratios(cases, group)
        if ratios:
            past = list(_ratios(old, group).values())
            wanted = "" if goal.mean is None else f"{goal.mean:.2f}"
            mean, worst = geometric_mean(list(ratios.values())), max(ratios, key=ratios.__getitem__)
            was = f"{geometric_mean(past):.2f}" if past else ""
            was_worst = f"{max(past):.2f}" if past else ""
            over = sum(r > goal.worst for r in ratios.values())
            yield (
                f"| {goal.title} | {wanted} | {was} | **{mean:.2f}** | {goal.worst:.2f}"
                f" | {was_worst} | **{ratios[worst]:.2f}** | {worst} | {over} of {len(ratios)} |"
            )


def _ratios(cases: Cases, group: str) -> dict[str, float]:
    found = {name: r.ratio for (g, name), r in cases.items() if g == group}
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def _start(cases: Cases, old: Cases) -> Iterator[str]:
    found = [r for (group, _), r in cases.items() if group == "start"]
    if not found:
        return
    yield "| start of a process | limit | before | now | PyTorch | kernels compiled |"
    yield "|---|--:|--:|--:|--:|--:|"
    for r in found:
        limit = f"{r.notes['limit']} s" if "limit" in r.notes else ""
        was = old.get((r.group, r.name))
        yield (
            f"| {r.name} | {limit} | {_shown(was, OURS)} | {_shown(r, OURS)}"
            f" | {_shown(r, 'eager')} | {r.notes.get('variants', '')} |"
        )


def _group(group: str, cases: Cases, old: Cases) -> Iterator[str]:
    """A folded table of a group's cases."""
    found = [r for (g, _), r in cases.items() if g == group]
    if group == "start" or all(OURS not in r.values for r in found):
        return
    modes = [m for m in (*PYTORCH, COMPILED) if any(m in r.values for r in found)]
    rates = any(r.flops for r in found)
    yield f"<details><summary>{GOALS[group].title if group in GOALS else group}</summary>\n"
    names = ["case", "before", "now", *modes, "ratio before", "now", *["GFLOP/s"] * rates]
    yield "| " + " | ".join(names) + " |"
    yield "|---" + "|--:" * (len(names) - 1) + "|"
    for r in found:
        was = old.get((group, r.name))
        cells = [r.name, _shown(was, OURS), *(_shown(r, n) for n in (OURS, *modes))]
        cells += [f"{x.ratio:.2f}" if x is not None and x.ratio else "" for x in (was, r)]
        cells += [f"{r.gflops:.0f}" if r.gflops else ""] * rates
        yield "| " + " | ".join(cells) + " |"
    yield "\n</details>"


def _shown(r: Result | None, who: str) -> str:
    if r is None or who not in r.values:
        return ""
    value = r.values[who] * UNITS[r.unit]
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {r.unit}"
