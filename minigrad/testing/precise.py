"""Gradients to nearly all digits of float64: extrapolated differences and the complex step.

Central differences at one small step see about five digits: enough for a wrong rule, not for one
that went through float32 or has a constant rounded to four places. Here steps are larger, and their
errors extrapolated away; what rounding and the remaining curvature may do is measured, not assumed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .analytic import cotangent
from .checks import Call, assert_close
from .differences import Probe, floats_of

__all__ = ["check_broadcasting", "check_precise", "is_linear"]

# Error of two extrapolations of central differences: step**6 · f⁽⁷⁾ + eps / step. At 1e-3 both are
# below 1e-12 for functions whose derivatives are about one.
STEP = 1e-3
P, Q = 2**0.5, 3**0.5 / 2  # irrational: ceil is linear for no such combination
EPS = float(np.finfo(np.float64).eps)


def check_precise(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """Each input's gradient along a random direction, to what float64 can tell."""
    call = Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(np.float64))
    outs = floats_of(call(*tensors))
    if any(o._data.dtype != np.float64 for o in outs):
        return
    rng = np.random.default_rng(3)
    seeds = [cotangent(rng, o._data)._data if o._rg else np.zeros(o.shape) for o in outs]
    v = np.concatenate([s.ravel() for s in seeds] or [np.zeros(0)])
    slopes = call.gradients(tensors)
    probe = Probe(call, tensors, v, STEP)
    sizes = [s._data for s in tensors if s._data.dtype.kind == "f"]
    for i, (t, g) in enumerate(zip(tensors, slopes)):
        if g is None or not g.size or not np.isfinite(g).all():
            continue
        u = rng.uniform(0.5, 1.5, g.shape) * rng.choice([-1.0, 1.0], g.shape)
        yours = float((g * u * np.maximum(1.0, np.abs(t._data))).sum())
        slope, error, size = _extrapolated(probe, t, u)
        # What the op computes on the way may be as large as its inputs, and cancel (gelu's tail).
        way = float(np.abs(v).sum()) * max(1.0, *(float(np.abs(s).max(initial=0)) for s in sizes))
        error += 20 * EPS * way / (STEP / 4)
        if error > 1e-6 * size:
            continue  # a kink or a sharp bend within the step: the coarse check has the word
        exact = _complex_step(fn, call, tensors, i, u, v)
        if exact is not None and abs(exact - slope) <= error:
            slope, error = exact, min(error, 1e-12 * (size + way))
        assert abs(yours - slope) <= error, (
            f"input {i}: along a random direction yours is {yours:.15g}, numerical {slope:.15g}; "
            f"they differ by {abs(yours - slope):.2g}, and rounding explains {error:.2g}. "
            "Something is computed in lower precision, or a constant is rounded."
        )


def _extrapolated(probe: Probe, t: Tensor, u: np.ndarray) -> tuple[float, float, float]:
    """The slope along `u`, a bound for its error, and the size of the slopes it is made of."""
    parts = [probe.along(t, u, scale) for scale in (1.0, 0.5, 0.25)]
    a, b, c = (p.value for p in parts)
    one, two = (4 * b - a) / 3, (4 * c - b) / 3
    size = parts[-1].size + 1e-9
    if max(p.bend for p in parts) > 0.1 * size + 100 * parts[-1].rounding:
        return two, np.inf, size
    return (16 * two - one) / 15, abs(two - one) + 20 * parts[-1].rounding + 1e-12 * size, size


def _complex_step(
    fn: Callable[..., Any], call: Call, tensors: list[Tensor], i: int, u: np.ndarray, v: np.ndarray
) -> float | None:
    """Im f(x + i·h·u) / h: no difference, so no cancellation; None where f is not of NumPy alone.

    A forward with abs or a comparison gives a wrong number; the caller compares with differences.
    """
    op = getattr(fn, "op", None)
    if op is None or call.fn is not fn:
        return None
    tiny = 1e-30
    arrays: list[Any] = [t._data for t in tensors]
    step = tiny * u * np.maximum(1.0, np.abs(arrays[i]))
    arrays[i] = arrays[i] + 1j * step
    args, kwargs = call.given.fill(arrays)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            got = op.forward(*args, **kwargs)
    except Exception:
        return None
    outs = (list(got) if isinstance(got, tuple) else [got])[: len(op.outputs)]
    flat = [np.asarray(o).ravel() for o in outs if np.asarray(o).dtype.kind in "fc"]
    both = np.concatenate(flat) if flat else np.zeros(0)
    if both.dtype.kind != "c" or both.size != v.size:
        return None
    return float(v @ both.imag) / tiny


def is_linear(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> bool:
    """Whether f(a·x + b·y) = a·f(x) + b·f(y) for the sample and random numbers of its size."""
    call = Call(fn, case, args, kwargs)
    rng = np.random.default_rng(5)
    x = call.given.cast(np.float64)
    if not any(call.given.live):
        return False
    y = [rng.normal(size=a.shape) if live else a for a, live in zip(x, call.given.live)]
    mixed = [P * a - Q * b if ok else a for a, b, ok in zip(x, y, call.given.live)]

    def value(arrays: list[np.ndarray]) -> np.ndarray:
        flat = [o._data.ravel() for o in floats_of(call(*[wrap(a.copy()) for a in arrays]))]
        return np.concatenate(flat) if flat else np.zeros(0)

    try:
        one, two, both = value(x), value(y), value(mixed)
    except Exception:
        return False
    expected = P * one - Q * two
    if both.shape != expected.shape or not both.size or not np.isfinite(both).all():
        return False
    scale = P * np.abs(one).max() + Q * np.abs(two).max()
    return bool(np.abs(both - expected).max() <= 1e-12 * scale)


def check_broadcasting(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """For ops that broadcast: a dim of size 1 means what the repeated input means.

    Values are equal, and the gradient is the sum over the repeated dim.
    """
    op = getattr(fn, "op", None)
    call = Call(fn, case, args, kwargs)
    arrays = call.given.cast(np.float64)
    if op is None or op.promote is None or op.variadic or len(arrays) < 2:
        return
    full = np.broadcast_shapes(*[a.shape for a in arrays])
    for i, a in enumerate(arrays):
        for d in range(a.ndim):
            if a.shape[d] == 1 and full[d - a.ndim] == 1:
                continue
            small = np.take(a, [0], axis=d)
            times = full[d - a.ndim]
            large = np.repeat(small, times, axis=d)
            outs, slopes = _with(call, arrays, i, small)
            right, sums = _with(call, arrays, i, large)
            where = f"input {i} of size 1 in dim {d}, broadcast to {times}"
            for k, (p, q) in enumerate(zip(outs, right)):
                if p.shape == q.shape:  # else nothing but this input has the larger size
                    assert_close(f"{where}: output {k}", p, q, np.float64, call.given.terms)
            if case.grad and all(p.shape == q.shape for p, q in zip(outs, right)):
                for k, (g, h) in enumerate(zip(slopes, sums)):
                    if g is None or h is None:
                        continue
                    h = h.sum(d, keepdims=True) if k == i else h
                    what = f"{where}: gradient {k}"
                    assert_close(what, g, h, np.float64, 4 * call.given.terms * times)


def _with(
    call: Call, arrays: list[np.ndarray], i: int, a: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    tensors = call.given.tensors([a if k == i else b for k, b in enumerate(arrays)])
    outs = [o._data for o in call.outputs(tensors) if isinstance(o, Tensor)]
    return outs, call.gradients(tensors)
