"""The small things a Tensor hands out: its device, size and layout, the handle of a hook."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = [
    "CPU",
    "RemovableHandle",
    "Size",
    "channels_last",
    "contiguous_format",
    "device",
    "layout",
    "memory_format",
    "preserve_format",
    "strided",
]


class device:
    """Where a tensor lives. There is one device, `cpu`."""

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        name = type.type if isinstance(type, device) else type
        if not isinstance(name, str) or name.split(":")[0] != "cpu":
            raise RuntimeError(
                f"device: minigrad computes on the CPU only; got {name!r}. Use device('cpu'), or "
                "device('cuda' if minigrad.cuda.is_available() else 'cpu') to run anywhere."
            )
        self.type = "cpu"
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return "cpu"


CPU = device()


class Size(tuple):  # type: ignore[type-arg]
    """A shape: a tuple that also counts its elements."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"minigrad.Size({list(self)})"


class _Named:
    """A name that is handed around and compared, and does nothing."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"minigrad.{self.name}"


class memory_format(_Named):
    """In which order elements are to lie in memory. Accepted everywhere, followed nowhere."""


class layout(_Named):
    """How a tensor is stored: always `strided`."""


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
strided = layout("strided")


class RemovableHandle:
    """Returned when a hook is registered; `remove()` takes the hook out again."""

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo: Callable[[], None] | None = undo

    def remove(self) -> None:
        """Take the hook out. A second call does nothing."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()
