"""The analytic side of a gradient check: cotangents, backward passes, and what is wrong already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..differentiate import grad
from ..tensor import Tensor, wrap
from .differences import floats_of
from .explain import Report

__all__ = ["analytic_gradients", "cotangent"]


def cotangent(rng: np.random.Generator, like: np.ndarray, strided: bool = False) -> Tensor:
    """Random numbers between 0.5 and 1.5 in size, of either sign: none is lost in rounding."""
    shape = (*like.shape, 2) if strided else like.shape
    v = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    v = np.asarray(v, like.dtype)
    return wrap(v[..., 0] if strided else v)


def analytic_gradients(
    func: Callable[..., Any],
    given: tuple[Any, ...],
    chosen: Sequence[tuple[str, Tensor]],
    report: Report,
    nondet_tol: float,
    partial: bool,
) -> tuple[list[np.ndarray] | None, np.ndarray]:
    """The analytic gradients for random cotangents, and those in one vector.

    Notes what is wrong already; None if differences would make no sense then.
    """
    tensors = [t for _, t in chosen]
    before = [t._data.copy() if isinstance(t, Tensor) else None for t in given]
    rng = np.random.default_rng(0)

    def run(which: Sequence[int] | None = None) -> list[Tensor]:
        outs = floats_of(func(*given))
        keep = range(len(outs)) if which is None else which
        pairs = [(outs[i], seeds[i]) for i in keep if outs[i]._rg]
        if not pairs:
            return [wrap(np.zeros_like(t._data)) for t in tensors]
        got = grad(
            [o for o, _ in pairs],
            tensors,
            [s for _, s in pairs],
            allow_unused=True,
            materialize_grads=True,
        )
        return [g for g in got if g is not None]

    outs = floats_of(func(*given))
    values = [o._data.copy() for o in outs]
    seeds = [cotangent(rng, o._data) for o in outs]
    v = np.concatenate([s._data.astype(np.float64).ravel() for s in seeds] or [np.zeros(0)])
    _note_mutations(report, given, before, "the call")
    again = [o._data for o in floats_of(func(*given))]
    for i, (a, b) in enumerate(zip(values, again)):
        if not np.isfinite(a).all():
            at = tuple(int(k) for k in np.argwhere(~np.isfinite(a))[0])
            report.add(
                "non-finite",
                f"output {i} is {a[at]} at index {at}; draw inputs inside the "
                "domain of the function.",
            )
        elif not _close(a, b, nondet_tol):
            report.add(
                "non-deterministic",
                f"output {i} differs between two calls on the same inputs, "
                f"by up to {np.abs(a - b).max():.3g}. Seed random ops inside the function.",
            )
    if not report.ok:
        return None, v
    first = run()
    grads = [np.array(g._data, np.float64) for g in first]
    _note_mutations(report, given, before, "the backward pass")
    for (label, t), g, h in zip(chosen, first, run()):
        if g._data.dtype != t._data.dtype:
            report.add(
                "dtype", f"the gradient of {label} must have dtype {t.dtype}; got {g.dtype}."
            )
        if g._data.shape != t._data.shape:
            report.add(
                "shape",
                f"the gradient of {label} must have shape {tuple(t.shape)}; got {tuple(g.shape)}.",
            )
        elif not np.isfinite(g._data).all():
            at = tuple(int(k) for k in np.argwhere(~np.isfinite(g._data))[0])
            report.add(
                "non-finite",
                f"the gradient of {label} is {g._data[at]} at index {at}, where "
                f"its value is {t._data[at]}.",
            )
        elif not _close(g._data, h._data, nondet_tol):
            report.add(
                "non-deterministic",
                f"the gradient of {label} differs between two backward "
                f"passes, by up to {np.abs(g._data - h._data).max():.3g}.",
            )
    if partial and len(outs) > 1 and report.ok:
        _note_partial(report, chosen, grads, [run([i]) for i in range(len(outs))])
    return (grads if report.ok else None), v


def _note_partial(
    report: Report,
    chosen: Sequence[tuple[str, Tensor]],
    joint: Sequence[np.ndarray],
    single: Sequence[Sequence[Tensor]],
) -> None:
    """The gradient is linear in the cotangents: one output at a time must add up to all at once."""
    for i, (label, _) in enumerate(chosen):
        total = sum(np.asarray(s[i]._data, np.float64) for s in single)
        if not np.allclose(total, joint[i], rtol=1e-5, atol=1e-8):
            report.add(
                "wrong rule",
                f"{label}: the gradients through each output alone do not add "
                "up to the gradient through all. A rule mishandles a missing (zero) cotangent.",
            )


def _note_mutations(
    report: Report, given: Sequence[Any], before: Sequence[np.ndarray | None], during: str
) -> None:
    for i, (t, old) in enumerate(zip(given, before)):
        if old is not None and not np.array_equal(t._data, old, equal_nan=old.dtype.kind == "f"):
            report.add("mutated input", f"input {i} was changed by {during}. Work on a copy.")


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= tolerance).all())
