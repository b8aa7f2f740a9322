"""What device-agnostic scripts ask about CUDA. There is none: every answer is no."""

from __future__ import annotations

from typing import Any

from . import amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_bf16_supported",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """Always False: minigrad computes on the CPU."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Always False."""
    return False


def device_count() -> int:
    """Always 0."""
    return 0


def _none(name: str) -> RuntimeError:
    return RuntimeError(f"cuda.{name}: minigrad computes on the CPU only. Check is_available().")


def current_device() -> int:
    """Raise: there is no CUDA device."""
    raise _none("current_device")


def get_device_name(device: Any = None) -> str:
    """Raise: there is no CUDA device."""
    raise _none("get_device_name")


def set_device(device: Any) -> None:
    """Raise: there is no CUDA device."""
    raise _none("set_device")


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def synchronize(device: Any = None) -> None:
    """Nothing to wait for: calls are done when they return."""


def empty_cache() -> None:
    """Nothing to empty."""


def memory_allocated(device: Any = None) -> int:
    """Always 0: no memory of a CUDA device is in use."""
    return 0


memory_reserved = max_memory_allocated = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset."""
