"""Functions called around an optimiser's step, saving and loading. No optimiser lives here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..engine import no_grad
from ..values import RemovableHandle

__all__ = ["Hooks"]

_HOOKS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post",
          "load_state_dict_pre", "load_state_dict_post")


class Hooks:
    """The part of `Optimizer` that keeps and runs hooks."""

    _opt_called = False  # schedulers look whether a step was made
    _stepping = False  # a step that calls super().step() runs the hooks once

    def __init_subclass__(cls) -> None:
        if "step" in cls.__dict__:
            setattr(cls, "step", _with_hooks(cls.__dict__["step"]))  # noqa: B010 - not one of ours

    def _check(self, options: dict[str, Any]) -> None:
        """Raise ValueError where an option of a group makes no sense."""

    def _init_hooks(self) -> None:
        self._hooks: dict[str, list[Callable[..., Any]]] = {kind: [] for kind in _HOOKS}

    def _register(self, kind: str, hook: Callable[..., Any], prepend: bool) -> RemovableHandle:
        hooks = self._hooks[kind]
        hooks.insert(0 if prepend else len(hooks), hook)
        return RemovableHandle(lambda: hooks.remove(hook) if hook in hooks else None)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before a step; it may return new (args, kwargs)."""
        return self._register("step_pre", hook, False)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return self._register("step_post", hook, False)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; what it returns replaces it."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; what it returns replaces it."""
        return self._register("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return self._register("load_state_dict_post", hook, prepend)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` without recording, between the hooks; schedulers learn that it was called."""

    @functools.wraps(step)
    def wrapper(self: Hooks, *args: Any, **kwargs: Any) -> Any:
        if self._stepping:
            return step(self, *args, **kwargs)
        for hook in list(self._hooks["step_pre"]):
            new = hook(self, args, kwargs)
            if new is not None:
                args, kwargs = new
        self._stepping = True
        try:
            with no_grad():
                out = step(self, *args, **kwargs)
        finally:
            self._stepping = False
        self._opt_called = True
        for hook in list(self._hooks["step_post"]):
            hook(self, args, kwargs)
        return out

    return wrapper
