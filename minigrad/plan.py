"""Gradient rules, and what a call keeps for them: worked out once per op, not at each call."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .contract import Watch
from .custom import refuse_rule

if TYPE_CHECKING:
    from .op import Op

__all__ = ["GradientRule", "Plan"]


_BY_NAME = ("KW_NAMES", "CALL_KW", "CALL_FUNCTION_KW", "CALL_FUNCTION_EX")  # of all Pythons


class GradientRule:
    """The gradient of one or more inputs, and where each of its arguments comes from."""

    def __init__(self, op: Op, inputs: tuple[str, ...], fn: Callable[..., Any]) -> None:
        self.fn, self.watch = fn, Watch()
        self.inputs = tuple(op.inputs.index(name) for name in inputs)
        self.joint = len(inputs) > 1
        self.fetch: list[tuple[str, int]] = []
        names = list(inspect.signature(fn).parameters)
        if not names:
            refuse_rule(op, fn, None)
        for name in names[1:]:
            if name in op.inputs:
                self.fetch.append(("inputs" if op.variadic else "input", op.inputs.index(name)))
            elif name in op.outputs:
                self.fetch.append(("output", op.outputs.index(name)))
            elif name == "y" and len(op.outputs) == 1:
                self.fetch.append(("output", 0))
            elif name.endswith("_shape") and name[:-6] in op.inputs:
                self.fetch.append(("shape", op.inputs.index(name[:-6])))
            elif name in op.settings:
                self.fetch.append(("setting", op.settings.index(name)))
            elif name in op.byproducts:
                self.fetch.append(("byproduct", op.byproducts.index(name)))
            elif name in ("needs", "spare"):
                self.fetch.append((name, 0))
            else:
                refuse_rule(op, fn, name)

    @cached_property
    def bare(self) -> Callable[..., Any] | None:
        """The rule as a function of arrays, if it means the same for them; else None.

        `lambda g, other: g * other` does, with operators alone. A rule that calls ops by name does
        if it runs on their forwards; one that is an op is its forward. Of a rule that looks at
        more, its author can give the function as `rule.on_arrays`.
        """
        fn = self.fn
        op = getattr(fn, "op", None)
        if op is not None:
            return op.forward if _regular(op) and not (op.several or op.byproducts) else None
        given = getattr(fn, "on_arrays", fn)
        code = getattr(given, "__code__", None)
        if code is None or code.co_freevars or any(hasattr(c, "co_code") for c in code.co_consts):
            return None
        called: dict[str, Any] = {}
        if code.co_names:
            for step in dis.get_instructions(code):
                if step.opname == "LOAD_GLOBAL":
                    op = getattr(given.__globals__.get(step.argval), "op", None)
                    if op is None or not _regular(op) or op.byproducts or op.promote is not None:
                        return None
                    if op.order is not None or op.variadic:
                        return None
                    called[step.argval] = _profiled(op)
                elif step.argval in code.co_names or step.opname in _BY_NAME:
                    return None  # an attribute, which an array may not have; or f(x, name=...)
        return FunctionType(code, called, given.__name__, given.__defaults__)


def _regular(op: Any) -> bool:
    """Whether this is an op of ours, all of whose parameters can be given by position."""
    return not getattr(op, "custom", True) and op.positional == len(op.parameters)


def _profiled(op: Op) -> Callable[..., Any]:
    """What the op runs on arrays, looked up at each call: a profile puts another in its place."""
    return lambda *args: op.apply(*args)


class Plan:
    """What a node keeps, given which inputs want gradients, and how the first order runs.

    `alike` says that inputs have the shape and dtype of the output, so gradients have too.
    """

    __slots__ = (
        "alike", "byproducts", "inputs", "keeps", "node",
        "op", "outputs", "rules", "shapes", "steps",
    )

    def __init__(self, op: Op, wants: tuple[bool, ...], alike: bool = False) -> None:
        self.op = op
        self.node, self.alike = op.plain_node, alike
        self.rules = [r for r in op.rules if op.variadic or any(wants[i] for i in r.inputs)]
        sources = {source for r in self.rules for source in r.fetch}
        self.inputs = tuple(
            (("inputs", 0) if op.variadic else ("input", i)) in sources for i in range(len(wants))
        )
        self.outputs = tuple(i for kind, i in sorted(sources) if kind == "output")
        self.shapes = any(kind == "shape" for kind, _ in sources)
        self.byproducts = any(kind == "byproduct" for kind, _ in sources)
        self.keeps = any(self.inputs) or bool(self.outputs) or self.byproducts
        self.steps = self._steps(wants)

    def _steps(self, wants: tuple[bool, ...]) -> list[tuple[Any, Any, str, Any]] | None:
        """Per rule: input, function of arrays, and where its arguments are; None if it cannot be.

        That is the source and the index of the only argument, or "several" and a list of both; or
        "joint" and such a list for a rule of several inputs, all of which stand in place of one.
        """
        op = self.op
        if op.several or op.custom:
            return None
        steps: list[tuple[Any, Any, str, Any]] = []
        for rule in self.rules:
            sources = {source for source, _ in rule.fetch}
            if sources & {"needs", "inputs"} or rule.bare is None:
                return None
            if rule.joint:
                steps.append((rule.inputs, rule.bare, "joint", rule.fetch))
            elif len(rule.fetch) == 1 and sources < {"input", "output", "setting"}:
                steps.append((rule.inputs[0], rule.bare, *rule.fetch[0]))
            else:
                kind = "several" if rule.fetch else ""
                steps.append((rule.inputs[0], rule.bare, kind, rule.fetch))
        ruled = {i for rule in self.rules for i in rule.inputs}
        if any(w and i not in ruled for i, w in enumerate(wants)):
            return None
        return steps
