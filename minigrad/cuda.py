"""What device-agnostic scripts ask about CUDA. There is none: every answer is no."""

from __future__ import annotations

from typing import Any

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """Always False: minigrad computes on the CPU."""
    return False


def device_count() -> int:
    """Always 0."""
    return 0


def current_device() -> int:
    """Raise: there is no CUDA device."""
    raise RuntimeError(
        "cuda.current_device: minigrad computes on the CPU only. Check is_available()."
    )


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def synchronize(device: Any = None) -> None:
    """Nothing to wait for: calls are done when they return."""


def empty_cache() -> None:
    """Nothing to empty."""
