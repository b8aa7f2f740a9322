"""Checks of one op on one drawn sample: value, gradients, dtypes, layouts, untouched inputs.

Each `check_...` takes the op's function, its Case and the drawn arguments, and raises an
AssertionError that says what differs. How samples are drawn is in cases.py and strategies.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..differentiate import grad
from ..tensor import Tensor, wrap
from .analytic import cotangent
from .explain import Report
from .gradcheck import examine, examine_second

__all__ = [
    "Arguments",
    "allowed",
    "assert_close",
    "check_deterministic",
    "check_dtypes",
    "check_gradient",
    "check_layouts",
    "check_linear",
    "check_oracle",
    "check_precision",
    "check_second_gradient",
    "check_unmutated",
    "layouts",
]


def allowed(dtype: Any, terms: int) -> float:
    """How far two ways to sum `terms` numbers may be apart, relative to the largest result.

    Each of the additions rounds by at most eps, and a quarter of them in one direction is already
    unlikely; 32 roundings are for what an elementary function or a division loses.
    """
    return float(np.finfo(dtype).eps) * (32 + terms / 4)


def assert_close(what: str, got: Any, expected: Any, dtype: Any, terms: int) -> None:
    """Equal shapes, values within `allowed` of the largest, NaN and inf at the same places."""
    a, b = np.asarray(got), np.asarray(expected)
    assert a.shape == b.shape, f"{what}: shape is {a.shape}; expected {b.shape}."
    if a.dtype.kind != "f" and b.dtype.kind != "f":
        assert np.array_equal(a, b), f"{what}: got\n{a}\nexpected\n{b}"
        return
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    same = np.array_equal(a[~finite], b[~finite], equal_nan=True)
    assert same, f"{what}: not finite at other places; got\n{a}\nexpected\n{b}"
    scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
    off = np.abs(a[finite] - b[finite]).max(initial=0)
    limit = allowed(dtype, terms) * scale
    assert off <= limit, f"{what}: off by {off:.3g}, allowed {limit:.3g}; got\n{a}\nexpected\n{b}"


class Arguments:
    """The arguments of one call, in which every ndarray can be replaced by a Tensor."""

    def __init__(
        self, args: Sequence[Any], kwargs: dict[str, Any], constants: Sequence[int | str] = ()
    ) -> None:
        self.args, self.kwargs = tuple(args), kwargs
        top = [*enumerate(args), *kwargs.items()]
        self.arrays = [a for _, value in top for a in _leaves(value)]
        self.live = [
            a.dtype.kind == "f" and place not in constants
            for place, value in top
            for a in _leaves(value)
        ]

    @property
    def terms(self) -> int:
        """A bound for how many numbers go into one result: all elements of the largest array."""
        return max([a.size for a in self.arrays], default=1)

    def cast(self, dtype: Any) -> list[np.ndarray]:
        """Copies of the arrays, floating ones in `dtype`."""
        return [a.astype(dtype) if a.dtype.kind == "f" else a.copy() for a in self.arrays]

    def tensors(self, arrays: Sequence[np.ndarray]) -> list[Tensor]:
        """Tensors over these arrays, requiring grad where they may."""
        made = [wrap(a) for a in arrays]
        for t, live in zip(made, self.live):
            t._rg = live
        return made

    def fill(self, values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with `values` in the arrays' places."""
        rest = iter(values)
        args = tuple(_replace(a, rest) for a in self.args)
        return args, {k: _replace(v, rest) for k, v in self.kwargs.items()}


