"""nn.init, and how layers fill their parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad import nn
from minigrad.nn import init


def empty(*shape):
    return minigrad.from_numpy(np.full(shape, np.nan, np.float32))


def looks_uniform(values, bound):
    """Inside ±bound, fills it, and has the variance bound²/3."""
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    assert np.abs(values).max() > 0.98 * bound
    assert values.var() == pytest.approx(bound**2 / 3, rel=0.1)


def looks_normal(values, std):
    """Mean 0, the standard deviation, and the share of a normal within one of it."""
    assert abs(values.mean()) < 5 * std / math.sqrt(values.size)
    assert values.std() == pytest.approx(std, rel=0.05)
    assert (np.abs(values) < std).mean() == pytest.approx(0.6827, abs=0.03)


def test_fans_count_the_window():
    w = empty(40, 20, 3, 3)
    looks_uniform(init.xavier_uniform_(w).numpy(), math.sqrt(6 / (60 * 9)))
    looks_normal(init.xavier_normal_(w, gain=2).numpy(), 2 * math.sqrt(2 / (60 * 9)))
    looks_uniform(init.kaiming_uniform_(w, nonlinearity="relu").numpy(), math.sqrt(6 / 180))
    looks_normal(
        init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu").numpy(), math.sqrt(2 / 360)
    )
    looks_uniform(init.kaiming_uniform_(w, a=math.sqrt(5)).numpy(), 1 / math.sqrt(180))


def test_plain_fills():
    looks_uniform(init.uniform_(empty(4000), -1, 1).numpy(), 1)
    looks_normal(init.normal_(empty(4000), 0, 3).numpy(), 3)
    assert (init.constant_(empty(3), 0.3).numpy() == np.float32(0.3)).all()
    assert (init.ones_(empty(3)).numpy() == 1).all() and (init.zeros_(empty(3)).numpy() == 0).all()
    np.testing.assert_array_equal(init.eye_(empty(2, 3)).numpy(), np.eye(2, 3))


def test_trunc_normal_stays_inside():
    x = init.trunc_normal_(empty(5000), 0, 1, -1, 2).numpy()
    assert x.min() >= -1 and x.max() <= 2 and not np.isnan(x).any()
    assert x.mean() == pytest.approx(0.2296, abs=0.05)  # (φ(-1) − φ(2)) / (Φ(2) − Φ(-1))
    with pytest.raises(ValueError, match="a must be less than b"):
        init.trunc_normal_(empty(2), a=1, b=1)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 2))
def test_orthogonal_rows_or_columns_are_orthonormal(rows, cols, window):
    w = init.orthogonal_(empty(rows, cols, window), gain=2).numpy().reshape(rows, -1)
    gram = w @ w.T if rows <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_dirac_passes_channels_through():
    w = init.dirac_(empty(4, 2, 3, 3), groups=2)
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 5)).astype(np.float32)
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    conv.load_state_dict({"weight": w})
    np.testing.assert_array_equal(conv(minigrad.from_numpy(x)).detach().numpy(), x)


def test_sparse_zeroes_a_share_of_each_column():
    w = init.sparse_(empty(10, 4), 0.25).numpy()
    assert ((w == 0).sum(axis=0) == 3).all()


def test_a_generator_makes_draws_repeatable():
    def draw():
        g = minigrad.Generator()
        g.manual_seed(3)
        return init.kaiming_normal_(empty(3, 4), generator=g).numpy()

    np.testing.assert_array_equal(draw(), draw())


def test_gains_follow_the_table():
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    assert init.calculate_gain("leaky_relu", 1) == 1 and init.calculate_gain("conv2d") == 1
    with pytest.raises(ValueError, match="unsupported nonlinearity 'gelu'"):
        init.calculate_gain("gelu")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: init.kaiming_normal_(empty(3)), "at least 2 dims"),
        (lambda: init.kaiming_normal_(empty(3, 3), mode="fan"), "mode must be 'fan_in' or"),
        (lambda: init.eye_(empty(3)), "must have 2 dims; got shape"),
        (lambda: init.dirac_(empty(3, 3)), "must have 3 or 4 or 5 dims"),
        (lambda: init.dirac_(empty(3, 3, 3), groups=2), "divisible by groups"),
        (lambda: init.orthogonal_(empty(3)), "at least 2 dims"),
    ],
)
def test_misuse_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_filling_a_parameter_is_not_recorded():
    p = nn.Parameter(empty(3, 3))
    for fill in (init.xavier_normal_, init.ones_, init.orthogonal_, init.trunc_normal_):
        fill(p)
        assert p.is_leaf and p.requires_grad


def test_layers_start_as_pytorch_does():
    conv, linear = nn.Conv2d(8, 64, 5, groups=2), nn.Linear(100, 300)
    for layer, fan in ((conv, 100), (linear, 100)):
        looks_uniform(layer.weight.numpy(force=True), 1 / math.sqrt(fan))
        assert np.abs(layer.bias.numpy(force=True)).max() <= 1 / math.sqrt(fan)
    up = nn.ConvTranspose2d(64, 8, 5)
    looks_uniform(up.weight.numpy(force=True), 1 / math.sqrt(8 * 25))
    table = nn.Embedding(100, 50, padding_idx=-1).weight.numpy(force=True)
    assert (table[99] == 0).all()
    looks_normal(table[:99], 1)
    norm = nn.BatchNorm2d(3)
    assert (norm.weight.numpy(force=True) == 1).all() and (norm.bias.numpy(force=True) == 0).all()
    assert (norm.running_var.numpy() == 1).all() and norm.num_batches_tracked.item() == 0
