"""One thing that took time, and the recorder that keeps them; what is hooked is in hooks.py."""

from __future__ import annotations

import threading
import time
from typing import Any

from .costs import flops_of

__all__ = ["Event", "Recorder"]

Shape = tuple[int, ...]


class Event:
    """A call of an op, a step of backward, an optimiser's step or a part that the user named.

    Times are in nanoseconds of `time.perf_counter_ns`.
    """

    __slots__ = (
        "algorithm", "backward", "bytes", "dtype", "end", "inner", "input_shapes", "kind", "name",
        "output_shapes", "parent", "start", "thread",
    )

    def __init__(self, name: str, kind: str, parent: Event | None, thread: int) -> None:
        self.name = name
        self.kind = kind  # "op", "backward", "optimizer" or "user"
        self.parent = parent
        self.thread = thread
        self.backward: bool = kind == "backward" or (parent is not None and parent.backward)
        self.inner = 0  # nanoseconds of the events directly inside
        self.input_shapes: tuple[Shape, ...] = ()
        self.output_shapes: tuple[Shape, ...] = ()
        self.dtype: Any = None
        self.bytes = 0  # read and written, each array once
        self.algorithm: str | None = None
        self.start = self.end = 0

    @property
    def time(self) -> int:
        """Nanoseconds from start to end."""
        return self.end - self.start

    @property
    def self_time(self) -> int:
        """Nanoseconds without those of the events inside."""
        return self.end - self.start - self.inner

    @property
    def flops(self) -> float:
        """Floating-point operations by the op's definition, two per multiply-add; 0 if not known.

        Only products and convolutions are counted: everything else is bound by memory.
        """
        return flops_of(self.name, self.input_shapes, self.output_shapes)

    def details(self) -> dict[str, Any]:
        """What a timeline shows of it."""
        told: dict[str, Any] = {}
        if self.input_shapes:
            told["input shapes"] = [list(s) for s in self.input_shapes]
        if self.algorithm:
            told["algorithm"] = self.algorithm
        if self.time and self.flops:
            told["GFLOP/s"] = float(f"{self.flops / self.time:.3g}")
        if self.time and self.bytes:
            told["GB/s"] = float(f"{self.bytes / self.time:.3g}")
        return told

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}: {self.time / 1e3:.1f} us>"


class _Open(threading.local):
    """The innermost event of this thread that has not ended."""

    event: Event | None = None


class Recorder:
    """All events of one profile; `begin` and `end` nest in each thread."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.threads: dict[int, str] = {}
        self.begun = self.ended = 0
        self._open = _Open()

    @property
    def current(self) -> Event | None:
        """The event that this thread is in."""
        return self._open.event

    def begin(self, name: str, kind: str) -> Event:
        """Open an event in this thread; its clock starts as late as possible."""
        thread = threading.get_ident()
        if thread not in self.threads:
            self.threads[thread] = threading.current_thread().name
        event = self._open.event = Event(name, kind, self._open.event, thread)
        event.start = time.perf_counter_ns()
        return event

    def end(self, event: Event) -> None:
        """Close it, and keep it."""
        event.end = time.perf_counter_ns()
        parent = self._open.event = event.parent
        if parent is not None:
            parent.inner += event.end - event.start
        self.events.append(event)
