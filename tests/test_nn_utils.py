"""nn.utils: clipping gradients, parameters as a vector."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import utils


def parameters(*grads):
    made = []
    for g in grads:
        p = nn.Parameter(minigrad.from_numpy(np.zeros(np.shape(g), np.float32)))
        p.grad = minigrad.from_numpy(np.array(g, np.float32))
        made.append(p)
    return [*made, nn.Parameter(minigrad.tensor([1.0]))]  # one without a gradient


@pytest.mark.parametrize(("p", "norm"), [(2.0, 13), (1, 19), (float("inf"), 12)])
def test_clip_grad_norm_scales_all_gradients_together(p, norm):
    params = parameters([3.0, 4.0], [[12.0]])
    total = utils.clip_grad_norm_(params, 1.0, norm_type=p)
    assert total.item() == pytest.approx(norm) and total.dtype == np.float32
    np.testing.assert_allclose(params[0].grad.numpy() * norm, [3, 4], rtol=1e-5)
    assert utils.get_total_norm([q.grad for q in params[:2]], p).item() == pytest.approx(1)


def test_clip_grad_norm_leaves_small_gradients_alone():
    params = parameters([3.0, 4.0])
    utils.clip_grad_norm_(iter(params), 100)
    np.testing.assert_array_equal(params[0].grad.numpy(), [3, 4])
    assert utils.clip_grad_norm_([], 1.0).item() == 0


def test_clip_grad_norm_reports_what_is_not_finite():
    params = parameters([np.inf, 4.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(params[0].grad.numpy(), [np.inf, 4])
    utils.clip_grad_norm_(params, 1.0)
    assert np.isnan(params[0].grad.numpy()[0])


def test_clip_grad_value_bounds_each_element():
    params = parameters([-3.0, 0.5, 4.0])
    utils.clip_grad_value_(params, 1)
    np.testing.assert_array_equal(params[0].grad.numpy(), [-1, 0.5, 1])


def test_parameters_go_to_a_vector_and_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vec = utils.parameters_to_vector(net.parameters())
    assert vec.shape == (13,)
    twin = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    utils.vector_to_parameters(vec, twin.parameters())
    for a, b in zip(net.parameters(), twin.parameters()):
        np.testing.assert_array_equal(a._data, b._data)
    vec.sum().backward()
    assert (net[0].weight.grad.numpy() == 1).all()
    with pytest.raises(ValueError, match=r"vec must be \(13,\)"):
        utils.vector_to_parameters(vec[:-1], twin.parameters())
    with pytest.raises(TypeError, match="vec must be a Tensor"):
        utils.vector_to_parameters([1.0], twin.parameters())
