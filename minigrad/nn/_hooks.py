"""Hooks of a Module: their store, the call that runs them, and hooks on the gradients that pass.

The call without hooks is in module.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..engine import Node, Output, mode
from ..tensor import Tensor, edge_of, wrap
from ..values import RemovableHandle

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hooks", "add_hook", "call_with_hooks"]


class Hooks:
    """The hooks of one module, by kind, in the order in which they run."""

    kinds = ("forward_pre", "forward", "backward_pre", "backward", "load_pre", "load_post",
             "state_pre", "state_post")

    def __init__(self) -> None:
        self.lists: dict[str, list[Any]] = {kind: [] for kind in self.kinds}


def add_hook(module: Module, kind: str, hook: Any, prepend: bool = False) -> RemovableHandle:
    """Store `hook` (an entry of list `kind`) in `module`; the handle takes it out."""
    hooks = module._hooks
    if hooks is None:
        hooks = Hooks()
        object.__setattr__(module, "_hooks", hooks)
    entries = hooks.lists[kind]
    entry = [hook]  # a list of its own, so that the same function can be registered twice
    entries.insert(0 if prepend else len(entries), entry)

    def undo() -> None:
        for i, other in enumerate(entries):
            if other is entry:
                del entries[i]
                break
        if module._hooks is hooks and not any(hooks.lists.values()):
            object.__setattr__(module, "_hooks", None)

    return RemovableHandle(undo)


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run `module.forward` between its hooks."""
    assert module._hooks is not None
    lists = module._hooks.lists
    result: Any = None
    ran: set[int] = set()
    try:
        for [(hook, with_kwargs)] in list(lists["forward_pre"]):
            args, kwargs = _pre(module, hook, with_kwargs, args, kwargs)
        passage = None
        if mode.recording and (lists["backward"] or lists["backward_pre"]):
            passage = _Passage(module)
            args = passage.enter(args)
        result = module.forward(*args, **kwargs)
        for entry in list(lists["forward"]):
            hook, with_kwargs, _ = entry[0]
            ran.add(id(entry))
            new = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            result = result if new is None else new
        if passage is not None:
            result = passage.leave(result)
        return result
    except Exception:
        for entry in list(lists["forward"]):
            hook, with_kwargs, always = entry[0]
            if always and id(entry) not in ran:
                try:
                    hook(module, args, *([kwargs] if with_kwargs else []), result)
                except Exception:  # the first error is the one to show
                    continue
        raise


def _pre(
    module: Module, hook: Callable[..., Any], with_kwargs: bool, args: Any, kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not with_kwargs:
        new = hook(module, args)
        if new is not None:
            args = new if isinstance(new, tuple) else (new,)
        return args, kwargs
    new = hook(module, args, kwargs)
    if new is None:
        return args, kwargs
    if not (isinstance(new, tuple) and len(new) == 2):
        raise RuntimeError(
            "forward pre-hook: with with_kwargs=True it must return None or (args, kwargs); "
            f"got {type(new).__name__}."
        )
    return new


# gradients that pass through a module ------------------------------------------------------------


class _Gate(Node):
    """An identity on several tensors whose pullback shows all cotangents to a function at once."""

    __slots__ = ("see",)

    def __init__(
        self, tensors: Sequence[Tensor], see: Callable[[list[Any]], Sequence[Any]]
    ) -> None:
        super().__init__(
            tuple(edge_of(t) for t in tensors),
            tuple(t._data.shape for t in tensors), tuple(t._data.dtype for t in tensors),
        )
        self.see = see

    def name(self) -> str:
        return "BackwardHookFunctionBackward"

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.inputs)

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        return self.see(list(g))

    def pass_through(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors again, with this gate before them in the graph."""
        out = []
        for i, t in enumerate(tensors):
            new = wrap(t._data)
            new._cell = t._share_cell()
            new._node, new._rg = Output(self, i, t._data.shape, t._data.dtype), True
            out.append(new)
        return out


class _Passage:
    """One call of a module with backward hooks: a gate before it and one behind it."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.inputs: list[int] = []  # places of the args that need gradients
        self.width = 0
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put the gate before the module: the args that need gradients go through it."""
        self.inputs = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a._rg]
        self.width = len(args)
        if not self.inputs:
            return args
        tensors = [args[i] for i in self.inputs]
        new = dict(zip(self.inputs, _Gate(tensors, self.see_inputs).pass_through(tensors)))
        return tuple(new.get(i, a) for i, a in enumerate(args))

    def leave(self, result: Any) -> Any:
        """Put the gate behind the module."""
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, (tuple, list)):
            raise RuntimeError(
                "full backward hook: the module must return a Tensor or a tuple or list of them; "
                f"got {type(result).__name__}."
            )
        parts = [result] if single else list(result)
        places = [i for i, r in enumerate(parts) if isinstance(r, Tensor) and r._rg]
        if not places:
            return result

        def see(g: list[Any]) -> Sequence[Any]:
            full = self.see_outputs(tuple(_spread(g, places, len(parts))))
            return [full[i] for i in places]

        tensors = [parts[i] for i in places]
        for i, t in zip(places, _Gate(tensors, see).pass_through(tensors)):
            parts[i] = t
        return parts[0] if single else type(result)(parts)

    def see_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Cotangents arrive at the outputs: run the pre-hooks, and keep them for the hooks."""
        for [hook] in self.hooks("backward_pre"):
            new = hook(self.module, grads)
            if new is not None:
                grads = _replaced("pre-hook", new, grads)
        self.grad_output = grads
        if not self.inputs:  # nothing before the module wants gradients: the hooks run now
            self.run((None,) * self.width)
        return grads

    def see_inputs(self, g: list[Any]) -> Sequence[Any]:
        """The cotangents of the inputs are complete: run the hooks."""
        grads = self.run(tuple(_spread(g, self.inputs, self.width)))
        return [grads[i] for i in self.inputs]

    def run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        """Show `grad_input` to the hooks; what one returns goes on to the next."""
        for [hook] in self.hooks("backward"):
            new = hook(self.module, grad_input, self.grad_output)
            if new is not None:
                grad_input = _replaced("hook", new, grad_input)
        return grad_input

    def hooks(self, kind: str) -> list[Any]:
        """The hooks registered now (one may have been removed since the forward pass)."""
        hooks = self.module._hooks
        return [] if hooks is None else list(hooks.lists[kind])


def _spread(values: Sequence[Any], places: Sequence[int], width: int) -> list[Any]:
    full: list[Any] = [None] * width
    for i, v in zip(places, values):
        full[i] = v
    return full


def _replaced(what: str, new: Any, old: tuple[Any, ...]) -> tuple[Any, ...]:
    got = new if isinstance(new, tuple) else (new,)
    if len(got) != len(old):
        raise RuntimeError(
            f"full backward {what}: must return as many gradients as it was given ({len(old)}); "
            f"got {len(got)}."
        )
    return got
