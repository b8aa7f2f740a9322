"""What the current thread records: the flags, and the contexts and decorators that set them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar

__all__ = [
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "inferring",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "mode",
    "no_grad",
    "recording",
    "set_detect_anomaly",
    "set_grad_enabled",
    "watching",
]


class _Flag:
    """A switch of the current thread (of the current task, in asyncio); 20 ns to read by `get`."""

    def __init__(self, name: str, default: Any) -> None:
        variable: ContextVar[Any] = ContextVar(name, default=default)
        self.get, self.set = variable.get, variable.set

    def __get__(self, obj: Any, owner: Any) -> Any:
        return self.get()

    def __set__(self, obj: Any, value: Any) -> None:
        self.set(value)


class _Mode:
    """What the current thread records."""

    recording = _Flag("recording", True)
    inference = _Flag("inference", False)
    anomaly = _Flag("anomaly", False)
    trace: Any = _Flag("trace", None)  # of the user's rule that is recorded now: minigrad.trace


mode = _Mode()
recording: Callable[[], bool] = vars(_Mode)["recording"].get  # mode.recording, for hot paths
inferring: Callable[[], bool] = vars(_Mode)["inference"].get
watching: Callable[[], bool] = vars(_Mode)["anomaly"].get


class set_grad_enabled:
    """Switch recording on or off for this thread: at once, as a context, or as a decorator."""

    def __init__(self, mode_: bool) -> None:
        self.before = mode.recording
        self.value = bool(mode_)
        mode.recording = self.value
        _trace_gap()

    def __enter__(self) -> None:
        mode.recording = self.value

    def __exit__(self, *exc: object) -> None:
        mode.recording = self.before

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        mode.recording = self.before
        return _decorate(functools.partial(set_grad_enabled, self.value), fn)


class _Switch:
    """A context and decorator that sets flags of this thread and restores them."""

    flags: ClassVar[dict[str, bool]] = {}

    def __init__(self) -> None:
        self._before: list[dict[str, bool]] = []

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        if callable(fn):  # used as a bare decorator: @no_grad
            self.__init__()  # type: ignore[misc]
            return _decorate(cls, fn)
        return self

    def __enter__(self) -> None:
        self._before.append({k: getattr(mode, k) for k in self.flags})
        for k, v in self.flags.items():
            setattr(mode, k, v)
        _trace_gap()

    def __exit__(self, *exc: object) -> None:
        for k, v in self._before.pop().items():
            setattr(mode, k, v)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return _decorate(type(self), fn)


def _trace_gap() -> None:
    """Tell the trace of a recorded rule when what follows is not recorded."""
    if mode.trace is not None and not mode.recording:
        mode.trace.leaves()


def _decorate(make: Callable[[], Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with make():
            return fn(*args, **kwargs)

    return wrapped


class no_grad(_Switch):
    """Record nothing inside. A context and a decorator, per thread."""

    flags: ClassVar = {"recording": False}


class enable_grad(_Switch):
    """Record inside, even within `no_grad`. A context and a decorator, per thread."""

    flags: ClassVar = {"recording": True, "inference": False}


class inference_mode(_Switch):
    """Record nothing inside, and mark the results so that they can never enter a graph."""

    flags: ClassVar = {"recording": False, "inference": True}

    def __new__(cls, mode: Any = True) -> Any:
        if mode is False:
            return enable_grad()
        return super().__new__(cls, mode if callable(mode) else None)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()


class detect_anomaly(_Switch):
    """Name the op whose gradient became NaN, and the line that recorded it. Slow; for debugging."""

    flags: ClassVar = {"anomaly": True}


class set_detect_anomaly:
    """Turn anomaly detection on or off for this thread; as a context, until its end."""

    def __init__(self, value: bool, check_nan: bool = True) -> None:
        self.before = mode.anomaly
        mode.anomaly = bool(value)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        mode.anomaly = self.before


def is_grad_enabled() -> bool:
    """Whether calls made now by this thread are recorded."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`."""
    return mode.inference
