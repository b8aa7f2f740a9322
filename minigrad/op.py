"""How an op is declared, registered, differentiated and installed as a Tensor method.

An op is a function over ndarrays with one gradient rule per input beside it:

    @op(method="mul __mul__", reflected="__rmul__", promote="arithmetic")
    def mul(input: Array, other: Array):
        return np.multiply(input, other)

    mul.gradient("input", lambda g, other: g * other)
    mul.gradient("other", lambda g, input: g * input)

Parameters annotated with `Array` are its inputs (tensors); all others are settings (plain values).
A rule is written with ops over Tensors. Its parameters say what it gets, and so what the graph keeps
alive: `g` the cotangent, `y` the output (or an output's own name), an input's name its value,
`<input>_shape` the input's shape, a setting's name its value, `needs` the names of the inputs whose
gradients are wanted.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray as Array

from . import dtypes
from .engine import Node, Output, mode, tick
from .errors import GradientError, ShapeError
from .tensor import Cell, Tensor, edge_of, wrap

__all__ = ["Array", "Op", "OpNode", "composite", "op", "registry"]

registry: dict[str, Any] = {}  # name -> Op or composite function; the systematic tests walk it

# NumPy's warnings (division by zero, overflow) are not ours to print: PyTorch is silent there.
# errstate costs 0.7 us a call, the variable behind it 0.1.
try:
    from numpy._core import umath as _umath

    _extobj = _umath._extobj_contextvar
    _quiet, _unquiet, _silent = _extobj.set, _extobj.reset, _umath._make_extobj(all="ignore")
except (ImportError, AttributeError):  # another NumPy: the public way

    def _quiet(_: Any) -> Any:
        state = np.errstate(all="ignore")
        state.__enter__()
        return state

    def _unquiet(state: Any) -> None:
        state.__exit__(None, None, None)

    _silent = None

_new = Tensor.__new__
_SCALARS = (float, int, bool)


class _Rule:
    """The gradient of one or more inputs, and where each of its arguments comes from."""

    __slots__ = ("fn", "fetch", "inputs", "joint")

    def __init__(self, op: Op, inputs: tuple[str, ...], fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.inputs = tuple(op.inputs.index(name) for name in inputs)
        self.joint = len(inputs) > 1
        self.fetch: list[tuple[str, int]] = []
        for name in list(inspect.signature(fn).parameters)[1:]:
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
                known = [*op.inputs, *op.outputs, *op.settings, *op.byproducts, "y", "needs"]
                raise TypeError(
                    f"{op.name}: a rule may name the inputs (or <input>_shape), outputs, settings "
                    f"({', '.join(known)}); got {name!r}."
                )


class _Plan:
    """What a node keeps, given which inputs want gradients."""

    __slots__ = ("byproducts", "extras", "inputs", "op", "outputs", "rules", "shapes")

    def __init__(self, op: Op, wants: tuple[bool, ...]) -> None:
        self.op = op
        self.rules = [r for r in op.rules if op.variadic or any(wants[i] for i in r.inputs)]
        sources = {source for r in self.rules for source in r.fetch}
        self.inputs = tuple((("inputs", 0) if op.variadic else ("input", i)) in sources for i in range(len(wants)))
        self.outputs = tuple(i for kind, i in sorted(sources) if kind == "output")
        self.shapes = any(kind == "shape" for kind, _ in sources)
        self.byproducts = any(kind == "byproduct" for kind, _ in sources)
        self.extras = bool(self.outputs) or self.shapes or self.byproducts


class Op:
    """The declaration of an op; the function that users call carries it as `.op`."""

    def __init__(
        self, forward: Callable[..., Any], name: str, promote: str | None, view: bool,
        outputs: tuple[str, ...], byproducts: tuple[str, ...], differentiable: bool,
    ) -> None:
        self.forward, self.name, self.promote, self.view = forward, name, promote, view
        self.several = len(outputs) > 1
        self.outputs, self.byproducts, self.differentiable = outputs, byproducts, differentiable
        self.signature = inspect.signature(forward)
        parameters = self.signature.parameters.values()
        self.parameters = tuple(p.name for p in parameters)
        marked = [p for p in parameters if "Array" in str(p.annotation)]
        self.inputs = tuple(p.name for p in marked)
        self.optional = tuple(p.default is None for p in marked)
        self.variadic = len(marked) == 1 and "Sequence" in str(marked[0].annotation)
        self.settings = tuple(p for p in self.parameters if p not in self.inputs)
        if not marked or self.parameters[: len(marked)] != self.inputs:
            raise TypeError(f"{name}: inputs (annotated Array) must come first in the signature.")
        self.defaults = tuple(p.default for p in parameters)
        self.positional = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
        self.rules: list[_Rule] = []
        self.plans: dict[tuple[bool, ...], _Plan] = {}
        self.node_name = "".join(w.capitalize() for w in name.strip("_").split("_")) + "Backward0"
        self.where = f"{forward.__code__.co_filename}:{forward.__code__.co_firstlineno}"

    def gradient(self, *inputs: str) -> Any:
        """Declare the gradient rule of `inputs`: a decorator, or `gradient(name, rule)`.

        A rule for several inputs returns one gradient for each.
        """
        names, fn = (inputs[:-1], inputs[-1]) if callable(inputs[-1]) else (inputs, None)
        for name in names:
            if name not in self.inputs:
                raise TypeError(f"{self.name}: has no input {name!r}; its inputs are {self.inputs}.")

        def declare(rule: Callable[..., Any]) -> Callable[..., Any]:
            self.rules.append(_Rule(self, names, rule))
            self.plans.clear()
            return rule

        return declare if fn is None else declare(fn)

    def plan(self, wants: tuple[bool, ...]) -> _Plan:
        """What to keep for backward, given which inputs want gradients."""
        plan = self.plans.get(wants)
        if plan is None:
            plan = self.plans[wants] = _Plan(self, wants)
        return plan

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """All parameters in order, defaults filled in; `axis`/`keepdims` stand for `dim`/`keepdim`."""
        values = [*args, *self.defaults[len(args):]]
        if len(args) > self.positional:
            self.signature.bind(*args, **kwargs)  # raises Python's own message
        for key, value in kwargs.items():
            key = _ALIASES.get(key, key) if key not in self.parameters else key
            i = self.parameters.index(key) if key in self.parameters else -1
            if i < len(args):
                self.signature.bind(*args, **kwargs)
            values[i] = value
        if _EMPTY in values[: len(self.parameters)]:
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as e:
                raise TypeError(f"{self.name}: {e}.") from None
        return values


_EMPTY = inspect.Parameter.empty
_ALIASES = {"axis": "dim", "keepdims": "keepdim"}


class OpNode(Node):
    """One recorded call of an op: what its rules need, and the walk's way to call them."""

    __slots__ = ("kept", "plan", "settings", "versions")

    kept: Any  # per input: the value if a rule names it, else None; None altogether once freed
    plan: _Plan
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
    def name(self) -> str:
        return self.plan.op.node_name

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.plan.op.outputs)

    def release(self) -> None:
        if self.kept is not None and (self.outs or any(self.plan.inputs)):
            self.kept, self.outs, self.byproducts = None, None, ()

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        plan, inputs, kept = self.plan, self.inputs, self.kept
        op = plan.op
        if kept is None:
            raise GradientError(
                f"{self.name}: trying to backward through the graph a second time, but what this op "
                "kept was freed by the first pass. Use loss.backward(retain_graph=True) the first "
                "time, or compute the loss again."
            )
        if kept is not _NOTHING or self.out_cells:
            self._check_versions(kept)
        if op.several:
            g = self._fill(g)
        grads: list[Any] = [None] * len(inputs)
        for rule in plan.rules:
            if wanted is not None and not op.variadic and not any([wanted[i] for i in rule.inputs]):
                continue
            args = [
                kept[i] if kind == "input"
                else self.settings[i] if kind == "setting"
                else self._fetch(kind, i, wanted)
                for kind, i in rule.fetch
            ]
            if rule.joint:
                for i, one in zip(rule.inputs, rule.fn(g, *args)):
                    grads[i] = one
            elif op.variadic:
                grads = list(rule.fn(g, *args))
            else:
                grads[rule.inputs[0]] = rule.fn(g, *args)
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
        if not op.variadic and not any(i in r.inputs for r in op.rules):
            raise GradientError(
                f"{op.name}: has no gradient rule for input {op.inputs[i]!r}, which requires "
                f"grad. Declare one beside the op ({op.where}), or detach the input."
            )

    def _fetch(self, kind: str, i: int, wanted: tuple[bool, ...] | None) -> Any:
        """What a rule asked for by name, other than an input or a setting."""
        if kind == "inputs":
            return self.kept
        if kind == "shape":
            return self.shapes if self.op.variadic else self.shapes[i]
        if kind == "output":
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
            name for j, name in enumerate(self.op.inputs)
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
        return [i for i, d in enumerate(self.dtype) if d.kind == "f"]

    def _check_versions(self, kept: Sequence[Any]) -> None:
        """Raise if a kept value was changed in place since."""
        versions = self.versions
        for i, t in enumerate(kept):
            if t.__class__ in _SCALARS or t is None or t._cell is None:
                continue
            self._check_version(t._cell, 0 if versions is None else versions[i])
        for cell, version in self.out_cells:
            self._check_version(cell, version)

    def _check_version(self, cell: Cell, version: int) -> None:
        if cell.version != version:
            raise GradientError(
                f"{self.name}: one of the tensors needed for its gradient has been modified by an "
                f"inplace operation: it was at version {version} when it was saved and is at "
                f"version {cell.version} now, changed by {cell.where}. Change a clone instead "
                "(x = x + 1 for x += 1), or make the change before the forward pass."
            )

    def _unbroadcast(self, g: Tensor, i: int, edge: Any) -> Tensor:
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
            f"returned {tuple(g._data.shape)}. The op stands at {self.op.where}."
        )


