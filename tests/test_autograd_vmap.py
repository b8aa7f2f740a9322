"""vmap: the loop over examples, dims in and out, gradients, messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd.functional import jacobian, vmap


@settings(max_examples=20)
@given(st.integers(-3, 2), st.integers(-2, 1), st.integers(-2, 1))
def test_vmap_is_the_loop(first: int, second: int, out: int) -> None:
    x, y = np.random.rand(4, 4, 4), np.random.rand(4, 4)
    got = vmap(lambda a, b: a @ b, (first, second), out)(mg.tensor(x), mg.tensor(y))
    xs, ys = np.moveaxis(x, first, 0), np.moveaxis(y, second, 0)
    expected = np.stack([a @ b for a, b in zip(xs, ys)], out)
    np.testing.assert_allclose(got.numpy(), expected)


def test_structures_none_and_keywords() -> None:
    def f(pair: Any, table: Any, scale: float, *, shift: Any) -> Any:
        return pair[0] * scale + table["w"] + shift, {"n": pair[1].sum()}

    x = mg.ones(3, 2)
    y, other = vmap(f, (0, {"w": None}, None), (1, 0))((x, x), {"w": mg.ones(2)}, 2.0, shift=x)
    assert y.shape == (2, 3) and y[0, 0].item() == 4.0 and other["n"].tolist() == [2.0] * 3


def test_gradients_of_each_example_and_nesting() -> None:
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    vmap(lambda a: a**3)(x).sum().backward()
    assert x.grad.tolist() == [3.0, 12.0, 27.0]
    per_example = vmap(lambda a: jacobian(lambda b: (b * b).sum(), a))(mg.ones(3, 2))
    assert per_example.tolist() == [[2.0, 2.0]] * 3
    table = vmap(vmap(lambda a, b: a * b, (None, 0)), (0, None))(x.detach(), x.detach())
    np.testing.assert_allclose(table.numpy(), np.outer([1, 2, 3], [1, 2, 3]))


@pytest.mark.parametrize(
    ("how", "args", "kind", "text"),
    [
        ({}, (mg.ones(2), mg.ones(3)), ValueError, "one size; got argument 0 2, argument 1 3"),
        ({"in_dims": (0,)}, (mg.ones(2), 1), ValueError, r"in_dims \(0,\) for 2 arguments"),
        ({"in_dims": 1}, (mg.ones(2),), IndexError, r"got 1 for argument 0 of shape \(2,\)"),
        ({"in_dims": None}, (mg.ones(2),), ValueError, "in_dims must be an int"),
        ({"in_dims": (None,)}, (mg.ones(2),), ValueError, "at least one argument must be mapped"),
        ({}, (3.0,), ValueError, "argument 0 float with in_dim 0. Give None"),
        ({}, (mg.ones(0),), ValueError, "at least one example; got argument 0 0"),
    ],
)
def test_wrong_calls_are_named(how: Any, args: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=f"vmap: .*{text}"):
        vmap(lambda *a: a[0], **how)(*args)


def test_wrong_results_are_named() -> None:
    with pytest.raises(ValueError, match=r"out_dims must .*got \(0,\) for 2 outputs"):
        vmap(lambda a: (a, a), out_dims=(0,))(mg.ones(2))
    with pytest.raises(ValueError, match="must return Tensors; got float"):
        vmap(lambda a: 1.0)(mg.ones(2))
    with pytest.raises(NotImplementedError, match=r"randomness must be 'different'.*got 'same'"):
        vmap(lambda a: a, randomness="same")


def test_output_that_is_not_mapped_is_an_error() -> None:
    with pytest.raises(ValueError, match="vmap: every output is mapped"):
        vmap(lambda x: x, out_dims=None)(mg.ones(2))
