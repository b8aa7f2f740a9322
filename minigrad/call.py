"""How a call of an op runs: arguments to arrays, promotion, forward, results to Tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray as Array

from . import dtypes
from .complaints import explained
from .engine import mode
from .errors import ShapeError
from .record import SCALARS, check_setting, record, record_elementwise
from .tensor import Tensor, edge_of, wrap

if TYPE_CHECKING:
    from .op import Op

__all__ = ["elementwise", "general", "run"]

_new = Tensor.__new__

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

    _silent = None  # type: ignore[assignment]


def _array(op: Op, name: str, value: Any, optional: bool) -> Any:
    """What the user gave for an input, as a Tensor (or a weak scalar, or None)."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, SCALARS) and op.promote is not None:
        return value.item() if isinstance(value, np.generic) else value  # float64 is a float
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return wrap(array.astype(dtypes.to_dtype(array.dtype), copy=False))
    if value is None and optional:
        return None
    raise TypeError(
        f"{op.name}: {name} must be a Tensor{' or a number' if op.promote else ''}; got "
        f"{type(value).__name__}. Use minigrad.tensor(...)."
    )


def _check_numbers(op: Op, settings: list[Any]) -> None:
    """Settings declared as int or float are that; 0-dim arrays become it."""
    for i, whole, optional in op.numbers:
        value = settings[i]
        kind = value.__class__
        if kind is int or (kind is float and not whole) or (value is None and optional):
            continue
        if isinstance(value, SCALARS) and not (whole and isinstance(value, float)):
            continue
        single = isinstance(value, (np.generic, np.ndarray)) and not value.ndim
        if single and value.dtype.kind in ("biu" if whole else "biuf"):
            settings[i] = value.item()
            continue
        what = "an int" if whole else "a number"
        name = op.settings[i]
        raise TypeError(f"{op.name}: {name} must be {what}; got {name} {value!r}.")


def _promoted(op: Op, arrays: list[Any]) -> list[Any]:
    """Arrays and scalars brought to the dtype in which they meet."""
    if all(isinstance(a, SCALARS) for a in arrays):
        arrays = [np.asarray(a, dtypes.default_for(a)) for a in arrays]
    target = dtypes.result_type(*[a for a in arrays if a is not None])
    if op.promote == "float" and target.kind != "f":
        target = dtypes.get_default_dtype()
    return [
        a
        if a is None
        else a.astype(target, copy=False)
        if isinstance(a, np.ndarray)
        else np.asarray(a).astype(target)  # wraps around, as uint8 · -1 does
        for a in arrays
    ]


def run(op: Op, values: list[Any]) -> Any:
    """Call an op with all its parameters: any number of inputs, settings, outputs."""
    n = len(op.inputs)
    if op.order is not None:
        values = [values[i] for i in op.order]
    settings = values[n:]
    for i, v in enumerate(settings):
        if isinstance(v, Tensor):
            if v._rg and op.custom:
                check_setting(op, op.settings[i], v)
            settings[i] = v._data
    if op.numbers:
        _check_numbers(op, settings)
    if op.variadic:
        seq = values[0]
        if isinstance(seq, Tensor) or not isinstance(seq, (list, tuple)):
            raise TypeError(
                f"{op.name}: {op.inputs[0]} must be a list or tuple of Tensors; got "
                f"{type(seq).__name__}."
            )
        if not seq:
            raise ShapeError(f"{op.name}: needs at least one tensor; got an empty list.")
        tensors = [_array(op, f"{op.inputs[0]}[{i}]", v, False) for i, v in enumerate(seq)]
    else:
        tensors = [
            v if v.__class__ is Tensor else _array(op, op.inputs[i], v, op.optional[i])
            for i, v in enumerate(values[:n])
        ]
    arrays = [t._data if isinstance(t, Tensor) else t for t in tensors]
    if op.promote is not None:
        arrays = _promoted(op, arrays)
    token = _quiet(_silent)
    try:
        got = op.apply(arrays, *settings) if op.variadic else op.apply(*arrays, *settings)
    except Exception as e:
        known = _explained(op, e, arrays, settings)
        raise known from known.__cause__
    finally:
        _unquiet(token)
    many = len(op.outputs)
    parts = (got,) if many == 1 and not op.byproducts else got
    outs = [wrap(p if p.__class__ is np.ndarray else np.asarray(p)) for p in parts[:many]]
    if op.view:
        for o in outs:
            _mark_view(o, tensors[0])
    if mode.recording:
        if op.differentiable and _flows(tensors) and any([o._data.dtype.kind == "f" for o in outs]):
            record(op, outs, tensors, settings, parts[many:])
    elif mode.inference:
        for o in outs:
            _mark_inference(o)
    return outs[0] if many == 1 else tuple(outs)


