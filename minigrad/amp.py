"""Mixed precision, for PyTorch's scripts: accepted, and everything stays in its own dtype.

Half precision buys nothing on a CPU, so `autocast` lowers no dtype and `GradScaler` scales by 1;
results are at least as exact as with mixed precision. PyTorch's scaler does the same without CUDA.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

from .tensor import Tensor

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


class autocast(ContextDecorator):
    """A region that PyTorch would run in lower precision; here it changes nothing."""

    def __init__(
        self, device_type: Any = "cpu", dtype: Any = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        self.device, self.enabled = str(device_type), False

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc: Any) -> None:
        return None


def is_autocast_available(device_type: str) -> bool:
    """Always False: no dtype is lowered."""
    return False


class GradScaler:
    """A loss scaler that is switched off: `step(optimizer)` is `optimizer.step()`."""

    def __init__(
        self, device: Any = "cpu", init_scale: float = 65536.0, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        pass

    def scale(self, outputs: Any) -> Any:
        """`outputs` as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing to undo."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """One step of the optimiser."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Nothing to adapt."""

    def get_scale(self) -> float:
        """Always 1."""
        return 1.0

    def is_enabled(self) -> bool:
        """Always False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Empty: there is no state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Accepts a state of any scaler and keeps nothing of it."""


def custom_fwd(fwd: Callable[..., Any] | None = None, **options: Any) -> Any:
    """The forward of a Function, unchanged."""
    return fwd if fwd is not None else (lambda fwd: fwd)


custom_bwd = custom_fwd
