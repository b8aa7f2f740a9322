"""check_op: every check of an op on given samples, and a report with the smallest failing one.

The checks are in checks.py, keeping.py and precise.py; how samples are drawn is in strategies.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import GradientError, ShapeError
from . import checks, keeping, precise
from .cases import Case
from .explain import CheckError, KinkWarning, Report, kind_of
from .gradcheck import examine, examine_second
from .shrink import code, name_of, smallest

__all__ = ["check_op", "examine_op", "limited", "plain_sample"]

Check = Callable[..., None]


def check_op(
    op: Callable[..., Any],
    samples: Any,
    *,
    reference: Callable[..., Any] | None = None,
    grad: bool = True,
    order: int = 2,
    linear: bool | None = None,
    exact: bool = False,
    dtypes: Sequence[str] = ("float32", "float64"),
    constants: Sequence[int | str] = (),
    random: bool = False,
    keeps_dtype: bool = True,
    shrink: bool = True,
    raise_exception: bool = True,
) -> Report:
    """Check all that an op promises, on each of `samples`.

    Values against `reference`; first and second gradients against differences, and the first to
    float64's last digits; the adjoint identity, if the op is linear; that size 1 broadcasts; that
    transposed (Fortran), strided and reversed inputs make no difference; float32 against float64;
    that two runs agree to the bit; that inputs stay as they are; dtypes and shapes of results and
    gradients; that nothing shares memory unless it is a view; that a run leaves nothing alive.

    Parameters
    ----------
    op : callable
        From `minigrad.op`, or any function of Tensors.
    samples : ndarray, or list of samples
        A sample is an array, a tuple of arguments, or (arguments, keywords) as Hypothesis draws
        them. Float64 arrays (in lists, too) are inputs that get gradients.
    reference : callable
        The right value, from the same arguments as ndarrays.
    grad : bool
        False: there is no gradient to check.
    order : 1 or 2
        Up to which order gradients are checked.
    linear : bool or None
        Whether the op is linear in its inputs together; None tries it out.
    exact : bool
        The value must equal the reference's to the bit.
    dtypes : sequence of str
        Floating dtypes in which the op works.
    constants : sequence of int or str
        Places or keywords of float arguments that get no gradient.
    random : bool
        The op draws random numbers; it is seeded before each call.
    keeps_dtype : bool
        Results have the dtype of the inputs.
    shrink : bool
        Look for a smaller example after a failure.
    raise_exception : bool
        False returns the report of a failure instead of raising it.

    Returns
    -------
    Report
        Its `findings` are empty if all is well.

    Raises
    ------
    CheckError
        With the report: the kind of failure, where, yours and the numerical value, a guess at the
        mistake, and code that shows it.

    Warns
    -----
    KinkWarning
        A sample lies where the op is not differentiable; those elements were not counted.

    Examples
    --------
    >>> import numpy as np, minigrad
    >>> print(check_op(minigrad.sin, np.array([0.5, 1.0])))
    check_op: sin: 6 elements agree.
    """
    __tracebackhide__ = True
    case = Case(
        None, reference, None, grad, order, bool(linear), exact, tuple(dtypes), tuple(constants),
        random, keeps_dtype,
    )  # fmt: skip
    case = limited(case)
    total = Report(f"check_op: {name_of(op)}")
    for sample in [samples] if isinstance(samples, np.ndarray) else samples:
        report = examine_op(op, case, *plain_sample(sample), linear is None, shrink)
        total.checked += report.checked
        total.kinks += report.kinks
        total.findings += report.findings
        total.example = total.example or report.example
        if total.findings:
            break
    if total.kinks:
        warnings.warn(total.kink_message(), KinkWarning, stacklevel=2)
    if total.findings and raise_exception:
        raise CheckError(total)
    return total


def examine_op(
    op: Callable[..., Any],
    case: Case,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    guess_linear: bool = True,
    shrink: bool = False,
) -> Report:
    """The report of every check on one sample of a Case; nothing is raised."""
    total = Report(f"check_op: {name_of(op)}")
    call = checks.Call(op, case, args, kwargs)
    with contextlib.suppress(GradientError):  # that is a finding; a sample it refuses is an error
        call(*call.given.tensors(call.given.cast(np.float64)))
    for kind, check in _steps(case, guess_linear):
        report = _one(kind, check, op, case, args, kwargs, total.name)
        total.checked += report.checked
        total.kinks += report.kinks
        if report.findings:
            sample, small = (args, kwargs), report
            if shrink:
                sample, small = _shrunk(kind, check, op, case, sample, report)
            total.findings += report.findings  # of the whole sample: its pattern feeds the guess
            total.example = code(op, sample, case) + _seen(small)
            break
    return total


def _shrunk(kind: str, check: Any, op: Any, case: Case, sample: Any, found: Report) -> Any:
    """The smallest sample that fails in the same way, and its report."""

    def again(sample: Any) -> Report:
        args, kwargs = sample
        return _one(kind, check, op, case, args, kwargs, found.name)

    def fails(sample: Any) -> bool:
        findings = again(sample).findings
        return bool(findings) and findings[0].kind == found.findings[0].kind

    sample = smallest(sample, fails)
    return sample, again(sample)


def limited(case: Case) -> Case:
    """The case, checked no further than `--grad-order` of pytest says."""
    most = int(os.environ.get("MINIGRAD_GRAD_ORDER", "2"))
    if case.order <= most:
        return case
    return dataclasses.replace(case, order=most, grad=case.grad and most > 0)


def plain_sample(sample: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A sample in any of its forms as (arguments, keywords)."""
    if not isinstance(sample, tuple):
        return (sample,), {}
    if len(sample) == 2 and isinstance(sample[0], tuple) and isinstance(sample[1], dict):
        return sample
    return sample, {}