def _leaves(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _leaves(v)


def _replace(value: Any, rest: Iterator[Any]) -> Any:
    if isinstance(value, np.ndarray):
        return next(rest)
    if isinstance(value, (tuple, list)):
        return type(value)([_replace(v, rest) for v in value])
    return value


def _outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _seeded(fn: Callable[..., Any], case: Any) -> Callable[..., Any]:
    if not case.random:
        return fn
    from ..random import manual_seed

    def seeded(*args: Any, **kwargs: Any) -> Any:
        manual_seed(0)
        return fn(*args, **kwargs)

    return seeded


class Call:
    """An op with its arguments, as a function of its tensors alone."""

    def __init__(self, fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
        self.fn, self.given = _seeded(fn, case), Arguments(args, kwargs, case.constants)

    def __call__(self, *tensors: Tensor) -> Any:
        args, kwargs = self.given.fill(tensors)
        return self.fn(*args, **kwargs)

    def outputs(self, tensors: Sequence[Tensor]) -> list[Any]:
        """What comes back, in a flat list."""
        return _outputs(self(*tensors))

    def gradients(self, tensors: Sequence[Tensor]) -> list[np.ndarray | None]:
        """Gradients of the tensors for fixed cotangents of all outputs; None if there is none."""
        outs = [o for o in self.outputs(tensors) if isinstance(o, Tensor) and o._rg]
        rng = np.random.default_rng(3)
        seeds = [cotangent(rng, o._data) for o in outs]
        wanted = [t for t in tensors if t._rg]
        if not outs or not wanted:
            return [None for _ in tensors]
        before = [s._data.copy() for s in seeds]
        got = iter(grad(outs, wanted, seeds, allow_unused=True))
        for i, (s, b) in enumerate(zip(seeds, before)):
            assert s._data.tobytes() == b.tobytes(), (
                f"the cotangent of output {i} was changed by a rule; others may need it. "
                "Work on a copy."
            )
        found = [next(got) if t._rg else None for t in tensors]
        return [None if g is None else g._data for g in found]


def check_oracle(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any, dtype: Any) -> None:
    """The value agrees with the Case's oracle, computed in float64."""
    call = Call(fn, case, args, kwargs)
    arrays = call.given.cast(dtype)
    outs = call.outputs(call.given.tensors(arrays))
    oracle_args, oracle_kwargs = call.given.fill(call.given.cast(np.float64))
    expected = _outputs(case.oracle(*oracle_args, **oracle_kwargs))
    assert len(outs) == len(expected), f"{len(outs)} outputs; the oracle has {len(expected)}."
    for i, (out, right) in enumerate(zip(outs, expected)):
        value = out._data if isinstance(out, Tensor) else out
        if case.exact:
            right = np.asarray(right)
            assert np.shape(value) == right.shape, (
                f"output {i}: {np.shape(value)}, not {right.shape}."
            )
            if np.asarray(value).dtype.kind == "f":
                right = right.astype(np.asarray(value).dtype)
            assert np.array_equal(value, right, equal_nan=right.dtype.kind == "f"), (
                f"output {i} must equal the oracle exactly; got\n{value}\nexpected\n{right}"
            )
        else:
            assert_close(f"output {i} in {np.dtype(dtype)}", value, right, dtype, call.given.terms)


def _judge(report: Report) -> None:
    assert report.ok, str(report)
    assert not report.kinks, f"the Case draws points without a derivative. {report.kink_message()}"


def check_gradient(
    fn: Callable[..., Any], case: Any, args: Any, kwargs: Any, fast_mode: bool = False
) -> None:
    """First gradients agree with central differences in float64."""
    call = Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(np.float64))
    if any(t._rg for t in tensors):
        _judge(examine(call, tensors, fast_mode=fast_mode))


def check_second_gradient(
    fn: Callable[..., Any], case: Any, args: Any, kwargs: Any, fast_mode: bool = True
) -> None:
    """Second gradients agree with central differences of the first, in float64."""
    call = Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(np.float64))
    if any(t._rg for t in tensors):
        _judge(examine_second(call, tensors, fast_mode=fast_mode))


def check_linear(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """<v, f(x)> = <adjoint of f at v, x>, to rounding: what a linear op's rule must satisfy."""
    call = Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(np.float64))
    outs = [o for o in call.outputs(tensors) if isinstance(o, Tensor) and o._data.dtype.kind == "f"]
    rng = np.random.default_rng(3)
    left = sum(float((cotangent(rng, o._data)._data * o._data).sum()) for o in outs)
    pairs = zip(call.gradients(tensors), tensors)
    right = sum(float((g * t._data).sum()) for g, t in pairs if g is not None)
    assert_close("adjoint identity", right, left, np.float64, 4 * call.given.terms)


