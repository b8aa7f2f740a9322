"""autograd.functional: vjp, jvp, jacobian, hessian, hvp, vhp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd import functional as AF
from minigrad.testing.strategies import arrays


def t(a: Any) -> mg.Tensor:
    return mg.tensor(np.asarray(a, np.float64))


def bilinear(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
    return (x * x).reshape(-1, 1) * y.sin().reshape(1, -1)


def test_jacobian_of_an_elementwise_function_is_diagonal() -> None:
    a = np.array([0.5, 1.0, 2.0])
    got = AF.jacobian(lambda x: x.exp(), t(a))
    np.testing.assert_allclose(got.numpy(), np.diag(np.exp(a)))


def test_jacobian_has_output_dims_first_and_tuples_nest() -> None:
    x, y = t([1.0, 2.0]), t([0.1, 0.2, 0.3])
    both = AF.jacobian(bilinear, (x, y))
    assert [tuple(b.shape) for b in both] == [(2, 3, 2), (2, 3, 3)]
    nested = AF.jacobian(lambda x, y: (x * 2, y.sum()), (x, y))
    assert [[tuple(b.shape) for b in row] for row in nested] == [[(2, 2), (2, 3)], [(2,), (3,)]]
    assert nested[0][1].abs().sum().item() == 0.0
    single = AF.jacobian(lambda x: (x * 2, x.sum()), x)
    assert [tuple(b.shape) for b in single] == [(2, 2), (2,)]


@settings(max_examples=10)
@given(arrays(shape=st.tuples(st.integers(1, 4))), arrays(shape=st.just((3,))))
def test_vjp_and_jvp_are_products_with_the_jacobian(a: np.ndarray, b: np.ndarray) -> None:
    x, y = t(a), t(b)
    jx, jy = (j.numpy() for j in AF.jacobian(bilinear, (x, y)))
    v = np.arange(1.0, jx[..., 0].size + 1).reshape(jx.shape[:2])
    out, (gx, gy) = AF.vjp(bilinear, (x, y), t(v))
    np.testing.assert_allclose(out.numpy(), bilinear(x, y).numpy())
    np.testing.assert_allclose(gx.numpy(), np.einsum("ij,ijk->k", v, jx))
    np.testing.assert_allclose(gy.numpy(), np.einsum("ij,ijk->k", v, jy))
    _, push = AF.jvp(bilinear, (x, y), (t(a + 1), t(b - 1)))
    np.testing.assert_allclose(push.numpy(), jx @ (a + 1) + jy @ (b - 1))


def test_hessian_of_a_quadratic_is_its_matrix() -> None:
    m = np.array([[2.0, 1.0], [3.0, 4.0]])
    got = AF.hessian(lambda x: x @ t(m) @ x, t([1.0, -2.0]))
    np.testing.assert_allclose(got.numpy(), m + m.T)


def test_hessian_of_two_inputs_has_four_blocks() -> None:
    x, y = t([1.0, 2.0]), t([3.0])
    blocks = AF.hessian(lambda x, y: (x * x * y).sum(), (x, y))
    np.testing.assert_allclose(blocks[0][0].numpy(), 6 * np.eye(2))
    np.testing.assert_allclose(blocks[0][1].numpy(), [[2.0], [4.0]])
    np.testing.assert_allclose(blocks[1][0].numpy(), [[2.0, 4.0]])
    np.testing.assert_allclose(blocks[1][1].numpy(), [[0.0]])


@settings(max_examples=10)
@given(arrays(shape=st.tuples(st.integers(1, 4))))
def test_hvp_and_vhp_are_products_with_the_hessian(a: np.ndarray) -> None:
    def energy(x: mg.Tensor) -> mg.Tensor:
        return (x.exp() * x.sum()).sum()

    h = AF.hessian(energy, t(a)).numpy()
    v = np.arange(1.0, a.size + 1)
    for product in (AF.hvp, AF.vhp):
        value, got = product(energy, t(a), t(v))
        np.testing.assert_allclose(got.numpy(), h @ v)
        assert value.item() == pytest.approx(energy(t(a)).item())


def test_results_are_constants_unless_asked() -> None:
    x = t([1.0, 2.0]).requires_grad_()
    assert not AF.jacobian(lambda x: x * x, x).requires_grad
    assert x.grad is None
    j = AF.jacobian(lambda x: x * x, x, create_graph=True)
    j.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    _, g = AF.vjp(lambda x: (x * x * x).sum(), x, create_graph=True)
    assert mg.autograd.grad(g.sum(), x)[0].tolist() == [6.0, 12.0]
    _, p = AF.jvp(lambda x: x * x * x, x, t([1.0, 1.0]), create_graph=True)
    assert mg.autograd.grad(p.sum(), x)[0].tolist() == [6.0, 12.0]


def test_works_inside_no_grad() -> None:
    with mg.no_grad():
        assert AF.jacobian(lambda x: x * 2, t([1.0])).item() == 2.0


def test_independent_output_gives_zeros_or_an_error_if_strict() -> None:
    x = t([1.0, 2.0])
    assert AF.jacobian(lambda x: t([3.0]), x).tolist() == [[0.0, 0.0]]
    with pytest.raises(RuntimeError, match="jacobian: output 0 does not depend"):
        AF.jacobian(lambda x: t([3.0]), x, strict=True)
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        AF.vjp(lambda x, y: x.sum(), (x, t([1.0])), strict=True)


def test_constant_jacobian_is_an_error_if_strict_and_differentiated() -> None:
    x, v = t([1.0, 2.0]), t([1.0, 1.0])
    for product in (AF.vjp, AF.jvp):
        assert product(lambda x: x * 2, x, v, strict=True)[1].tolist() == [2.0, 2.0]
        with pytest.raises(RuntimeError, match=r"(vjp|jvp): the Jacobian is constant.*strict=True"):
            product(lambda x: x * 2, x, v, strict=True, create_graph=True)
    with pytest.raises(RuntimeError, match="Jacobian is constant"):
        AF.hessian(lambda x: x.sum(), x, strict=True)


def test_wrong_arguments_are_named() -> None:
    x = t([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"vjp: v may be left out only for .*got shapes \(2,\)"):
        AF.vjp(lambda x: x * 2, x)
    with pytest.raises(ValueError, match=r"jvp: v must have the shapes \(2,\); got \(3,\)"):
        AF.jvp(lambda x: x * 2, x, t([1.0, 2.0, 3.0]))
    with pytest.raises(
        RuntimeError, match=r"hessian: func must return one Tensor with one element"
    ):
        AF.hessian(lambda x: x * 2, x)
    with pytest.raises(TypeError, match=r"inputs must be a Tensor.*got float at place 0"):
        AF.jacobian(lambda x: x, 1.0)
    with pytest.raises(TypeError, match=r"func must return a Tensor.*got float"):
        AF.jacobian(lambda x: 1.0, x)
    with pytest.raises(NotImplementedError, match="reverse-mode"):
        AF.jacobian(lambda x: x, x, strategy="forward-mode")


def test_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
    from torch.autograd import functional as TF

    a, b, v = np.array([0.5, 1.5]), np.array([0.1, 0.2, 0.3]), np.arange(6.0).reshape(2, 3)
    ours, theirs = (t(a), t(b)), (torch.tensor(a), torch.tensor(b))
    for mine, right in zip(AF.jacobian(bilinear, ours), TF.jacobian(bilinear, theirs)):
        np.testing.assert_allclose(mine.numpy(), right.numpy())
    for mine, right in zip(
        AF.vjp(bilinear, ours, t(v))[1], TF.vjp(bilinear, theirs, torch.tensor(v))[1]
    ):
        np.testing.assert_allclose(mine.numpy(), right.numpy())
    for name in ("vhp", "hvp"):
        value, mine = getattr(AF, name)(lambda x, y: bilinear(x, y).sum(), ours, ours)
        other, right = getattr(TF, name)(lambda x, y: bilinear(x, y).sum(), theirs, theirs)
        assert value.item() == pytest.approx(other.item())
        for m, r in zip(mine, right):
            np.testing.assert_allclose(m.numpy(), r.numpy())
