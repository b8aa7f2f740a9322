"""Whether and how kernels are compiled, and the threads they run on; no kernel lives here."""

from __future__ import annotations

__all__ = ["get_num_threads", "jit_enabled", "set_num_threads", "warmup"]


def jit_enabled() -> bool:
    """Whether kernels run compiled; if not, their NumPy references do."""
    return False


def get_num_threads() -> int:
    """Number of threads that kernels use."""
    return 1


def set_num_threads(n: int) -> None:
    """Use n threads in kernels and in NumPy's BLAS."""


def warmup(float64: bool = False) -> None:
    """Compile all kernels now, for float32 and optionally float64."""
