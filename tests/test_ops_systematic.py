"""Every op of the registry against its Case: values, gradients, dtypes, layouts, PyTorch."""

from __future__ import annotations

import importlib
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad.nn.functional  # noqa: F401  (declares the neural ops)
from minigrad.op import registry
from minigrad.testing import checks, keeping, precise
from minigrad.testing.analytic import cotangent
from minigrad.testing.cases import Case

FOLDER = Path(__file__).parent / "samples"
FEW = settings(max_examples=max(4, settings.default.max_examples // 4))
ONE = settings(max_examples=max(2, settings.default.max_examples // 10))


def _load() -> tuple[dict[str, Case], list[str]]:
    cases: dict[str, Case] = {}
    twice: list[str] = []
    for file in sorted(FOLDER.glob("[!_]*.py")):
        table = importlib.import_module(f"samples.{file.stem}").CASES
        twice += [f"{name} ({file.name})" for name in table if name in cases]
        cases.update(table)
    return cases, twice


CASES, TWICE = _load()
KNOWN = sorted(name for name in CASES if name in registry)


def _named(**fields: bool) -> list[str]:
    return [n for n in KNOWN if all(bool(getattr(CASES[n], k)) is v for k, v in fields.items())]


def test_every_op_has_a_case() -> None:
    missing = sorted(set(registry) - set(CASES))
    assert not missing, f"add a Case in tests/samples/<family>.py for: {', '.join(missing)}"


def test_every_case_belongs_to_an_op() -> None:
    unknown = sorted(set(CASES) - set(registry))
    assert not unknown, f"Cases that name no op of the registry: {', '.join(unknown)}"
    assert not TWICE, f"Cases that stand in two files: {', '.join(TWICE)}"


def test_every_case_has_something_to_compare_with() -> None:
    bare = [n for n in KNOWN if CASES[n].oracle is None and CASES[n].torch is None]
    assert all(CASES[n].random for n in bare), f"Cases without oracle or torch: {', '.join(bare)}"


@pytest.mark.parametrize("name", [n for n in KNOWN if CASES[n].oracle is not None])
def test_value_agrees_with_the_oracle(name: str) -> None:
    case = CASES[name]

    @FEW
    @given(case.draw, st.sampled_from(case.dtypes))
    def check(sample: Any, dtype: str) -> None:
        checks.check_oracle(registry[name], case, *sample, np.dtype(dtype))

    check()


@pytest.mark.parametrize("name", _named(grad=True))
def test_gradient_agrees_with_differences(name: str) -> None:
    case = CASES[name]

    @FEW
    @given(case.draw)
    def check(sample: Any) -> None:
        checks.check_gradient(registry[name], case, *sample)
        precise.check_precise(registry[name], case, *sample)
        if case.linear:
            checks.check_linear(registry[name], case, *sample)

    check()


@pytest.mark.parametrize("name", [n for n in _named(grad=True) if CASES[n].order > 1])
def test_second_gradient_agrees_with_differences(name: str) -> None:
    case = CASES[name]

    @FEW
    @given(case.draw)
    def check(sample: Any) -> None:
        checks.check_second_gradient(registry[name], case, *sample)

    check()


@pytest.mark.parametrize("name", KNOWN)
def test_dtype_layout_and_inputs_are_respected(name: str) -> None:
    case = CASES[name]

    @ONE
    @given(case.draw)
    def check(sample: Any) -> None:
        for dtype in case.dtypes:
            checks.check_dtypes(registry[name], case, *sample, np.dtype(dtype))
        if case.grad and "float32" in case.dtypes and not case.random:
            checks.check_precision(registry[name], case, *sample)
        checks.check_unmutated(registry[name], case, *sample)
        checks.check_deterministic(registry[name], case, *sample)
        if not case.random:
            checks.check_layouts(registry[name], case, *sample)
            precise.check_broadcasting(registry[name], case, *sample)
        keeping.check_aliasing(registry[name], case, *sample)
        keeping.check_memory(registry[name], case, *sample)

    check()


@pytest.mark.parametrize("name", [n for n in KNOWN if CASES[n].torch is not None])
def test_value_and_gradient_agree_with_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
    case = CASES[name]
    right = case.torch
    if isinstance(right, str):
        right = reduce(getattr, right.split("."), torch)

    @FEW
    @given(case.draw)
    def check(sample: Any) -> None:
        given_ = checks.Arguments(*sample, case.constants)
        ours = given_.tensors(given_.cast(np.float64))
        theirs = [torch.from_numpy(a) for a in given_.cast(np.float64)]
        for t, live in zip(theirs, given_.live):
            t.requires_grad_(live and case.grad)
        _compare(
            torch,
            case,
            given_,
            _call(registry[name], given_, ours),
            ours,
            _call(right, given_, theirs),
            theirs,
        )

    check()


def _call(fn: Any, given_: checks.Arguments, values: list[Any]) -> list[Any]:
    args, kwargs = given_.fill(values)
    result = fn(*args, **kwargs)
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _compare(
    torch: Any,
    case: Case,
    given_: checks.Arguments,
    outs: list[Any],
    ours: list[Any],
    right: list[Any],
    theirs: list[Any],
) -> None:
    assert len(outs) == len(right)
    rng = np.random.default_rng(4)
    mine, other = [], []
    for i, (a, b) in enumerate(zip(outs, right)):
        if not isinstance(b, torch.Tensor):
            assert a == b or np.isclose(a, b)
            continue
        value = b.detach().numpy()
        assert a.dtype == value.dtype, f"output {i} is {a.dtype}; torch gives {value.dtype}."
        checks.assert_close(f"output {i}", a._data, value, np.float64, given_.terms)
        if b.requires_grad:
            v = cotangent(rng, a._data)
            mine.append((a, v))
            other.append((b, torch.from_numpy(v._data)))
    mine = [(a, v) for a, v in mine if a.requires_grad]
    if not case.grad or not mine or not other:
        return
    from minigrad.autograd import grad

    live = [i for i, t in enumerate(theirs) if t.requires_grad]
    got = grad(
        [a for a, _ in mine],
        [ours[i] for i in live],
        [v for _, v in mine],
        allow_unused=True,
        materialize_grads=True,
    )
    exp = torch.autograd.grad(
        [b for b, _ in other],
        [theirs[i] for i in live],
        [v for _, v in other],
        allow_unused=True,
        materialize_grads=True,
    )
    for i, g, h in zip(live, got, exp):
        checks.assert_close(f"gradient {i}", g._data, h.numpy(), np.float64, 4 * given_.terms)
