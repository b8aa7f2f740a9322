"""How a call of an op runs: arguments to arrays, promotion, forward, results to Tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray as Array

from . import dtypes
from .complaints import explained
from .engine import inferring, recording
from .errors import ShapeError
from .quiet import quiet, silent, unquiet
from .record import SCALARS, check_setting, record, record_one, record_two
from .tensor import Tensor, edge_of, wrap

if TYPE_CHECKING:
    from .op import Op

__all__ = ["elementwise", "general", "run"]

_new = Tensor.__new__
_PLAIN = frozenset((tuple, int, bool, float, str, type(None)))
MANY = 65536  # elements from which an op's own function, on all threads, beats its plain one

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
    tensors, settings = values[:n], values[n:]
    for v in settings:
        if v.__class__ not in _PLAIN and isinstance(v, Tensor):
            settings = [_setting(op, *pair) for pair in zip(op.settings, settings)]
            break
    if op.numbers:
        _check_numbers(op, settings)
    if op.variadic:
        tensors = _listed(op, tensors[0])
    arrays: list[Any] = []
    for v in tensors:
        if not isinstance(v, Tensor) and not op.variadic:
            i = len(arrays)
            tensors[i] = v = _array(op, op.inputs[i], v, op.optional[i])
        arrays.append(v._data if isinstance(v, Tensor) else v)
    if op.promote is not None:
        arrays = _promoted(op, arrays)
    token = quiet(silent)
    try:
        got = op.apply(arrays, *settings) if op.variadic else op.apply(*arrays, *settings)
    except Exception as e:
        known = _explained(op, e, arrays, settings)
        raise known from known.__cause__
    finally:
        unquiet(token)
    many = len(op.outputs)
    outs: tuple[Tensor, ...]
    if many == 1 and not op.byproducts:
        outs, byproducts = (wrap(got if got.__class__ is Array else np.asarray(got)),), ()
    else:
        outs = tuple([wrap(p if p.__class__ is Array else np.asarray(p)) for p in got[:many]])
        byproducts = got[many:]
    if op.view:
        for o in outs:
            _mark_view(o, tensors[0])
    if recording():
        if op.differentiable and _flows(tensors) and _floating(outs):
            record(op, outs, tensors, settings, byproducts)
    elif inferring():
        for o in outs:
            _mark_inference(o)
    return outs[0] if many == 1 else outs


def _setting(op: Op, name: str, value: Any) -> Any:
    """A setting as the op's function takes it: tensors as arrays."""
    if not isinstance(value, Tensor):
        return value
    if value._rg and op.custom:
        check_setting(op, name, value)
    return value._data


def _listed(op: Op, seq: Any) -> list[Any]:
    """The inputs of an op that takes a list of them."""
    if isinstance(seq, Tensor) or not isinstance(seq, (list, tuple)):
        raise TypeError(
            f"{op.name}: {op.inputs[0]} must be a list or tuple of Tensors; got "
            f"{type(seq).__name__}."
        )
    if not seq:
        raise ShapeError(f"{op.name}: needs at least one tensor; got an empty list.")
    return [_array(op, f"{op.inputs[0]}[{i}]", v, False) for i, v in enumerate(seq)]


def _floating(outs: Sequence[Tensor]) -> bool:
    """Whether gradients can flow into any of the outputs."""
    return any([o._data.dtype.kind == "f" for o in outs])


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
    """`call` for any op."""
    defaults, most = op.defaults, op.positional
    least = len([d for d in defaults if d is inspect.Parameter.empty])

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs or not least <= len(args) <= most:
            return run(op, op.bind(args, kwargs))
        return run(op, [*args, *defaults[len(args) :]])

    return call


def elementwise(op: Op) -> Callable[..., Any]:
    """`call` for an op of one or two inputs that meet in one dtype: the path small nets live on.

    What is usual (tensors of one shape and dtype, or a tensor and a number) is done on the spot;
    all else goes to `run`. Each op gets a copy of the code, since that is where the interpreter
    notes which types it met at each place: shared by ops of different nodes it would note nothing.
    """
    forward, floats = op.quick, op.promote == "float"
    differentiable = op.differentiable
    reverse = isinstance(forward, np.ufunc)  # others may look for the dtype of their first input

    def unary(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return run(op, op.bind((x,), {}))
        a = x._data
        if floats and a.dtype.kind != "f":
            return run(op, op.bind((x,), {}))
        token = quiet(silent)
        try:
            y = forward(a)
        except Exception as e:
            known = _explained(op, e, (a,))
            raise known from known.__cause__
        finally:
            unquiet(token)
        out = _new(Tensor)
        out._data = y if y.__class__ is Array else np.asarray(y)
        out._node = out._cell = None
        out._rg = False
        if not recording():
            if inferring():
                _mark_inference(out)
        elif x._cell is not None:
            if differentiable and (x._rg or _late(x)):
                record(op, (out,), (x,), op.standard)
        elif x._rg and differentiable:
            record_one(op, out, x)
        return out

    def binary(x: Any, z: Any) -> Any:
        a: Any
        b: Any
        if isinstance(x, Tensor):
            a, xr, alike = x._data, x._rg, x._cell is None
            if isinstance(z, Tensor):
                b, zr = z._data, z._rg
                dtype = a.dtype
                if b.dtype is not dtype or (floats and dtype.kind != "f"):
                    return run(op, op.bind((x, z), {}))
                alike = alike and z._cell is None and a.shape == b.shape
            elif z.__class__ in SCALARS and a.dtype.kind == "f":
                b, zr = z, False
            else:
                return run(op, op.bind((x, z), {}))
            many = reverse and a.size >= MANY
        elif reverse and x.__class__ in SCALARS and isinstance(z, Tensor):
            a, b, xr, zr, alike, many = x, z._data, False, z._rg, z._cell is None, False
            if b.dtype.kind != "f":
                return run(op, op.bind((x, z), {}))
        else:
            return run(op, op.bind((x, z), {}))
        token = quiet(silent)
        try:
            y = op.apply(a, b, *op.standard) if many else forward(a, b)
        except Exception as e:
            known = _explained(op, e, (a, b))
            raise known from known.__cause__
        finally:
            unquiet(token)
        out = _new(Tensor)
        out._data = y if y.__class__ is Array else np.asarray(y)
        out._node = out._cell = None
        out._rg = False
        if not recording():
            if inferring():
                _mark_inference(out)
        elif not alike:
            if differentiable and (xr or zr or _late(x) or _late(z)):
                record(op, (out,), (x, z), op.standard)
        elif differentiable and (xr or zr):
            record_two(op, out, x, z, xr, zr)
        return out

    exact, n = (unary, 1) if len(op.inputs) == 1 else (binary, 2)
    exact.__code__ = exact.__code__.replace()

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) != n or kwargs:
            return run(op, op.bind(args, kwargs))
        return exact(*args)

    call.exact = exact  # type: ignore[attr-defined]
    return call
