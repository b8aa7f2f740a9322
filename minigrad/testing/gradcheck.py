"""gradcheck and gradgradcheck: analytic gradients against central differences.

Each output gets one random cotangent v, so that one backward pass gives the gradient of
<v, f(x)>, which is then compared with finite differences: element by element for small inputs,
along random directions for large ones, where a disagreement is tracked down by halving. An element
whose two sides have different slopes lies at a kink; it is reported, not counted, as long as the
gradient lies between the two.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..contract import set_contract_checks
from ..differentiate import grad
from ..engine import enable_grad
from ..errors import GradientError
from ..tensor import Tensor, wrap
from .analytic import analytic_gradients, cotangent
from .comparison import EVERY, Comparison
from .differences import Probe, floats_of
from .explain import GradcheckError, KinkWarning, Report, kind_of, wrong_gradient

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
                f"{name}: {label} has dtype {t.dtype}; differences are only precise enough in "
                "float64. Use .double().",
                UserWarning,
                stacklevel=3,
            )
    report = Report(name)
    with set_contract_checks(False):  # the report says more
        analytic, v = analytic_gradients(func, given, chosen, report, nondet_tol, partial)
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
                "wrong rule",
                wrong_gradient(
                    label,
                    t._data,
                    compare.analytic,
                    compare.numeric,
                    compare.wrong,
                    others,
                    bool(compare.bent[compare.wrong].all()),
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
        grad_outputs = [cotangent(rng, o._data, strided) for o in outs]
    seeds = tuple(g if g._rg else wrap(g._data).requires_grad_() for g in _as_tuple(grad_outputs))
    first = _Gradient(func, len(given), create_graph=True)
    again = _Gradient(func, len(given), create_graph=False)
    labels = [f"input {i}" for i in range(len(given))] + [
        f"cotangent of output {i}" for i in range(len(seeds))
    ]
    try:
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
    except GradientError as error:  # there is no second order
        report = Report(name)
        report.add(kind_of(error), str(error))
        return report


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
