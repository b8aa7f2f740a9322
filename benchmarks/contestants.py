"""Who takes part: minigrad, and PyTorch in each of its modes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import minigrad

__all__ = ["Contestant", "contestants"]


def _same(x: Any) -> Any:
    return x


@dataclass
class Contestant:
    """A library and a way to run it: what is done with a model and with a tensor beforehand."""

    name: str
    lib: ModuleType
    model: Callable[[Any], Any] = _same
    tensor: Callable[[Any], Any] = _same
    only_images: bool = False  # runs on (N, C, H, W) alone


def contestants(against: str | None, compiled: bool, threads: int | None) -> list[Contestant]:
    """minigrad, and if `against` is 'torch' its modes, all of them on so many threads."""
    minigrad.set_num_threads(threads or minigrad.get_num_threads())
    found = [Contestant("minigrad", minigrad)]
    if against is None:
        return found
    import torch

    torch.set_num_threads(minigrad.get_num_threads())

    def channels_last(x: Any) -> Any:
        return x.to(memory_format=torch.channels_last)

    found.append(Contestant("eager", torch))
    found.append(Contestant("channels_last", torch, channels_last, channels_last, True))
    if compiled and _compiles(torch):
        found.append(Contestant("compile", torch, lambda model: _compiled(torch, model)))
    return found


def _compiled(torch: Any, model: Any) -> Any:
    torch._dynamo.reset()  # it gives up after eight models with the same forward
    return torch.compile(model)


def _compiles(torch: Any) -> bool:
    """Whether torch.compile works here; it needs a C++ compiler."""
    try:
        torch.compile(torch.nn.ReLU())(torch.ones(3))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        print(f"torch.compile is left out, for it fails here: {reason}", file=sys.stderr)
        return False
    return True