class _Constant(Node):
    """The edge of a by-product: it has no gradient, and asking for one is an error."""

    __slots__ = ("message",)

    def __init__(self, node: OpNode, what: str, array: Array) -> None:
        super().__init__((), array.shape, array.dtype)
        self.message = (
            f"{node.op.name}: its gradient rule uses the by-product {what!r} as if it were constant, "
            "so it cannot be differentiated again. Return it as an output, compute it in the rule, "
            "or hand it as a setting to an op with a rule of its own."
        )

    def pullback(self, g: Any, wanted: tuple[bool, ...] | None) -> Sequence[Any]:
        raise GradientError(self.message)


_new_node = OpNode.__new__


def _record(
    op: Op, outs: Sequence[Tensor], tensors: Sequence[Any], settings: Sequence[Any],
    byproducts: Sequence[Array] = (),
) -> None:
    """Give `outs` their place in the graph, keeping alive only what the rules name."""
    edges = []
    wants = []
    changed = False
    for t in tensors:
        if t.__class__ in _SCALARS or t is None:
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
    node = _new_node(OpNode)
    node.seq = tick()
    node.inputs = tuple(edges)
    node.plan = plan
    node.settings = settings
    node.kept = [t if keep else None for keep, t in zip(plan.inputs, tensors)]
    node.versions = [
        0 if t.__class__ in _SCALARS or t is None else t._version for t in tensors
    ] if changed else None
    if plan.extras:
        if plan.outputs:
            node.outs = [o._data if i in plan.outputs else None for i, o in enumerate(outs)]
            cells = [outs[i]._share_cell() for i in plan.outputs]
            node.out_cells = [(cell, cell.version) for cell in cells]
        if plan.shapes:
            node.shapes = [
                None if t is None or t.__class__ in _SCALARS else t._data.shape for t in tensors
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
    for i, o in enumerate(outs):
        if o._data.dtype.kind == "f":
            o._node, o._rg = Output(node, i, o._data.shape, o._data.dtype), True


def _record_elementwise(op: Op, out: Tensor, x: Tensor, z: Any, args: Any, defaults: Any) -> None:
    """`_record` for one or two inputs and one output, unrolled: two thirds of its time."""
    xr = x._rg
    zr = z._rg if isinstance(z, Tensor) else False
    one = len(args) == 1
    mask = (xr,) if one else (xr, zr)
    plan = op.plans.get(mask) or op.plan(mask)
    if x._cell is not None or plan.shapes or mode.anomaly or getattr(z, "_cell", None):
        return _record(op, (out,), args, defaults)
    array = out._data
    node = _new_node(OpNode)
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


def _array(op: Op, name: str, value: Any, optional: bool) -> Any:
    """What the user gave for an input, as a Tensor (or a weak scalar, or None)."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, _SCALARS) and op.promote is not None:
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return wrap(array.astype(dtypes.to_dtype(array.dtype), copy=False))
    if value is None and optional:
        return None
    raise TypeError(
        f"{op.name}: {name} must be a Tensor{' or a number' if op.promote else ''}; got "
        f"{type(value).__name__}. Use minigrad.tensor(...)."
    )


def _promoted(op: Op, arrays: list[Any]) -> list[Any]:
    """Arrays and scalars brought to the dtype in which they meet."""
    if all(isinstance(a, _SCALARS) for a in arrays):
        arrays = [np.asarray(a, dtypes.default_for(a)) for a in arrays]
    target = dtypes.result_type(*[a for a in arrays if a is not None])
    if op.promote == "float" and target.kind != "f":
        target = dtypes.get_default_dtype()
    return [
        a if a is None else a.astype(target, copy=False) if isinstance(a, np.ndarray)
        else np.asarray(a, target)
        for a in arrays
    ]


def _run(op: Op, values: list[Any]) -> Any:
    """Call an op with all its parameters: any number of inputs, settings, outputs."""
    n = len(op.inputs)
    settings = [v._data if isinstance(v, Tensor) else v for v in values[n:]]
    if op.variadic:
        seq = values[0]
        if isinstance(seq, Tensor) or not isinstance(seq, (list, tuple)):
            raise TypeError(
                f"{op.name}: {op.inputs[0]} must be a list or tuple of Tensors; got {type(seq).__name__}."
            )
        tensors = [_array(op, f"{op.inputs[0]}[{i}]", v, False) for i, v in enumerate(seq)]
    else:
        tensors = [_array(op, op.inputs[i], values[i], op.optional[i]) for i in range(n)]
    arrays = [t._data if isinstance(t, Tensor) else t for t in tensors]
    if op.promote is not None:
        arrays = _promoted(op, arrays)
    token = _quiet(_silent)
    try:
        got = op.forward(arrays, *settings) if op.variadic else op.forward(*arrays, *settings)
    except ValueError as e:
        raise _explained(op, e, arrays) from None
    finally:
        _unquiet(token)
    many = len(op.outputs)
    parts = (got,) if many == 1 and not op.byproducts else got
    outs = [wrap(p if p.__class__ is np.ndarray else np.asarray(p)) for p in parts[:many]]
    if op.view:
        for o in outs:
            _mark_view(o, tensors[0])
    if mode.recording:
        if op.differentiable and any(
            [t is not None and t.__class__ not in _SCALARS and t._rg for t in tensors]
        ):
            if any(o._data.dtype.kind == "f" for o in outs):
                _record(op, outs, tensors, settings, parts[many:])
    elif mode.inference:
        for o in outs:
            _mark_inference(o)
    return outs[0] if many == 1 else tuple(outs)


def _mark_inference(out: Tensor) -> None:
    """Keep `out` from ever entering a graph; its cell sends it to `_record`, which refuses it."""
    out._inference = True
    out._share_cell()


def _mark_view(out: Tensor, source: Tensor) -> None:
    """Note that `out` may share the memory of `source`, so that in-place changes are seen."""
    if np.may_share_memory(out._data, source._data):
        out._cell = source._share_cell()
        out._base = source if source._base is None else source._base
        out._seen = out._cell.version


def _explained(op: Op, error: ValueError, arrays: Sequence[Any]) -> ValueError:
    """NumPy's complaint about shapes, in our words; other errors as they are."""
    if isinstance(error, ShapeError) or "broadcast" not in str(error):
        return error
    names = [f"{op.inputs[0]}[{i}]" for i in range(len(arrays))] if op.variadic else op.inputs
    shown = ", ".join(f"{n} {np.shape(a)}" for n, a in zip(names, arrays) if a is not None)
    return ShapeError(
        f"{op.name}: shapes must broadcast (equal, or 1, from the last dim on); got {shown}. "
        "Reshape or unsqueeze one of them."
    )


def _general(op: Op) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return _run(op, op.bind(args, kwargs))

    return call


def _elementwise(op: Op) -> Callable[..., Any]:
    """`call` for an op of one or two inputs that meet in one dtype: the path small nets live on."""
    forward, floats = op.forward, op.promote == "float"
    defaults = op.defaults[len(op.inputs):]
    record = op.differentiable

    def unary(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 1 or kwargs or not isinstance(args[0], Tensor):
            return _run(op, op.bind(args, kwargs))
        x = args[0]
        a = x._data
        if floats and a.dtype.kind != "f":
            return _run(op, op.bind(args, kwargs))
        token = _quiet(_silent)
        try:
            y = forward(a)
        finally:
            _unquiet(token)
        out = _new(Tensor)
        out._data = y if y.__class__ is Array else np.asarray(y)
        out._node, out._rg = None, False
        if mode.recording:
            if record and x._rg:
                _record_elementwise(op, out, x, None, args, defaults)
        elif mode.inference:
            _mark_inference(out)
        return out

    def binary(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 2 or kwargs:
            return _run(op, op.bind(args, kwargs))
        x, z = args
        if not isinstance(x, Tensor):
            return _run(op, op.bind(args, kwargs))
        a = x._data
        if isinstance(z, Tensor):
            b = z._data
            if a.dtype is not b.dtype or (floats and a.dtype.kind != "f"):
                return _run(op, op.bind(args, kwargs))
            needs = x._rg or z._rg
        elif z.__class__ in _SCALARS and a.dtype.kind == "f":
            b, needs = z, x._rg
        else:
            return _run(op, op.bind(args, kwargs))
        token = _quiet(_silent)
        try:
            y = forward(a, b)
        except ValueError as e:
            raise _explained(op, e, (a, b)) from None
        finally:
            _unquiet(token)
        out = _new(Tensor)
        out._data = y if y.__class__ is Array else np.asarray(y)
        out._node, out._rg = None, False
        if mode.recording:
            if record and needs:
                _record_elementwise(op, out, x, z, args, defaults)
        elif mode.inference:
            _mark_inference(out)
        return out

    return unary if len(op.inputs) == 1 else binary


def op(
    forward: Callable[..., Any] | None = None, *, name: str | None = None, method: str = "",
    reflected: str = "", inplace: str = "", promote: str | None = None, view: bool = False,
    outputs: str = "y", byproducts: str = "", differentiable: bool = True,
) -> Any:
    """Declare an op from its forward function over ndarrays.

    Parameters
    ----------
    method, reflected, inplace : str
        Names of Tensor methods to install, separated by spaces: plain, with the first two inputs
        swapped, and changing the first input in place.
    promote : 'arithmetic' or 'float'
        Bring the inputs to one dtype as PyTorch does, broadcast them, and sum gradients back to
        the inputs' shapes; 'float' also turns integers into the default float dtype.
    view : bool
        The result may share memory with the first input.
    outputs, byproducts : str
        Names of what `forward` returns, if more than one value. By-products reach the rules but
        not the caller.
    differentiable : bool
        False: results never enter a graph (comparisons, argmax).
    """
    if forward is None:
        return lambda f: op(
            f, name=name, method=method, reflected=reflected, inplace=inplace, promote=promote,
            view=view, outputs=outputs, byproducts=byproducts, differentiable=differentiable,
        )
    record = Op(
        forward, name or forward.__name__.lstrip("_"), promote, view, tuple(outputs.split()),
        tuple(byproducts.split()), differentiable,
    )
    fast = promote is not None and len(record.inputs) <= 2 and not record.variadic and not view
    fast = fast and len(record.outputs) == 1 and not record.byproducts
    call: Any = _elementwise(record) if fast else _general(record)
    _dress(call, forward, record.name)
    call.op, call.gradient = record, record.gradient
    registry[forward.__name__] = call
    _install(call, record, method, reflected, inplace)
    return call


def _dress(call: Any, forward: Callable[..., Any], name: str) -> None:
    call.__name__ = call.__qualname__ = name
    call.__doc__, call.__module__ = forward.__doc__, forward.__module__
    call.__wrapped__ = forward  # inspect.signature and help() show the declaration


def _install(call: Any, record: Op | None, method: str, reflected: str, inplace: str) -> None:
    from .inplace import in_place

    for name in method.split():
        setattr(Tensor, name, call)
    for name in reflected.split():
        setattr(Tensor, name, _swapped(call, name))
    for name in inplace.split():
        setattr(Tensor, name, in_place(call, name))


def _swapped(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def reflected(self: Tensor, other: Any) -> Any:
        return call(other, self)

    reflected.__name__ = name
    return reflected


def composite(
    fn: Callable[..., Any] | None = None, *, method: str = "", inplace: str = "", name: str = ""
) -> Any:
    """Register a function that is written with ops, and install it as a Tensor method.

    It needs no gradient rule; `axis`/`keepdims` are accepted for `dim`/`keepdim`.
    """
    if fn is None:
        return lambda f: composite(f, method=method, inplace=inplace, name=name)
    call: Any = fn
    if "dim" in inspect.signature(fn).parameters:

        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                kwargs = {_ALIASES.get(k, k): v for k, v in kwargs.items()}
            return fn(*args, **kwargs)

        _dress(call, fn, fn.__name__)
    registry[name or fn.__name__] = call
    _install(call, None, method, "", inplace)
    return call
