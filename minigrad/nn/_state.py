"""Module.state_dict and load_state_dict: what goes out, what must fit, what is written.

Loading looks at everything before it writes anything. Files are not read or written here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..convert import as_tensor
from ..inplace import bump
from ..tensor import Tensor
from ..values import Size
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["IncompatibleKeys", "load_state", "save_state"]

_EXTRA = "_extra_state"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """What `load_state_dict` found on one side only."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )

    __str__ = __repr__


def save_state(module: Module, into: Any, prefix: str, keep_vars: bool) -> Any:
    """Add all parameters and persistent buffers below `module` to the dict `into`."""
    into = OrderedDict() if into is None else into
    _run(module, "state_pre", prefix, keep_vars)
    for name, t in (*module._parameters.items(), *_persistent(module)):
        if t is not None:
            into[prefix + name] = t if keep_vars else t.detach()
    if _has_extra(module):
        into[prefix + _EXTRA] = module.get_extra_state()
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=into, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    _run(module, "state_post", into, prefix, {})
    return into


def load_state(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> Any:
    """Copy the values of `state` into `module`, or raise before anything was changed."""
    if not isinstance(state, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state).__name__}.")
    state = OrderedDict(state)
    load = _Load(state, strict)
    load.visit(module, "")
    unexpected = [*load.unexpected, *(key for key in state if key not in load.known)]
    errors = list(load.errors)
    if strict:
        if unexpected:
            errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        if load.missing:
            errors.insert(0, f"Missing key(s) in state_dict: {_quoted(load.missing)}. ")
    if errors:
        raise RuntimeError(
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(errors)
        )
    for owner, name, old, new in load.todo:
        if old is None:
            owner.set_extra_state(new)
        elif assign:
            _assign(owner, name, old, new)
        else:
            np.copyto(old._data, as_tensor(new)._data, casting="unsafe")
            bump(old, "load_state_dict")
    keys = IncompatibleKeys(load.missing, unexpected)
    for m in module.modules():
        _run(m, "load_post", keys)
    return keys


class _Load:
    """One walk over a module that compares it with a state dict."""

    def __init__(self, state: dict[str, Any], strict: bool) -> None:
        self.state, self.strict = state, strict
        self.known: set[str] = set()
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.todo: list[tuple[Module, str, Tensor | None, Any]] = []

    def visit(self, module: Module, prefix: str) -> None:
        """Compare `module` and all below it; hooks may still change the dict."""
        _run(module, "load_pre", self.state, prefix, {}, self.strict, self.missing, self.unexpected,
             self.errors)
        for name, old in (*module._parameters.items(), *_persistent(module)):
            if old is not None:
                self.compare(module, name, prefix + name, old)
        if _has_extra(module, "set_extra_state"):
            self.known.add(prefix + _EXTRA)
            if prefix + _EXTRA in self.state:
                self.todo.append((module, _EXTRA, None, self.state[prefix + _EXTRA]))
            else:
                self.missing.append(prefix + _EXTRA)
        for name, child in module._modules.items():
            if child is not None:
                self.visit(child, f"{prefix}{name}.")

    def compare(self, module: Module, name: str, key: str, old: Tensor) -> None:
        """Note what has to be written for `key`, or why it cannot be."""
        self.known.add(key)
        if key not in self.state:
            if name != "num_batches_tracked":  # older files have none; the count stays as it is
                self.missing.append(key)
            return
        new = self.state[key]
        if not isinstance(new, (Tensor, np.ndarray)) and hasattr(new, "__array__"):
            new = np.asarray(new)  # another library's tensor
        if not isinstance(new, (Tensor, np.ndarray)):
            self.errors.append(
                f'While copying the parameter named "{key}", expected a Tensor or an ndarray from '
                f"checkpoint but received {type(new)}"
            )
        elif tuple(new.shape) != old._data.shape:
            self.errors.append(
                f"size mismatch for {key}: copying a param with shape {Size(new.shape)} from "
                f"checkpoint, the shape in current model is {old.shape}."
            )
        elif new.dtype.kind not in "fiub":
            self.errors.append(f"wrong dtype for {key}: expected numbers, got {new.dtype}.")
        elif not old._data.flags.writeable:
            self.errors.append(f"read-only memory for {key}: pass assign=True to replace it.")
        else:
            self.todo.append((module, name, old, new))


def _assign(owner: Module, name: str, old: Tensor, new: Any) -> None:
    new = as_tensor(new)
    if isinstance(old, Parameter) and not isinstance(new, Parameter):
        new = Parameter(new, requires_grad=old.requires_grad)
    elif isinstance(old, Parameter):
        new.requires_grad_(old.requires_grad)
    setattr(owner, name, new)


def _persistent(module: Module) -> list[tuple[str, Tensor | None]]:
    hidden = module._non_persistent_buffers_set
    return [(name, t) for name, t in module._buffers.items() if name not in hidden]


def _has_extra(module: Module, method: str = "get_extra_state") -> bool:
    from .module import Module

    return getattr(type(module), method) is not getattr(Module, method)


def _run(module: Module, kind: str, *args: Any) -> None:
    if module._hooks is not None:
        for [hook] in list(module._hooks.lists[kind]):
            hook(module, *args)


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
