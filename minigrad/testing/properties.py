"""property_test: an op turned into a property test in one line. The checks are in check_op.py."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .cases import Case
from .check_op import examine_op, limited, plain_sample
from .explain import CheckError
from .shrink import name_of
from .strategies import arrays, broadcastable

__all__ = ["property_test"]


def property_test(
    op: Callable[..., Any], draw: SearchStrategy[Any] | None = None, **options: Any
) -> Callable[..., None]:
    """A test for pytest that runs every check of `check_op` on drawn samples.

    Parameters
    ----------
    op : callable
        From `minigrad.op`, or a function of Tensors.
    draw : strategy
        For samples, as in `check_op`: an array, a tuple of arguments, or (arguments, keywords).
        None draws an array for each input: shapes that broadcast if the op broadcasts, else each
        of up to three dims, away from zero and with distinct values.
    **options
        `reference`, `grad`, `order`, `linear`, `exact`, `dtypes`, `constants`, `random`,
        `keeps_dtype`, as in `check_op`.

    Returns
    -------
    function
        To be bound to a name that starts with `test_`. A kink in a sample is a failure here: draw
        away from it.

    Examples
    --------
    >>> import minigrad
    >>> test_sin = property_test(minigrad.sin)
    >>> test_sin()
    """
    guess = options.get("linear") is None
    options = {**options, "linear": bool(options.get("linear"))}
    if "reference" in options:
        options["oracle"] = options.pop("reference")
    known = {f.name for f in dataclasses.fields(Case)} - {"draw", "torch"}
    if unknown := sorted(set(options) - known):
        raise TypeError(f"property_test: unknown option {unknown[0]!r}; they are check_op's.")
    strategy = _for_inputs(op) if draw is None else draw
    case = Case(strategy, **options)
    name = name_of(op).replace(".", "_")

    def test(sample: Any) -> None:
        __tracebackhide__ = True
        report = examine_op(op, limited(case), *plain_sample(sample), guess)
        if report.kinks and report.ok:
            report.add("kink", report.kink_message())
        if not report.ok:
            raise CheckError(report)

    test.__name__ = test.__qualname__ = f"test_{name}"
    test.__doc__ = f"Every check of check_op, of {name}."
    return given(strategy)(test)


def _for_inputs(op: Any) -> SearchStrategy[Any]:
    """One array per input of an op, or per positional parameter without default of a function."""
    record = getattr(op, "op", None)
    if record is not None and not record.variadic:
        count = len(record.inputs) - sum(record.optional)
    else:
        parameters = inspect.signature(op).parameters.values()
        count = sum(p.default is p.empty and p.kind is not p.KEYWORD_ONLY for p in parameters)
    if record is not None and record.promote is not None and count > 1:
        return broadcastable(count, distinct=True)
    if count == 1:
        return arrays(distinct=True).map(lambda a: (a,))
    shape = st.shared(st.lists(st.integers(1, 4), max_size=3).map(tuple), key="shape")
    return st.tuples(*[arrays(shape=shape, distinct=True)] * count)
