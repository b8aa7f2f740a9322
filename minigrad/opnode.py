"""The node of a recorded call of an op: what it keeps, and how it calls the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray as Array

from .engine import Node, Output, recording
from .errors import GradientError
from .sole import references, sole, usual
from .tensor import Cell, Tensor, wrap

if TYPE_CHECKING:
    from .op import Op
    from .plan import Plan

__all__ = ["SCALARS", "Constant", "OpNode"]

SCALARS = (float, int, bool)


class OpNode(Node):
    """One recorded call of an op: what its rules need, and the walk's way to call them.

    To the user each op has a class of nodes, named as PyTorch's. A node gets it when it is shown:
    until then all are of one class, which is what the interpreter is fast with (0.7 us per op).
    """

    __slots__ = (
        "byproducts", "kept", "out_cells", "outs", "plan", "settings", "shapes", "versions"
    )  # fmt: skip
    __init__ = object.__init__  # `record` fills it in: a call of __init__ costs 90 ns more

    kept: Any  # per input: the value if a rule names it, else None; None altogether once freed
    plan: Plan
    settings: Sequence[Any]
    versions: Any  # per input: version of the kept value; None if nothing was ever changed
    shapes: Any  # per input, if a rule names one
    outs: Any  # per output: the array if a rule names it
    out_cells: Sequence[tuple[Cell, int]]  # of kept outputs that others can see: version then
    byproducts: Sequence[Array]

    def name(self) -> str:
        return self.plan.op.node.__name__

    def shown(self) -> Node:
        self.__class__ = self.plan.op.node
        return self

    @property
    def op(self) -> Op:
        """The op that was called."""
        return self.plan.op

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.plan.op.outputs)

    def watch(self, index: int, cell: Cell) -> None:
        if index in self.plan.outputs:
            self.out_cells = (*self.out_cells, (cell, cell.version))

    def release(self) -> None:
        if self.plan.keeps:
            self.kept = self.outs = None
            self.byproducts = ()

    def first_order(
        self, g: Any, wanted: tuple[bool, ...] | None, lift: Any
    ) -> Iterable[tuple[Any, Any]]:
        """Run the rules on the arrays themselves, where all of them can."""
        plan, kept = self.plan, self.kept
        if plan.steps is None:
            return super().first_order(g, wanted, lift)
        if kept is None or self.out_cells:
            self.check_kept(kept)
        back = []
        for i, rule, source, at in plan.steps:
            if source == "joint":
                if wanted is None or any([wanted[k] for k in i]):
                    self.check_kept(kept)
                    args = [self._bare(kind, n) for kind, n in at]
                    if ("spare", 0) in at and sole(g, USUAL):
                        args[at.index(("spare", 0))] = True
                    got = rule(g, *args)
                    back += [
                        (self.inputs[k], self._fit_bare(one, k))
                        for k, one in zip(i, got) if one is not None and self.inputs[k] is not None
                    ]
                continue
            if wanted is not None and not wanted[i]:
                continue
            if source == "input":
                t = kept[at]
                if not isinstance(t, Tensor):
                    got = rule(g, t)
                else:
                    if t._cell is not None:
                        self.check_kept(kept)
                    got = rule(g, t._data)
            elif source == "output":
                got = rule(g, self.outs[at])
            elif source == "":
                got = rule(g)
            elif source == "setting":
                got = rule(g, self.settings[at])
            else:
                self.check_kept(kept)
                got = rule(g, *[self._bare(kind, n) for kind, n in at])
            if got is not None:
                if got.__class__ is not Array:
                    got = np.asarray(got)
                back.append((self.inputs[i], got if plan.alike else self._fit_bare(got, i)))
        return back

    def _fit_bare(self, g: Array, i: int) -> Array:
        """`g` in the shape and dtype of input `i`."""
        edge = self.inputs[i]
        like = edge._data if isinstance(edge, Tensor) else edge
        if g.shape != like.shape:
            g = self._unbroadcast(wrap(g), i, edge)._data
        return g if g.dtype is like.dtype else g.astype(like.dtype, copy=False)

    def _bare(self, kind: str, i: int) -> Any:
        """What a rule asked for, as an array."""
        if kind == "input":
            t = self.kept[i]
            return t._data if isinstance(t, Tensor) else t
        if kind == "setting":
            return self.settings[i]
        if kind == "shape":
            return self.shapes[i]
        if kind == "spare":
            return False
        return self.outs[i] if kind == "output" else self.byproducts[i]

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        plan, inputs, kept = self.plan, self.inputs, self.kept
        op = plan.op
        if plan.keeps:
            self.check_kept(kept)
        if op.several:
            g = self._fill(g)
        grads: list[Any] = [None] * len(inputs)
        for rule in plan.rules:
            if wanted is not None and not op.variadic and not any([wanted[i] for i in rule.inputs]):
                continue
            if rule.fetch:
                args = [
                    kept[i]
                    if kind == "input"
                    else self.settings[i]
                    if kind == "setting"
                    else self._fetch(kind, i, wanted)
                    for kind, i in rule.fetch
                ]
                got = rule.fn(g, *args)
            else:
                got = rule.fn(g)
            if rule.joint:
                for i, one in zip(rule.inputs, got):
                    grads[i] = one
            elif op.variadic:
                grads = list(got)
            else:
                grads[rule.inputs[0]] = got
        for i, edge in enumerate(inputs):
            if edge is None:
                grads[i] = None
                continue
            gi = grads[i]
            if gi is None:
                if wanted is None or wanted[i]:
                    self._check_has_rule(i)
                continue
            array = gi._data
            node = edge._data if isinstance(edge, Tensor) else edge
            if array.shape != node.shape:
                grads[i] = gi = self._unbroadcast(gi, i, edge)
                array = gi._data
            if array.dtype is not node.dtype and array.dtype != node.dtype:
                grads[i] = gi.to(node.dtype)
        return grads

    def _check_has_rule(self, i: int) -> None:
        """A rule may return None (no gradient flows); an input without a rule is an error."""
        op = self.op
        i = 0 if op.variadic else i
        if op.inputs[i] not in op.constant and not any(i in r.inputs for r in op.rules):
            raise GradientError(
                f"{op.name}: has no gradient rule for input {op.inputs[i]!r}, which requires "
                f"grad. Declare one beside the op ({op.where}), say @op(constant="
                f"{op.inputs[i]!r}) if no gradient flows there, or detach the input."
            )

    def _fetch(self, kind: str, i: int, wanted: tuple[bool, ...] | None) -> Any:
        """What a rule asked for by name, other than an input or a setting."""
        if kind == "inputs":
            return self.kept
        if kind == "spare":
            return False
        if kind == "shape":
            return self.shapes if self.op.variadic else self.shapes[i]
        if kind == "output":
            assert self.outs is not None
            out = wrap(self.outs[i])
            if recording() and out._data.dtype.kind == "f":
                out._rg = True
                single = len(self.op.outputs) == 1
                out._node = self if single else Output(self, i, out._data.shape, out._data.dtype)
            return out
        if kind == "byproduct":
            out = wrap(self.byproducts[i])
            if recording() and out._data.dtype.kind == "f":
                out._rg, out._node = True, Constant(self, self.op.byproducts[i], out._data)
            return out
        return tuple(
            name
            for j, name in enumerate(self.op.inputs)
            if self.inputs[j] is not None and (wanted is None or wanted[j])
        )

    def _fill(self, g: Any) -> Any:
        """Cotangents of the differentiable outputs; zeros where none arrived."""
        full = []
        for i in self.op_float_outputs():
            shape, dtype = self.shape[i], self.dtype[i]
            got = g[i] if isinstance(g, list) else None
            full.append(got if got is not None else wrap(np.zeros(shape, dtype)))
        return full[0] if len(full) == 1 else tuple(full)

    def op_float_outputs(self) -> list[int]:
        """Places of the outputs through which gradients flow."""
        names, constant = self.op.outputs, self.op.constant
        return [i for i, d in enumerate(self.dtype) if d.kind == "f" and names[i] not in constant]

    def check_kept(self, kept: Any) -> None:
        """Raise if what was kept is gone, or was changed in place since."""
        versions = self.versions
        if kept is None:
            raise GradientError(
                f"{self.name()}: trying to backward through the graph a second time, but what this "
                "op kept was freed by the first pass. Use loss.backward(retain_graph=True) the "
                "first time, or compute the loss again."
            )
        for i, t in enumerate(kept):
            if t.__class__ in SCALARS or t is None or t._cell is None:
                continue
            self._check_version(t._cell, 0 if versions is None else versions[i])
        for cell, version in self.out_cells:
            self._check_version(cell, version)

    def _check_version(self, cell: Cell, version: int) -> None:
        if cell.version != version:
            raise GradientError(
                f"{self.name()}: one of the tensors needed for its gradient has been modified by "
                f"an inplace operation: it was at version {version} when it was saved and is at "
                f"version {cell.version} now, changed by {cell.where}. Change a clone instead "
                "(x = x + 1 for x += 1), or make the change before the forward pass."
            )

    def _unbroadcast(self, g: Tensor, i: int, edge: Any, where: str = "") -> Tensor:
        """Sum `g` over the dims along which input `i` was broadcast."""
        shape = tuple(edge.shape)
        extra = g._data.ndim - len(shape)
        if self.op.promote is not None and extra >= 0:
            dims = tuple(range(extra)) + tuple(
                extra + k for k, n in enumerate(shape) if n == 1 and g._data.shape[extra + k] != 1
            )
            if dims:
                g = g.sum(dims, True)
            if extra:
                g = g.reshape(shape)
            if g._data.shape == shape:
                return g
        name = self.op.inputs[0] + f"[{i}]" if self.op.variadic else self.op.inputs[i]
        raise GradientError(
            f"{self.op.name}: the gradient of {name!r} must have its shape {shape}; the rule "
            f"returned {tuple(g._data.shape)}. {where or f'The op stands at {self.op.where}'}."
        )


def _chain() -> int:
    """The references to a cotangent that `walk` alone holds, in `first_order`."""

    class Like:
        def first_order(self, g: Any, wanted: Any, lift: Any) -> int:
            return references(g)

    node, sums = Like(), {0: object()}
    g = sums.pop(0)
    return node.first_order(g, None, None)


USUAL = usual(_chain)


class Constant(Node):
    """The edge of a by-product: it has no gradient, and asking for one is an error."""

    __slots__ = ("message",)

    def __init__(self, node: OpNode, what: str, array: Array) -> None:
        super().__init__(node.inputs, array.shape, array.dtype)  # on the way to every target
        self.message = (
            f"{node.op.name}: its gradient rule uses the by-product {what!r} as if it were "
            "constant, so it cannot be differentiated again. Return it as an output, compute it "
            "in the rule, or hand it as a setting to an op with a rule of its own."
        )

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        raise GradientError(self.message)