def check_dtypes(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any, dtype: Any) -> None:
    """Floating outputs have the floating inputs' dtype, gradients their dtype and shape."""
    call = Call(fn, case, args, kwargs)
    tensors = call.given.tensors(call.given.cast(dtype))
    if case.keeps_dtype and any(a.dtype.kind == "f" for a in call.given.arrays):
        for i, o in enumerate(call.outputs(tensors)):
            if isinstance(o, Tensor) and o._data.dtype.kind == "f":
                assert o._data.dtype == dtype, (
                    f"output {i} is {o.dtype} for {np.dtype(dtype)} inputs."
                )
    if not case.grad:
        return
    for i, (g, t) in enumerate(zip(call.gradients(tensors), tensors)):
        if g is not None:
            assert g.dtype == t._data.dtype, f"gradient {i} is {g.dtype} for a {t.dtype} input."
            assert g.shape == t._data.shape, f"gradient {i} is {g.shape} for shape {t.shape}."


def check_precision(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """Float32 values and gradients agree with float64's: single precision may go another way.

    A gradient adds up products of intermediate values of both passes, hence the factor of 8.
    """
    call = Call(fn, case, args, kwargs)
    single = call.given.cast(np.float32)
    double = [a.astype(np.float64) if a.dtype.kind == "f" else a.copy() for a in single]
    low, high = call.given.tensors(single), call.given.tensors(double)
    terms = 8 * call.given.terms + 256
    for i, (y, z) in enumerate(zip(call.outputs(low), call.outputs(high))):
        if isinstance(y, Tensor) and y._data.dtype == np.float32:
            assert_close(f"float32 output {i}", y._data, z._data, np.float32, terms)
    if case.grad:
        for i, (g, h) in enumerate(zip(call.gradients(low), call.gradients(high))):
            if g is not None and h is not None:
                assert_close(f"float32 gradient {i}", g, h, np.float32, terms)


def layouts(a: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The same values in other memory: transposed, with gaps, backwards."""
    if a.ndim:
        yield "transposed", a.T.copy().T
        gaps = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        gaps[..., ::2] = a
        yield "strided", gaps[..., ::2]
        yield "reversed", np.flip(np.flip(a).copy())


def check_layouts(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """Values and gradients do not depend on how the inputs lie in memory."""
    call = Call(fn, case, args, kwargs)
    plain = call.given.cast(np.float64)
    variants = [dict(layouts(a)) for a in plain]
    base = call.given.tensors(plain)
    expected = [o._data for o in call.outputs(base) if isinstance(o, Tensor)]
    slopes = call.gradients(base) if case.grad else []
    for name in ("transposed", "strided", "reversed"):
        tensors = call.given.tensors([v.get(name, a) for v, a in zip(variants, plain)])
        outs = [o._data for o in call.outputs(tensors) if isinstance(o, Tensor)]
        for i, (a, b) in enumerate(zip(outs, expected)):
            assert_close(f"output {i}, {name} inputs", a, b, np.float64, call.given.terms)
        for i, (g, h) in enumerate(zip(call.gradients(tensors) if case.grad else [], slopes)):
            if g is not None:
                assert_close(f"gradient {i}, {name} inputs", g, h, np.float64, call.given.terms)


def check_unmutated(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """Neither the call nor the backward pass changes an input."""
    call = Call(fn, case, args, kwargs)
    arrays = call.given.cast(np.float64)
    before = [a.copy() for a in arrays]
    tensors = call.given.tensors(arrays)
    call.gradients(tensors) if case.grad else call.outputs(tensors)
    for i, (a, b) in enumerate(zip(arrays, before)):
        assert a.tobytes() == b.tobytes(), f"input {i} was changed from\n{b}\nto\n{a}"


def check_deterministic(fn: Callable[..., Any], case: Any, args: Any, kwargs: Any) -> None:
    """Two runs give the same bits, values and gradients."""
    call = Call(fn, case, args, kwargs)
    runs = []
    for _ in range(2):
        tensors = call.given.tensors(call.given.cast(np.float32))
        outs = [o._data for o in call.outputs(tensors) if isinstance(o, Tensor)]
        slopes = call.gradients(tensors) if case.grad else []
        runs.append([a.tobytes() for a in (*outs, *slopes) if a is not None])
    assert runs[0] == runs[1], (
        "two runs on the same inputs differ. Seed it, or fix the order of sums."
    )