def _steps(case: Case, guess_linear: bool) -> Iterator[tuple[str, Callable[..., Report | None]]]:
    """(kind, check) in the order in which a failure explains the later ones."""
    yield "mutated input", checks.check_unmutated
    yield "non-deterministic", checks.check_deterministic
    for dtype in case.dtypes:
        yield "dtype", _in(checks.check_dtypes, dtype)
    if case.oracle is not None:
        for dtype in case.dtypes:
            yield "wrong value", _in(checks.check_oracle, dtype)
    yield "aliasing", keeping.check_aliasing
    if case.grad:
        yield "wrong rule", _first
        yield "wrong rule", _linear if guess_linear else _if(case.linear, checks.check_linear)
        yield "precision", precise.check_precise
        if case.order > 1:
            yield "wrong rule", _second
    if not case.random:
        yield "layout", checks.check_layouts
        yield "broadcasting", precise.check_broadcasting
        if {"float32", "float64"} <= set(case.dtypes):
            yield "precision", checks.check_precision
    yield "memory", keeping.check_memory


def _in(check: Check, dtype: str) -> Check:
    def run(fn: Any, case: Case, args: Any, kwargs: Any) -> None:
        check(fn, case, args, kwargs, np.dtype(dtype))

    return run


def _if(wanted: bool, check: Check) -> Check:
    return check if wanted else lambda *_: None


def _linear(fn: Any, case: Case, args: Any, kwargs: Any) -> None:
    if precise.is_linear(fn, case, args, kwargs):
        checks.check_linear(fn, case, args, kwargs)


def _first(fn: Any, case: Case, args: Any, kwargs: Any) -> Report | None:
    return _examined(examine, fn, case, args, kwargs)


def _second(fn: Any, case: Case, args: Any, kwargs: Any) -> Report | None:
    return _examined(examine_second, fn, case, args, kwargs)


def _examined(look: Any, fn: Any, case: Case, args: Any, kwargs: Any) -> Report | None:
    call = checks.Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(np.float64))
    return look(call, tensors) if any(t._rg for t in tensors) else None


def _seen(report: Report) -> str:
    """The first element that differs, as a comment below the code."""
    rows = [row.strip() for f in report.findings for row in f.message.splitlines()]
    return "".join([f"\n# {row}" for row in rows if row.startswith("index (")][:1])


def _one(kind: str, check: Any, fn: Any, case: Case, args: Any, kwargs: Any, name: str) -> Report:
    """What one check finds, in the form of a report."""
    report = Report(name)
    try:
        found = check(fn, case, args, kwargs)
    except AssertionError as e:
        report.add(kind, str(e))
    except ShapeError as e:
        report.add("shape", str(e))
    except GradientError as e:
        report.add(kind_of(e), str(e))
    except Exception as e:
        report.add("error", f"{type(e).__name__}: {e}")
    else:
        if isinstance(found, Report):
            report.checked, report.kinks = found.checked, found.kinks
            for f in found.findings:
                text = f.message.split(f": {f.kind}: ", 1)[-1]
                if found.name == "gradgradcheck":
                    text = f"second order: {text}"
                    if "differentiated again" in text or "has no gradient rule" in text:
                        text += "\nIf first gradients are enough, check them alone with order=1."
                report.add(f.kind, text)
    return report
