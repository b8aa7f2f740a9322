"""Tensor methods that give a tensor itself another shape: squeeze_, unsqueeze_, t_, transpose_."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine import mode
from ..inplace import check_in_place, concerns_graph
from ..tensor import Tensor, wrap
from .shape import squeeze, t, transpose, unsqueeze

__all__: list[str] = []


def _install(names: str, view: Callable[..., Tensor]) -> None:
    first = names.split()[0]

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if mode.recording and concerns_graph(self):
            check_in_place(self, first)
        before = wrap(self._data)
        before._node, before._rg, before._cell = self._node, self._rg, self._share_cell()
        after = view(before, *args, **kwargs)
        self._data, self._node = after._data, after._node
        return self

    method.__name__ = first
    method.__doc__ = f"`{first[:-1]}`, given to this tensor itself; returns self."
    for name in names.split():
        setattr(Tensor, name, method)


_install("squeeze_", squeeze)
_install("unsqueeze_", unsqueeze)
_install("t_", t)
_install("transpose_ swapaxes_ swapdims_", transpose)
