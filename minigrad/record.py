"""How a call of an op enters the graph: its node is made and filled in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy import ndarray as Array

from .engine import Output, mode, tick, watching
from .errors import GradientError
from .opnode import SCALARS, Constant, OpNode
from .tensor import Tensor, edge_of

if TYPE_CHECKING:
    from .op import Op

__all__ = ["SCALARS", "OpNode", "check_setting", "record", "record_one", "record_two", "user_line"]

_NOTHING = (None, None)


def record(
    op: Op,
    outs: Sequence[Tensor],
    tensors: Sequence[Any],
    settings: Sequence[Any],
    byproducts: Sequence[Array] = (),
) -> None:
    """Give `outs` their place in the graph, keeping alive only what the rules name."""
    edges: list[Any] = []
    wants: list[bool] = []
    versions: list[int] | None = None
    for t in tensors:
        if t is None or t.__class__ in SCALARS:
            edges.append(None)
            wants.append(False)
            continue
        if t._cell is not None:  # others see its buffer
            if t._base is not None:
                edge_of(t)
            if versions is None:
                versions = [0] * len(tensors)
            versions[len(wants)] = t._cell.version
            if t._inference:
                raise GradientError(
                    f"{op.name}: a tensor made inside inference_mode cannot be part of a graph. Use"
                    " no_grad instead, or clone the tensor outside."
                )
        edges.append((t._node or t) if t._rg else None)
        wants.append(t._rg)
    mask = tuple(wants)
    plan = op.plans.get(mask) or op.plan(mask)
    node: OpNode = plan.node()
    node.seq = tick()
    node.inputs = tuple(edges)
    node.plan = plan
    node.settings = settings
    if False not in plan.inputs:
        node.kept = tensors
    else:
        node.kept = [t if keep else None for keep, t in zip(plan.inputs, tensors)]
    node.versions = versions
    node.outs = node.shapes = None
    node.out_cells = ()
    node.byproducts = byproducts if plan.byproducts else ()
    if plan.outputs:
        node.outs = [o._data if i in plan.outputs else None for i, o in enumerate(outs)]
        cells = [cell for i in plan.outputs if (cell := outs[i]._cell) is not None]
        node.out_cells = [(cell, cell.version) for cell in cells]
    if plan.shapes:
        node.shapes = [
            None if t is None or t.__class__ in SCALARS else t._data.shape for t in tensors
        ]
    if watching():
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


def record_one(op: Op, out: Tensor, x: Tensor) -> None:
    """`record`, unrolled, for one input of the shape and dtype of the output, never changed."""
    plan = op.alike[1] or op.plan_alike(True, False)
    node: OpNode = plan.node()
    node.seq = tick()
    node.plan = plan
    node.settings = op.standard
    array = out._data
    node.shape = array.shape
    node.dtype = array.dtype
    node.versions = None
    node.out_cells = ()
    node.inputs = (x._node or x,)
    node.kept = (x,) if plan.inputs[0] else _NOTHING
    node.outs = (array,) if plan.outputs else None
    if watching():
        node.where = user_line()
    out._node = node
    out._rg = True


def record_two(op: Op, out: Tensor, x: Any, z: Any, xr: bool, zr: bool) -> None:
    """`record_one` for two inputs, which may be numbers; `xr` and `zr` say which want gradients."""
    plan = op.alike[xr + 2 * zr] or op.plan_alike(xr, zr)
    node: OpNode = plan.node()
    node.seq = tick()
    node.plan = plan
    node.settings = op.standard
    array = out._data
    node.shape = array.shape
    node.dtype = array.dtype
    node.versions = None
    node.out_cells = ()
    node.inputs = ((x._node or x) if xr else None, (z._node or z) if zr else None)
    if plan.keeps:
        kx, kz = plan.inputs
        node.kept = (x if kx else None, z if kz else None)
    else:
        node.kept = _NOTHING
    node.outs = (array,) if plan.outputs else None
    if watching():
        node.where = user_line()
    out._node = node
    out._rg = True


def user_line() -> str:
    """File, line and text of the nearest caller outside this package."""
    import linecache

    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("minigrad."):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line} ({linecache.getline(file, line).strip()})"


def check_setting(op: Op, name: str, t: Tensor) -> None:
    """Refuse a tensor that requires grad as a setting of a user's op: none would flow."""
    if isinstance(t._node, Constant):
        return
    if mode.trace is not None:
        mode.trace.leaves()
    elif mode.recording:
        raise GradientError(
            f"{op.name}: {name!r} is a setting, through which no gradient flows; got a tensor of "
            f"shape {tuple(t._data.shape)} that requires grad. Annotate it Array in the forward "
            f"and give it a rule, or pass {name}.detach(). The op stands at {op.where}."
        )