def _flows(tensors: Sequence[Any]) -> bool:
    """Whether gradients flow into any of the inputs."""
    for t in tensors:
        if t is not None and t.__class__ not in SCALARS and (t._rg or _late(t)):
            return True
    return False


def _late(t: Any) -> bool:
    """Whether gradients flow into `t` although its flag said no: a view whose base has changed."""
    return t.__class__ not in SCALARS and t._base is not None and edge_of(t) is not None


def _mark_inference(out: Tensor) -> None:
    """Keep `out` from ever entering a graph; its cell sends it to `record`, which refuses it."""
    out._inference = True
    out._share_cell()


def _mark_view(out: Tensor, source: Tensor) -> None:
    """Note that `out` may share the memory of `source`, so that in-place changes are seen."""
    if np.may_share_memory(out._data, source._data):
        out._cell = source._share_cell()
        out._base = source if source._base is None else source._base
        out._seen = out._cell.version


def _explained(
    op: Op, error: Exception, arrays: Sequence[Any], settings: Sequence[Any] = ()
) -> Exception:
    """What NumPy or Python complain about, in our words; our own errors as they are."""
    names = [f"{op.inputs[0]}[{i}]" for i in range(len(arrays))] if op.variadic else op.inputs
    given = [(n, a) for n, a in zip(names, arrays) if a is not None]
    if isinstance(error, ShapeError) or "broadcast" not in str(error):
        return explained(op.name, error, [*given, *zip(op.settings, settings)])
    shown = ", ".join(f"{n} {np.shape(a)}" for n, a in given)
    return ShapeError(
        f"{op.name}: shapes must broadcast (equal, or 1, from the last dim on); got {shown}. "
        "Reshape or unsqueeze one of them."
    )


def general(op: Op) -> Callable[..., Any]:
    """`call` for any op: every argument bound by name."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return run(op, op.bind(args, kwargs))

    return call


def elementwise(op: Op) -> Callable[..., Any]:
    """`call` for an op of one or two inputs that meet in one dtype: the path small nets live on."""
    forward, floats = op.quick, op.promote == "float"
    defaults = op.defaults[len(op.inputs) :]
    record = op.differentiable

    def unary(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 1 or kwargs or not isinstance(args[0], Tensor):
            return run(op, op.bind(args, kwargs))
        x = args[0]
        a = x._data
        if floats and a.dtype.kind != "f":
            return run(op, op.bind(args, kwargs))
        token = _quiet(_silent)
        try:
            y = forward(a)
        except Exception as e:
            known = _explained(op, e, (a,))
            raise known from known.__cause__
        finally:
            _unquiet(token)
        out = _new(Tensor)
        out._data = y if y.__class__ is Array else np.asarray(y)
        out._node, out._rg = None, False
        if mode.recording:
            if record and (x._rg or (x._base is not None and _late(x))):
                record_elementwise(op, out, x, None, args, defaults)
        elif mode.inference:
            _mark_inference(out)
        return out

    def binary(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 2 or kwargs:
            return run(op, op.bind(args, kwargs))
        x, z = args
        if not isinstance(x, Tensor):
            return run(op, op.bind(args, kwargs))
        a = x._data
        if isinstance(z, Tensor):
            b = z._data
            if a.dtype is not b.dtype or (floats and a.dtype.kind != "f"):
                return run(op, op.bind(args, kwargs))
            needs = x._rg or z._rg
        elif z.__class__ in SCALARS and a.dtype.kind == "f":
            b, needs = z, x._rg  # type: ignore[assignment]
        else:
            return run(op, op.bind(args, kwargs))
        token = _quiet(_silent)
        try:
            y = forward(a, b)
        except Exception as e:
            known = _explained(op, e, (a, b))
            raise known from known.__cause__
        finally:
            _unquiet(token)
        out = _new(Tensor)
        out._data = y if y.__class__ is Array else np.asarray(y)
        out._node, out._rg = None, False
        if mode.recording:
            if record and (needs or (x._base is not None and _late(x)) or _late(z)):
                record_elementwise(op, out, x, z, args, defaults)
        elif mode.inference:
            _mark_inference(out)
        return out

    return unary if len(op.inputs) == 1 else binary
