"""How a call of an op enters the graph: the node, what it keeps, and how it calls the rules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray as Array

from .engine import Node, Output, mode, tick
from .errors import GradientError
from .tensor import Cell, Tensor, edge_of, wrap

if TYPE_CHECKING:
    from .op import Op, Plan

__all__ = ["SCALARS", "OpNode", "check_setting", "record", "record_elementwise", "user_line"]

SCALARS = (float, int, bool)


class OpNode(Node):
    """One recorded call of an op: what its rules need, and the walk's way to call them."""

    __slots__ = ("kept", "plan", "settings", "versions")

    kept: Any  # per input: the value if a rule names it, else None; None altogether once freed
    plan: Plan
    settings: Sequence[Any]
    versions: Any  # per input: version of the kept value; None if nothing was ever changed

    # these default to the class's, so that a plain node does not store them
    shapes: Any = None
    outs: Sequence[Any] | None = None
    out_cells: Sequence[tuple[Cell, int]] = ()
    byproducts: Sequence[Array] = ()

    @property
    def op(self) -> Op:
        """The op that was called."""
        return self.plan.op

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.plan.op.outputs)

    def release(self) -> None:
        if self.kept is not None and (self.outs or any(self.plan.inputs)):
            self.kept, self.outs, self.byproducts = None, None, ()

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        plan, inputs, kept = self.plan, self.inputs, self.kept
        op = plan.op
        if kept is not _NOTHING or self.out_cells:
            if kept is None or self.out_cells:
                self.check_kept(kept)
            for t in kept:
                if getattr(t, "_cell", None) is not None:  # changed in place, perhaps
                    self.check_kept(kept)
                    break
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
        if kind == "shape":
            return self.shapes if self.op.variadic else self.shapes[i]
        if kind == "output":
            assert self.outs is not None
            out = wrap(self.outs[i])
            if mode.recording and out._data.dtype.kind == "f":
                out._rg = True
                single = len(self.op.outputs) == 1
                out._node = self if single else Output(self, i, out._data.shape, out._data.dtype)
            return out
        if kind == "byproduct":
            out = wrap(self.byproducts[i])
            if mode.recording and out._data.dtype.kind == "f":
                out._rg, out._node = True, _Constant(self, self.op.byproducts[i], out._data)
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


class _Constant(Node):
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


def check_setting(op: Op, name: str, t: Tensor) -> None:
    """Refuse a tensor that requires grad as a setting of a user's op: none would flow."""
    if isinstance(t._node, _Constant):
        return
    if mode.trace is not None:
        mode.trace.leaves()
    elif mode.recording:
        raise GradientError(
            f"{op.name}: {name!r} is a setting, through which no gradient flows; got a tensor of "
            f"shape {tuple(t._data.shape)} that requires grad. Annotate it Array in the forward "
            f"and give it a rule, or pass {name}.detach(). The op stands at {op.where}."
        )


_new_node = OpNode.__new__


def record(
    op: Op,
    outs: Sequence[Tensor],
    tensors: Sequence[Any],
    settings: Sequence[Any],
    byproducts: Sequence[Array] = (),
) -> None:
    """Give `outs` their place in the graph, keeping alive only what the rules name."""
    edges: list[Any] = []
    wants = []
    changed = False
    for t in tensors:
        if t.__class__ in SCALARS or t is None:
            edges.append(None)
            wants.append(False)
            continue
        if t._cell is not None:
            changed = True
            if t._base is not None:
                edge_of(t)
        edges.append((t._node or t) if t._rg else None)
        wants.append(t._rg)
        if t._inference:
            raise GradientError(
                f"{op.name}: a tensor made inside inference_mode cannot be part of a graph. Use "
                "no_grad instead, or clone the tensor outside."
            )
    mask = tuple(wants)
    plan = op.plans.get(mask) or op.plan(mask)
    node: OpNode = _new_node(plan.node)
    node.seq = tick()
    node.inputs = tuple(edges)
    node.plan = plan
    node.settings = settings
    node.kept = [t if keep else None for keep, t in zip(plan.inputs, tensors)]
    node.versions = (
        [0 if t.__class__ in SCALARS or t is None else t._version for t in tensors]
        if changed
        else None
    )
    if plan.extras:
        if plan.outputs:
            node.outs = [o._data if i in plan.outputs else None for i, o in enumerate(outs)]
            cells = [outs[i]._share_cell() for i in plan.outputs]
            node.out_cells = [(cell, cell.version) for cell in cells]
        if plan.shapes:
            node.shapes = [
                None if t is None or t.__class__ in SCALARS else t._data.shape for t in tensors
            ]
        if plan.byproducts:
            node.byproducts = byproducts
    if mode.anomaly:
        node.where = user_line()
    if len(outs) == 1:
        array = outs[0]._data
        node.shape, node.dtype = array.shape, array.dtype
        outs[0]._node, outs[0]._rg = node, True
        return
    node.shape = tuple([o._data.shape for o in outs])
    node.dtype = tuple([o._data.dtype for o in outs])
    for i in node.op_float_outputs():
        o = outs[i]
        o._node, o._rg = Output(node, i, o._data.shape, o._data.dtype), True


def record_elementwise(op: Op, out: Tensor, x: Tensor, z: Any, args: Any, defaults: Any) -> None:
    """`record` for one or two inputs and one output, unrolled: two thirds of its time."""
    xr = x._rg
    zr = z._rg if isinstance(z, Tensor) else False
    one = len(args) == 1
    mask = (xr,) if one else (xr, zr)
    plan = op.plans.get(mask) or op.plan(mask)
    if x._cell is not None or plan.shapes or mode.anomaly or getattr(z, "_cell", None):
        return record(op, (out,), args, defaults)
    array = out._data
    node: OpNode = _new_node(plan.node)
    node.seq = tick()
    node.plan = plan
    node.settings = defaults
    node.versions = None
    node.shape, node.dtype = array.shape, array.dtype
    ex = (x._node or x) if xr else None
    if one:
        node.inputs = (ex,)
        node.kept = (x,) if plan.inputs[0] else _NOTHING
    else:
        node.inputs = (ex, (z._node or z) if zr else None)
        kx, kz = plan.inputs
        node.kept = (x if kx else None, z if kz else None) if kx or kz else _NOTHING
    if plan.outputs:
        node.outs = (array,)
        cell = out._cell = Cell()
        node.out_cells = ((cell, 0),)
    out._node, out._rg = node, True


_NOTHING = (None, None)


def user_line() -> str:
    """File, line and text of the nearest caller outside this package."""
    import linecache

    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("minigrad."):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line} ({linecache.getline(file, line).strip()})"
