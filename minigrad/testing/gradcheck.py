"""gradcheck and gradgradcheck: analytic gradients against central differences.

Each output gets one random cotangent v, so that one backward pass gives the gradient of
<v, f(x)>, which is then compared with finite differences: element by element for small inputs, along
random directions for large ones, where a disagreement is tracked down by halving. An element whose
two sides have different slopes lies at a kink; it is reported, not counted, as long as the gradient
lies between the two.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import enable_grad
from ..differentiate import grad
from ..tensor import Tensor, wrap
from .comparison import EVERY, Comparison
from .differences import Probe, floats_of
from .explain import GradcheckError, KinkWarning, Report, wrong_gradient

__all__ = [
    "GradcheckError",
    "KinkWarning",
    "examine",
    "examine_second",
    "gradcheck",
    "gradgradcheck",
]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of `func` with central differences.

    Parameters
    ----------
    func : callable
        Takes the inputs, returns a Tensor or a tuple of them; floating ones are checked.
    inputs : Tensor or sequence
        Those that require grad are checked; float64, or differences are too coarse. Other values
        are passed on.
    eps : float
        Step of the differences, times max(1, |x|).
    atol, rtol : float
        How far analytic and numeric may be apart: atol + rtol · |numeric|, plus rounding.
    nondet_tol : float
        How far two runs on the same inputs may be apart.
    check_undefined_grad : bool
        With several outputs, also check that each may be left without a cotangent.
    fast_mode : bool
        Only look along random directions.

    Returns
    -------
    bool
        True; False for a failure if `raise_exception` is False.

    Raises
    ------
    GradcheckError
        A gradient is wrong, non-finite, changes from run to run or has the wrong dtype or shape, or
        an input was mutated. The message shows the elements and guesses the mistake.

    Warns
    -----
    KinkWarning
        Some elements lie where `func` has no derivative. They were not counted.
    """
    _no_other_modes(
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_forward_ad,
        check_batched_forward_grad=check_batched_forward_grad,
        masked=bool(masked),
    )
    if not check_backward_ad:
        return True
    report = examine(
        func,
        inputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
        partial=check_undefined_grad,
    )
    return _verdict(report, raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare the gradients of the gradients of `func` with central differences.

    `grad_outputs` are the cotangents of the outputs, drawn at random if not given; the second
    gradient is checked with respect to them as well. The rest is as for `gradcheck`.
    """
    _no_other_modes(
        check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev, masked=masked
    )
    if not check_rev_over_rev:
        return True
    report = examine_second(
        func,
        inputs,
        grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
        strided=gen_non_contig_grad_outputs,
    )
    return _verdict(report, raise_exception)


def _no_other_modes(**flags: bool) -> None:
    for name, value in flags.items():
        if value:
            raise NotImplementedError(f"gradcheck: {name}=True is not supported. Leave it out.")


def _verdict(report: Report, raise_exception: bool) -> bool:
    if report.kinks:
        warnings.warn(report.kink_message(), KinkWarning, stacklevel=3)
    if not report.ok and raise_exception:
        raise GradcheckError(report.findings[0].message)
    return report.ok


def examine(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    partial: bool = True,
    name: str = "gradcheck",
    labels: Sequence[str] | None = None,
    numeric: Callable[..., Any] | None = None,
) -> Report:
    """What `gradcheck` finds, as a Report: nothing is raised for a wrong gradient.

    `numeric`, if given, is a cheaper function of the same values to take differences of.
    """
    given = _as_tuple(inputs)
    labels = labels or [f"input {i}" for i in range(len(given))]
    chosen = [(labels[i], t) for i, t in enumerate(given) if isinstance(t, Tensor) and t._rg]
    if not chosen:
        raise ValueError(f"{name}: at least one input must require grad. Set requires_grad=True.")
    for label, t in chosen:
        if t._data.dtype.itemsize < 8:
            warnings.warn(
                f"{name}: {label} has dtype {t.dtype}; differences are only precise enough in float64. "
                "Use .double().",
                UserWarning,
                stacklevel=3,
            )
    report = Report(name)
    analytic, v = _analytic(func, given, chosen, report, nondet_tol, partial)
    if analytic is None:
        return report
    probe = Probe(numeric or func, given, v, eps)
    for i, (label, t) in enumerate(chosen):
        compare = Comparison(probe, t, analytic[i], atol, rtol, report, label)
        if fast_mode or t._data.size > EVERY:
            compare.search()
        else:
            compare.every()
        if compare.wrong.any():
            compare.fill()
            others = [(lb, o._data) for lb, o in chosen if o is not t]
            others += [(f"output {k}", o._data) for k, o in enumerate(floats_of(func(*given)))]
            report.add(
                "wrong gradient",
                wrong_gradient(
                    label, t._data, compare.analytic, compare.numeric, compare.wrong, others
                ),
            )
    return report


def examine_second(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    strided: bool = False,
    name: str = "gradgradcheck",
) -> Report:
    """What `gradgradcheck` finds, as a Report."""
    given = _as_tuple(inputs)
    outs = [o for o in floats_of(func(*given)) if o._rg]
    rng = np.random.default_rng(1)
    if grad_outputs is None:
        grad_outputs = [_cotangent(rng, o._data, strided) for o in outs]
    seeds = tuple(g if g._rg else wrap(g._data).requires_grad_() for g in _as_tuple(grad_outputs))
    first = _Gradient(func, len(given), create_graph=True)
    again = _Gradient(func, len(given), create_graph=False)
    labels = [f"input {i}" for i in range(len(given))] + [
        f"cotangent of output {i}" for i in range(len(seeds))
    ]
    return examine(
        first,
        (*given, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
        partial=False,
        name=name,
        labels=labels,
        numeric=again,
    )


class _Gradient:
    """The gradients of `func` as a function of its inputs and of its outputs' cotangents."""

    def __init__(self, func: Callable[..., Any], count: int, create_graph: bool) -> None:
        self.func, self.count, self.create_graph = func, count, create_graph

    def __call__(self, *args: Any) -> tuple[Tensor, ...]:
        given, seeds = args[: self.count], args[self.count :]
        with enable_grad():
            outs = [o for o in floats_of(self.func(*given)) if o._rg]
            tensors = [t for t in given if isinstance(t, Tensor) and t._rg]
            got = grad(
                outs,
                tensors,
                list(seeds),
                create_graph=self.create_graph,
                allow_unused=True,
                materialize_grads=True,
            )
        return tuple(g for g in got if g is not None)


def _as_tuple(inputs: Any) -> tuple[Any, ...]:
    return tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)


def _cotangent(rng: np.random.Generator, like: np.ndarray, strided: bool = False) -> Tensor:
    """Random numbers between 0.5 and 1.5 in size, of either sign: none is lost in rounding."""
    shape = (*like.shape, 2) if strided else like.shape
    v = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    v = np.asarray(v, like.dtype)
    return wrap(v[..., 0] if strided else v)


def _analytic(
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
    seeds = [_cotangent(rng, o._data) for o in outs]
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
                "wrong gradient",
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
