"""What the systematic tests of the tensor ops leave open: dtypes, overloads, kinks, views.

Indexing and errors have their own files. Values and gradients of every op
on drawn samples are tested in test_ops_systematic.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, tensor
from minigrad.kernels import special

INF, NAN = math.inf, math.nan


def _grad(fn: Any, *values: Any) -> list[Any]:
    leaves = [tensor(v, dtype=mg.float64, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [None if t.grad is None else t.grad.tolist() for t in leaves]


# dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, dtype",
    [
        (lambda: tensor([1, 2]) / 2, "float32"),
        (lambda: tensor([1, 2]) + 1.5, "float32"),
        (lambda: tensor([1, 2]) // 2, "int64"),
        (lambda: tensor([1.0]) * tensor(2.0, dtype=mg.float64), "float32"),
        (lambda: tensor([1]) * tensor([2.0]), "float32"),
        (lambda: tensor([1], dtype=mg.uint8) + tensor([2], dtype=mg.int8), "int16"),
        (lambda: tensor([1.0], dtype=mg.float16) + 1e-3, "float16"),
        (lambda: tensor([True]) + tensor([True]), "bool"),
        (lambda: tensor([True]).sum(), "int64"),
        (lambda: tensor([1], dtype=mg.uint8).sum(), "int64"),
        (lambda: tensor([1, 2]).exp(), "float32"),
        (lambda: tensor([1, 2]) ** 2, "int64"),
        (lambda: 2 ** tensor([1.0]), "float32"),
        (lambda: mg.where(tensor([True]), 1, 0.5), "float32"),
        (lambda: mg.cat([tensor([1]), tensor([1.0])]), "float32"),
        (lambda: tensor([1], dtype=mg.uint8) * -1, "uint8"),
        (lambda: tensor([1, 0], dtype=mg.uint8).any(), "uint8"),
    ],
)
def test_dtype_follows_torch(make: Any, dtype: str) -> None:
    assert str(make().dtype) == dtype


def test_to_takes_every_form() -> None:
    x = tensor([1.5, -2.5])
    assert x.to(mg.float32) is x and x.to("cpu") is x and x.float() is x and x.cpu() is x
    assert x.to("cpu", mg.float64).dtype == x.to(x.double()).dtype == mg.float64
    assert x.to(x, copy=True) is not x
    assert x.long().tolist() == [1, -2] and x.bool().tolist() == [True, True]
    assert x.type() == "minigrad.FloatTensor" and x.type("minigrad.LongTensor").dtype == mg.int64
    with pytest.raises(RuntimeError, match="computes on the CPU only"):
        x.to("cuda")


def test_casting_passes_gradients_in_the_leafs_dtype() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    (x.double() * 2).sum().backward()
    assert x.grad is not None and x.grad.dtype == mg.float32 and x.grad.tolist() == [2, 2]


# kinks, ties, special values -----------------------------------------------------------------


def test_subgradients_at_kinks_follow_torch() -> None:
    assert _grad(abs, [0.0, -1.0]) == [[0.0, -1.0]]
    assert _grad(lambda x: x.clamp(-1, 1), [-1.0, 1.0, 2.0]) == [[1.0, 1.0, 0.0]]
    assert _grad(mg.maximum, [1.0, 2.0], [1.0, 0.0]) == [[0.5, 1.0], [0.5, 0.0]]
    assert _grad(mg.fmax, [1.0, NAN], [1.0, 2.0]) == [[1.0, 0.0], [0.0, 1.0]]
    assert _grad(lambda x: x.max(), [3.0, 1.0, 3.0]) == [[0.5, 0.0, 0.5]]
    assert _grad(lambda x: x.amin(0), [1.0, 1.0, 3.0]) == [[0.5, 0.5, 0.0]]
    assert _grad(lambda x: x.max(0).values, [3.0, 1.0, 3.0]) == [[1.0, 0.0, 0.0]]
    assert _grad(lambda x: x.norm(), [0.0, 0.0]) == [[0.0, 0.0]]
    assert _grad(lambda x: x.std(), [2.0, 2.0]) == [[0.0, 0.0]]
    assert _grad(lambda x: x**0, [0.0, 2.0]) == [[0.0, 0.0]]
    assert _grad(lambda x, p: x**p, [0.0], [2.0]) == [[0.0], [0.0]]
    assert _grad(lambda x: x.clamp(tensor([2.0, 0.0]), tensor([1.0, 1.0])), [5.0, 0.5]) == [[0, 1]]
    assert _grad(lambda x: x.nansum(), [1.0, NAN]) == [[1.0, 0.0]]
    assert _grad(lambda x: x.nan_to_num(), [1.0, NAN, INF]) == [[1.0, 0.0, 0.0]]


@given(st.lists(st.sampled_from([0.0, 0.0, 2.0, -3.0]), min_size=1, max_size=7))
def test_products_with_zeros_have_exact_gradients(values: list[float]) -> None:
    others = [math.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
    assert _grad(lambda x: x.prod(), values) == [others]
    slopes = [0.0] * len(values)
    for k in range(len(values)):
        for i in range(k + 1):
            slopes[i] += math.prod(values[:i] + values[i + 1 : k + 1])
    assert _grad(lambda x: x.cumprod(0), values) == [slopes]


def test_empty_reductions_follow_torch() -> None:
    e = mg.zeros(0, 3)
    assert float(e.sum()) == 0 and float(e.prod()) == 1 and math.isnan(float(e.mean()))
    assert e.sum(0).tolist() == [0, 0, 0] and e.all() and not e.any()
    assert e.amax(1).shape == e.argmax(1).shape == (0,)
    with pytest.raises(ValueError, match="max: of nothing there is no extreme"):
        e.max()
    with pytest.raises(IndexError, match=r"the reduced dims must not be empty; got shape \(0, 3\)"):
        e.max(0)
    with pytest.raises(IndexError, match="argmax"):
        e.argmax()
    x = mg.zeros(0, 3, requires_grad=True)
    x.mean().backward()
    assert x.grad is not None and x.grad.shape == (0, 3)


def test_nan_spreads_as_in_torch() -> None:
    x = tensor([1.0, NAN, 3.0])
    assert math.isnan(float(x.max())) and math.isnan(float(x.amin()))
    assert int(x.argmax()) == 1 and int(x.max(0).indices) == 1
    assert x.sort().indices.tolist() == [0, 2, 1]
    assert x.sort(descending=True).indices.tolist() == [1, 2, 0]
    assert math.isnan(float(x.median())) and math.isnan(float(x.clamp(0, 1)[1]))
    assert tensor([NAN]).sign().item() == 0


def test_logsumexp_does_not_overflow() -> None:
    assert float(tensor([1e4, 1e4]).logsumexp(0)) == pytest.approx(1e4 + math.log(2))
    assert float(tensor([-INF, -INF]).logsumexp(0)) == -INF
    assert _grad(lambda x: x.logsumexp(0), [-INF, 0.0]) == [[0.0, 1.0]]


@given(st.floats(-30, 30))
def test_erf_is_as_exact_as_the_c_library(x: float) -> None:
    a = np.array([x])
    assert special.erf(a)[0] == pytest.approx(math.erf(x), rel=4e-15, abs=1e-300)
    assert special.erfc(a)[0] == pytest.approx(math.erfc(x), rel=2e-14, abs=1e-300)
    assert special.erf_reference(a)[0] == math.erf(x)
    assert special.erfc_reference(a)[0] == math.erfc(x)


def test_erf_of_infinities_and_nan() -> None:
    got = tensor([INF, -INF, NAN, 0.0]).erf().tolist()
    assert got[:2] == [1, -1] and math.isnan(got[2]) and got[3] == 0
    assert tensor([INF, -INF]).erfc().tolist() == [0, 2]


def test_division_by_zero_follows_torch() -> None:
    assert (tensor([1.0, -1.0]) / 0).tolist() == [INF, -INF]
    assert (tensor([1.0, -1.0]) // 0).tolist() == [INF, -INF]
    for bad in (lambda: tensor([1]) // 0, lambda: tensor([1]) % 0):
        with pytest.raises(RuntimeError, match="integers cannot be divided by zero"):
            bad()
    with pytest.raises(RuntimeError, match="negative integer powers"):
        tensor([2]) ** -1


# overloads -----------------------------------------------------------------------------------


def test_max_has_three_overloads() -> None:
    x = tensor([[1.0, 5.0], [7.0, 2.0]])
    assert float(x.max()) == 7
    pair = x.max(dim=1, keepdim=True)
    assert pair.values.tolist() == [[5], [7]] and pair.indices.tolist() == [[1], [0]]
    assert mg.max(x, tensor(3.0)).tolist() == x.max(other=tensor(3.0)).tolist() == [[3, 5], [7, 3]]
    assert type(pair).__name__ == "max" and type(x.sort()).__name__ == "sort"


def test_axis_and_keepdims_stand_for_dim_and_keepdim() -> None:
    x = mg.ones(2, 3)
    assert x.sum(axis=0, keepdims=True).shape == (1, 3)
    assert x.max(axis=1).values.shape == (2,)
    assert mg.cat([x, x], axis=1).shape == (2, 6)


def test_var_has_all_overloads() -> None:
    x = tensor([[1.0, 2.0], [3.0, 7.0]])
    assert float(x.var(False)) == float(x.var(unbiased=False)) == float(x.var(correction=0))
    assert x.var(0, False).tolist() == x.var(dim=0, correction=0).tolist() == [1, 6.25]
    with pytest.raises(TypeError, match="either unbiased or correction"):
        x.var(0, True, correction=1)


def test_sizes_come_one_by_one_or_as_a_sequence() -> None:
    x = mg.arange(6)
    for shaped in (x.view(2, 3), x.view((2, 3)), x.reshape([2, -1]), x.reshape(mg.Size((2, 3)))):
        assert shaped.shape == (2, 3)
    y = x.view(2, 3)
    assert y.permute(1, 0).shape == y.permute((1, 0)).shape == y.T.shape == (3, 2)
    assert y.expand(4, -1, -1).shape == y.expand((4, 2, 3)).shape == (4, 2, 3)
    assert y.repeat(2, 1).shape == y.tile((2, 1)).shape == (4, 3)
    assert y.flip(0).tolist() == y.flip((0,)).tolist() == [[3, 4, 5], [0, 1, 2]]


def test_comparison_with_what_is_no_tensor_is_false() -> None:
    x = tensor([1.0])
    assert (x == None) is False and (x != None) is True and (x == "a") is False  # noqa: E711
    assert 1.0 in x and 2.0 not in x and hash(x) == hash(x)


def test_operators_have_reflected_and_inplace_forms() -> None:
    x = tensor([1.0, 2.0])
    assert (3 - x).tolist() == [2, 1] and (2 / x).tolist() == [2, 1] and (2**x).tolist() == [2, 4]
    assert (5 // x).tolist() == [5, 2] and (5 % x).tolist() == [0, 1]
    assert (np.array([1.0, 1.0]) + x).tolist() == [2, 3]
    same = x
    x += 1
    x *= 2
    x -= 1
    x /= 3
    x **= 2
    assert same is x and x.tolist() == pytest.approx([1, 25 / 9])
    flags = tensor([True, False])
    flags |= tensor([False, True])
    assert flags.all() and (~flags).tolist() == [False, False]


def test_inplace_refuses_to_lower_the_dtype_or_to_grow() -> None:
    with pytest.raises(RuntimeError, match="can't be cast"):
        tensor([1]).add_(0.5)
    with pytest.raises(ValueError, match="cannot broadcast the tensor it changes"):
        tensor([1.0]).mul_(mg.ones(3))


# views ---------------------------------------------------------------------------------------


def test_views_share_memory_and_copies_do_not() -> None:
    x = mg.zeros(2, 3, 4)
    views = (
        x.view(6, 4),
        x.reshape(-1),
        x.T,
        x.permute(1, 0, 2),
        x[0],
        x[:, ::2],
        x[None],
        x.select(1, 0),
        x.narrow(2, 1, 2),
        x.unsqueeze(0),
        x.squeeze(),
        x.expand(5, 2, 3, 4),
        x.diagonal(),
        x.flatten(),
        x.split(1)[1],
        x.unbind(2)[0],
        x.as_strided((2,), (3,)),
    )
    for v in views:
        assert np.shares_memory(v.numpy(), x.numpy())
    for c in (x.clone(), x.flip(0), x[[0, 1]], x[x == 0], x.repeat(1, 1, 1), x.roll(1), x.tril()):
        assert not np.shares_memory(c.numpy(), x.numpy())


def test_view_is_strict_and_reshape_copies() -> None:
    x = mg.arange(6).view(2, 3).T
    with pytest.raises(RuntimeError, match=r"view: size is not compatible .* Use .reshape"):
        x.view(6)
    assert x.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    assert x.contiguous().is_contiguous() and x.contiguous().view(-1).tolist()[1] == 3


def test_writing_into_a_view_changes_the_base() -> None:
    x = mg.zeros(3, 3)
    x.diagonal().fill_(1)
    x.T[0].add_(2)
    x[1:, 1:].mul_(5)
    assert x.tolist() == [[3, 0, 0], [2, 5, 0], [2, 0, 5]]


def test_expanded_tensors_cannot_be_written() -> None:
    x = mg.zeros(1).expand(3)
    for bad in (lambda: x.zero_(), lambda: x.add_(1), lambda: x.__setitem__(0, 1)):
        with pytest.raises(RuntimeError, match="share one memory location"):
            bad()


# second order, and einsum against torch ------------------------------------------------------


def test_einsum_ellipsis_and_sublists_agree_with_numpy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((5, 1, 4, 3))
    for equation in ("...ij,...jk->...ik", "...ij,...jk", "...ij,...jk->ik...", "...ij,...ji->..."):
        got = mg.einsum(equation, tensor(a), tensor(b))
        np.testing.assert_allclose(got.numpy(), np.einsum(equation, a, b), atol=1e-12)
    got = mg.einsum(tensor(a), [0, 1, 2], tensor(b), [3, 4, 2, 1], [4, 0])
    np.testing.assert_allclose(got.numpy(), np.einsum(a, [0, 1, 2], b, [3, 4, 2, 1], [4, 0]))


def test_mixed_programs_have_second_gradients() -> None:
    x = tensor(np.linspace(0.3, 1.7, 6).reshape(2, 3), requires_grad=True)

    def f(x: Tensor) -> Tensor:
        y = mg.einsum("ij,kj->ik", x, x.softmax(1) if hasattr(x, "softmax") else x)
        y = y.cumsum(1).prod(1) * x[:, [0, 0]].std(1, unbiased=False).add(1)
        return mg.stack([y.sort().values, x.norm(dim=1)]).logsumexp((0, 1))

    (g,) = mg.autograd.grad(f(x), [x], create_graph=True)
    (h,) = mg.autograd.grad((g * g).sum(), [x])
    eps, numeric = 1e-6, np.zeros((2, 3))
    for i in np.ndindex(2, 3):
        ends = []
        for s in (eps, -eps):
            moved = x.detach().numpy().copy()
            moved[i] += s
            z = tensor(moved, requires_grad=True)
            (gz,) = mg.autograd.grad(f(z), [z])
            ends.append(float((gz * gz).sum()))
        numeric[i] = (ends[0] - ends[1]) / (2 * eps)
    np.testing.assert_allclose(h.numpy(), numeric, rtol=1e-5, atol=1e-7)
