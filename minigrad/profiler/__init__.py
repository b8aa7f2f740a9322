"""Where a program's time goes, op by op, and how close to the machine's limits: PyTorch's names.

    with profile() as prof:
        step()
    print(prof.key_averages().table(sort_by="self_cpu_time_total"))
    prof.export_chrome_trace("trace.json")

An op costs the same as ever while no profile runs: what is measured is put in place when one
starts, and taken away when it stops (hooks.py). What an op should cost is in costs.py, how it is
shown in averages.py.
"""

from __future__ import annotations

import enum
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .averages import EventAverage, EventList
from .costs import Peak, peak
from .events import Event, Recorder
from .hooks import installed

__all__ = [
    "Event", "EventAverage", "EventList", "Peak", "ProfilerActivity", "peak", "profile",
    "record_function",
]

_running: Recorder | None = None
_starting = threading.Lock()


class ProfilerActivity(enum.Enum):
    """What can be profiled; there is one device."""

    CPU = 0


class profile:
    """Record every op, backward step and optimiser's step until the block ends, in all threads.

    Parameters
    ----------
    activities : iterable of ProfilerActivity, optional
        `ProfilerActivity.CPU`, or nothing.
    record_shapes, with_flops : bool
        Taken for PyTorch's sake: shapes and FLOPs are always recorded.

    Raises
    ------
    RuntimeError
        Another profile is running, or what is asked for needs one that has stopped.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad.profiler import profile, record_function
    >>> x = minigrad.ones(8, 8, requires_grad=True)
    >>> with profile() as prof:
    ...     with record_function("two products"):
    ...         (x @ x @ x).sum().backward()
    >>> [(e.key, e.count, e.flops) for e in prof.key_averages() if e.key == "matmul"]
    [('matmul', 2, 2048.0), ('matmul', 4, 4096.0)]
    """

    def __init__(
        self, *, activities: Iterable[ProfilerActivity] | None = None, record_shapes: bool = False,
        with_flops: bool = False,
    ) -> None:
        self._recorder: Recorder | None = None
        self._restore: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to record."""
        global _running
        with _starting:
            if _running is not None:
                raise RuntimeError(
                    "profile: another profile is running; got a second start. Stop the first one, "
                    "or mark a part of it with record_function."
                )
            self._recorder = _running = Recorder()
        self._restore = installed(self._recorder)
        self._recorder.begun = time.perf_counter_ns()

    def stop(self) -> None:
        """Stop recording; the results are there from now on."""
        global _running
        if self._recorder is None or self._restore is None:
            return
        self._recorder.ended = time.perf_counter_ns()
        self._restore()
        self._restore = _running = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _done(self, what: str) -> Recorder:
        if self._recorder is None or self._restore is not None:
            raise RuntimeError(
                f"{what}: the profile must have stopped; it "
                f"{'never started' if self._recorder is None else 'is running'}. Call it after the "
                "with block."
            )
        return self._recorder

    def events(self) -> list[Event]:
        """Everything that was recorded, in the order in which it began."""
        return sorted(self._done("events").events, key=lambda e: e.start)

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """The events summed by name and by pass (forward, backward), and on request by shapes."""
        recorder = self._done("key_averages")
        return EventList.of(
            self.events(), recorder.ended - recorder.begun, group_by_input_shape
        )

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a timeline for chrome://tracing or ui.perfetto.dev."""
        recorder = self._done("export_chrome_trace")
        pid = os.getpid()
        told: list[dict[str, Any]] = [
            {"name": "process_name", "ph": "M", "pid": pid, "args": {"name": "minigrad"}},
            *(
                {"name": "thread_name", "ph": "M", "pid": pid, "tid": t, "args": {"name": name}}
                for t, name in recorder.threads.items()
            ),
            *(
                {
                    "name": e.name, "cat": e.kind, "ph": "X", "pid": pid, "tid": e.thread,
                    "ts": (e.start - recorder.begun) / 1e3, "dur": (e.end - e.start) / 1e3,
                    "args": e.details(),
                }
                for e in self.events()
            ),
        ]
        trace = {"traceEvents": told, "displayTimeUnit": "ms"}
        Path(path).write_text(json.dumps(trace), encoding="utf-8")


class record_function:
    """Give a part of the program a name in the profile: a context manager, or a decorator.

    Where no profile runs, nothing happens.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._open: list[tuple[Recorder, Event] | None] = []

    def __enter__(self) -> record_function:
        recorder = _running
        self._open.append(
            None if recorder is None else (recorder, recorder.begin(self.name, "user"))
        )
        return self

    def __exit__(self, *exc: object) -> None:
        opened = self._open.pop()
        if opened is not None:
            opened[0].end(opened[1])

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return fn(*args, **kwargs)

        return wrapped
