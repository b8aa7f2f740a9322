"""The base of layers that apply one function: their constructor's arguments are their settings."""

from __future__ import annotations

from typing import Any

from .module import Module

__all__ = ["Settings"]


class Settings(Module):
    """A layer without parameters. It keeps its settings as attributes and shows them."""

    _shown: tuple[str, ...] | None = None  # which settings the repr shows; None: all

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = tuple(settings)
        self.__dict__.update(settings)

    def extra_repr(self) -> str:
        """The settings as name=value; `inplace` only if it is on."""
        names = self._settings if self._shown is None else self._shown
        pairs = [(name, getattr(self, name)) for name in names]
        return ", ".join(f"{n}={v!r}" if n == "approximate" else f"{n}={v}"
                         for n, v in pairs if n != "inplace" or v)
