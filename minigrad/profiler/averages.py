"""Events summed by name, and the table of them. What an event is stands in events.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from .costs import peak
from .events import Event

__all__ = ["EventAverage", "EventList"]

SORTS = (
    "self_cpu_time_total", "cpu_time_total", "cpu_time", "count", "flops", "bytes", "key",
)
PASSES = {"user": "", "optimizer": "update"}


class EventAverage:
    """All events of one name in one pass; times in microseconds, under PyTorch's names."""

    def __init__(self, key: str, backward: bool, input_shapes: Any = ()) -> None:
        self.key, self.backward, self.input_shapes = key, backward, input_shapes
        self.kind = self.dtype = ""
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.flops = self.bytes = 0.0
        self.least = 0.0  # seconds that the machine needs for it at its peaks
        self.algorithms: Counter[str] = Counter()

    def _add(self, event: Event) -> None:
        self.kind = event.kind
        self.count += 1
        self.cpu_time_total += event.time / 1e3
        self.self_cpu_time_total += event.self_time / 1e3
        self.flops += event.flops
        self.bytes += event.bytes
        if event.bytes:
            self.dtype = "float64" if event.dtype == "float64" else "float32"
            self.least += peak(self.dtype).seconds(event.flops, event.bytes)
        if event.algorithm:
            self.algorithms[event.algorithm] += 1

    @property
    def cpu_time(self) -> float:
        """Microseconds of one call, on average."""
        return self.cpu_time_total / self.count

    @property
    def gflops(self) -> float:
        """10⁹ operations per second."""
        return self.flops / self.cpu_time_total / 1e3 if self.cpu_time_total else 0.0

    @property
    def bandwidth(self) -> float:
        """10⁹ bytes per second."""
        return self.bytes / self.cpu_time_total / 1e3 if self.cpu_time_total else 0.0

    @property
    def share_of_peak(self) -> float:
        """The time that the machine's peaks allow / the time that it took."""
        return self.least / self.cpu_time_total * 1e6 if self.cpu_time_total else 0.0

    @property
    def algorithm(self) -> str:
        """Which algorithm ran, the most frequent first; '' where there is but one."""
        return ", ".join(
            f"{name} {n}" if len(self.algorithms) > 1 else name
            for name, n in self.algorithms.most_common()
        )


class EventList(list[EventAverage]):
    """What `key_averages` returns: rows in the order in which they first began."""

    wall = 0.0  # microseconds that the profile ran
    listed = 0.0  # of which were spent inside what is listed, in the busiest thread

    @classmethod
    def of(cls, events: Iterable[Event], wall: int, by_shape: bool) -> EventList:
        """Sum `events` by name and pass."""
        rows: dict[Any, EventAverage] = {}
        outermost: Counter[int] = Counter()
        for e in events:
            shapes = e.input_shapes if by_shape else ()
            key = (e.name, e.backward, shapes)
            if key not in rows:
                rows[key] = EventAverage(*key)
            rows[key]._add(e)
            if e.parent is None:
                outermost[e.thread] += e.time
        made = cls(rows.values())
        made.wall, made.listed = wall / 1e3, max(outermost.values(), default=0) / 1e3
        return made

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all rows together."""
        return sum(r.self_cpu_time_total for r in self)

    def table(self, sort_by: str | None = None, row_limit: int = 100) -> str:
        """The rows as text.

        Parameters
        ----------
        sort_by : str, optional
            'self_cpu_time_total', 'cpu_time_total', 'cpu_time', 'count', 'flops', 'bytes' or
            'key'; the largest first. By default rows stand as they first began.
        row_limit : int
            How many rows are shown; -1 for all.

        Raises
        ------
        ValueError
            There is no such thing to sort by.
        """
        rows: list[EventAverage] = list(self)
        if sort_by is not None:
            if sort_by not in SORTS:
                raise ValueError(
                    f"table: sort_by must be one of {', '.join(SORTS)}; got sort_by {sort_by!r}."
                )
            rows.sort(key=lambda r: getattr(r, sort_by), reverse=sort_by != "key")
        shown = rows if row_limit < 0 else rows[:row_limit]
        shapes = any(r.input_shapes for r in shown)
        head = ["name", "pass", "self", "self %", "total", "per call", "calls", "GFLOP/s", "GB/s",
                "of peak", "algorithm", *["input shapes"] * shapes]
        body = [self._cells(r, shapes) for r in shown]
        wide = [max(len(line[k]) for line in [head, *body]) for k in range(len(head))]
        text = {0, 1, *range(10, len(head))}  # the other columns are numbers
        lines = [
            "  ".join(
                cell.ljust(w) if k in text else cell.rjust(w)
                for k, (cell, w) in enumerate(zip(line, wide))
            ).rstrip()
            for line in [head, *body]
        ]
        lines.insert(1, "-" * max(map(len, lines)))
        between = max(self.wall - self.listed, 0.0)
        best = peak()
        lines += [
            lines[1],
            f"{_time(self.wall)} in all, {_time(between)} of it outside these rows: "
            "Python, and what is no op",
            f"peak: {best.flops / 1e9:.0f} GFLOP/s (float32 product),"
            f" {best.bandwidth / 1e9:.1f} GB/s (copy)",
        ]
        return "\n".join(lines)

    def _cells(self, r: EventAverage, shapes: bool) -> list[str]:
        share = r.self_cpu_time_total / self.wall if self.wall else 0.0
        during = PASSES.get(r.kind, "backward" if r.backward else "forward")
        cells = [
            r.key, during, _time(r.self_cpu_time_total), f"{share:.1%}",
            _time(r.cpu_time_total), _time(r.cpu_time), str(r.count),
            f"{r.gflops:.1f}" if r.flops else "", f"{r.bandwidth:.1f}" if r.bytes else "",
            f"{r.share_of_peak:.0%}" if r.bytes else "", r.algorithm,
        ]
        return [*cells, str([list(s) for s in r.input_shapes])] if shapes else cells


def _time(us: float) -> str:
    """Microseconds in a unit that suits them."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:.3f} {unit}"
    return f"{us:.1f} us"
