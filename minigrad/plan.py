"""Gradient rules, and what a call keeps for them: worked out once per op, not at each call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .contract import Watch
from .custom import refuse_rule

if TYPE_CHECKING:
    from .op import Op

__all__ = ["GradientRule", "Plan"]


class GradientRule:
    """The gradient of one or more inputs, and where each of its arguments comes from."""

    __slots__ = ("bare", "fetch", "fn", "inputs", "joint", "watch")

    def __init__(self, op: Op, inputs: tuple[str, ...], fn: Callable[..., Any]) -> None:
        self.fn, self.bare, self.watch = fn, _on_arrays(fn), Watch()
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
            elif name == "needs":
                self.fetch.append(("needs", 0))
            else:
                refuse_rule(op, fn, name)


def _on_arrays(rule: Callable[..., Any]) -> Callable[..., Any] | None:
    """The rule as a function of arrays, if it is one as it stands; None if it needs Tensors.

    It is if it is an op (then it is that op's forward), or if it names nothing but its arguments:
    with operators alone, `lambda g, other: g * other` means the same for arrays.
    """
    op = getattr(rule, "op", None)
    if op is not None:
        plain = op.positional == len(op.parameters) and not (op.several or op.byproducts)
        return op.forward if plain and not op.custom else None
    code = getattr(rule, "__code__", None)
    return rule if code is not None and not code.co_names and not code.co_freevars else None


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

    def _steps(self, wants: tuple[bool, ...]) -> list[tuple[int, Any, str, Any]] | None:
        """Per rule: input, function of arrays, and where its arguments are; None if it cannot be.

        That is the source and the index of the only argument, or "several" and a list of both.
        """
        op = self.op
        steps: list[tuple[int, Any, str, Any]] = []
        for rule in self.rules:
            sources = {source for source, _ in rule.fetch}
            if rule.bare is None or rule.joint or sources & {"needs", "inputs"}:
                return None
            if len(rule.fetch) == 1 and sources < {"input", "output", "setting"}:
                steps.append((rule.inputs[0], rule.bare, *rule.fetch[0]))
            else:
                kind = "several" if rule.fetch else ""
                steps.append((rule.inputs[0], rule.bare, kind, rule.fetch))
        ruled = {i for i, *_ in steps}
        if op.several or op.custom or any(w and i not in ruled for i, w in enumerate(wants)):
            return None
        return steps
