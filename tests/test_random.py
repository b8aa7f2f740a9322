"""Random tensors and the generator: reproducible, well distributed, and clear about bad input."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad import Generator, default_generator

MAKERS: dict[str, Any] = {
    "rand": lambda g: minigrad.rand(50, generator=g),
    "randn": lambda g: minigrad.randn(50, generator=g),
    "randint": lambda g: minigrad.randint(0, 1000, (50,), generator=g),
    "randperm": lambda g: minigrad.randperm(50, generator=g),
    "bernoulli": lambda g: minigrad.bernoulli(minigrad.full((99,), 0.5), generator=g),
    "multinomial": lambda g: minigrad.multinomial(minigrad.ones(50), 20, generator=g),
    "normal": lambda g: minigrad.normal(minigrad.zeros(50), 1.0, generator=g),
    "uniform_": lambda g: minigrad.zeros(50).uniform_(-1, 1, generator=g),
    "normal_": lambda g: minigrad.zeros(50).normal_(0, 1, generator=g),
    "bernoulli_": lambda g: minigrad.zeros(99).bernoulli_(0.5, generator=g),
    "random_": lambda g: minigrad.zeros(50).random_(1000, generator=g),
    "exponential_": lambda g: minigrad.zeros(50).exponential_(2.0, generator=g),
}


@pytest.mark.parametrize("name", MAKERS)
def test_same_seed_gives_the_same_numbers(name: str) -> None:
    make = MAKERS[name]
    one, two, other = (make(Generator().manual_seed(s)) for s in (7, 7, 8))
    assert minigrad.equal(one, two)
    assert not minigrad.equal(one, other)


@pytest.mark.parametrize("name", MAKERS)
def test_default_generator_is_seeded_by_manual_seed(name: str) -> None:
    minigrad.manual_seed(3)
    one = MAKERS[name](None)
    after = minigrad.rand(3)
    minigrad.manual_seed(3)
    assert minigrad.equal(MAKERS[name](None), one)
    assert minigrad.equal(minigrad.rand(3), after)


@pytest.mark.parametrize("name", ["rand", "randn", "randperm", "random_"])
def test_numbers_do_not_depend_on_the_number_of_threads(name: str) -> None:
    before, made = minigrad.get_num_threads(), []
    try:
        for n in (1, 2):
            minigrad.set_num_threads(n)
            made.append(MAKERS[name](Generator().manual_seed(1)))
    finally:
        minigrad.set_num_threads(before)
    assert minigrad.equal(*made)


@given(st.integers(0, 40))
def test_state_continues_the_stream(draws: int) -> None:
    g = Generator().manual_seed(5)
    minigrad.rand(draws, dtype=minigrad.float32, generator=g)
    state = g.get_state()
    expected = minigrad.randn(6, generator=g)
    g.set_state(state)
    assert minigrad.equal(minigrad.randn(6, generator=g), expected)
    twin = pickle.loads(pickle.dumps(g))
    assert minigrad.equal(minigrad.rand(3, generator=twin), minigrad.rand(3, generator=g))
    assert twin.initial_seed() == 5


def test_default_state_is_stored_and_restored() -> None:
    state = minigrad.get_rng_state()
    assert state.dtype == minigrad.uint8
    one = minigrad.rand(4)
    minigrad.set_rng_state(state)
    assert minigrad.equal(minigrad.rand(4), one)


def test_fork_rng_leaves_the_stream_untouched() -> None:
    minigrad.manual_seed(0)
    expected = minigrad.rand(3)
    minigrad.manual_seed(0)
    with minigrad.random.fork_rng():
        minigrad.rand(100)
    assert minigrad.equal(minigrad.rand(3), expected)


def test_seeds_are_reported() -> None:
    assert minigrad.manual_seed(-1) is default_generator
    assert minigrad.initial_seed() == 2**64 - 1
    assert minigrad.seed() == minigrad.initial_seed()


def test_numpy_generator_shares_the_stream() -> None:
    g, h = Generator().manual_seed(2), Generator().manual_seed(2)
    g.numpy().random(10)
    assert not minigrad.equal(minigrad.rand(5, generator=g), minigrad.rand(5, generator=h))


@pytest.mark.parametrize("seed, error", [(2**64, ValueError), (1.5, TypeError), ("a", TypeError)])
def test_bad_seeds_are_refused(seed: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="manual_seed: seed must be"):
        minigrad.manual_seed(seed)


def test_bad_states_are_refused() -> None:
    with pytest.raises(TypeError, match=r"a \(56,\) uint8 tensor; got float32 of shape \(3,\)"):
        minigrad.set_rng_state(minigrad.zeros(3))
    with pytest.raises(TypeError, match=r"must be a minigrad\.Generator or None; got int"):
        minigrad.rand(2, generator=1)


def _moments(x: Any) -> tuple[float, float]:
    return float(x.double().mean()), float(x.double().std())


@pytest.mark.parametrize("dtype", [minigrad.float16, minigrad.float32, minigrad.float64])
def test_distributions_have_their_moments(dtype: Any) -> None:
    minigrad.manual_seed(0)
    n = 40_000
    u = minigrad.rand(n, dtype=dtype)
    assert u.dtype == dtype and float(u.min()) >= 0 and float(u.max()) < 1
    assert _moments(u) == pytest.approx((0.5, 12**-0.5), abs=0.01)
    assert _moments(minigrad.randn(n, dtype=dtype)) == pytest.approx((0, 1), abs=0.02)
    x = minigrad.empty(n, dtype=dtype)
    assert _moments(x.uniform_(-1, 3)) == pytest.approx((1, 4 * 12**-0.5), abs=0.03)
    assert _moments(x.normal_(2, 0.5)) == pytest.approx((2, 0.5), abs=0.02)
    assert _moments(x.bernoulli_(0.25)) == pytest.approx((0.25, 0.433), abs=0.02)
    assert _moments(x.exponential_(2.0)) == pytest.approx((0.5, 0.5), abs=0.02)


def test_integers_cover_their_range_evenly() -> None:
    minigrad.manual_seed(0)
    counts = minigrad.randint(-2, 3, (50_000,)).add(2).bincount()
    assert counts.numel() == 5 and int((counts - 10_000).abs().max()) < 500
    assert sorted(minigrad.randperm(20).tolist()) == list(range(20))


def test_multinomial_follows_its_weights() -> None:
    minigrad.manual_seed(0)
    w = minigrad.tensor([1.0, 0.0, 3.0])
    drawn = minigrad.multinomial(w, 20_000, replacement=True).bincount(minlength=3) / 20_000
    assert drawn.tolist() == pytest.approx([0.25, 0, 0.75], abs=0.02)
    picks = minigrad.multinomial(minigrad.rand(200, 6), 6)
    assert all(sorted(row) == list(range(6)) for row in picks.tolist())
    first = minigrad.multinomial(w.expand(20_000, 3), 1).flatten().bincount(minlength=3) / 20_000
    assert first.tolist() == pytest.approx([0.25, 0, 0.75], abs=0.02)


def test_filling_a_leaf_needs_no_grad() -> None:
    w = minigrad.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="normal_: a leaf Tensor that requires grad"):
        w.normal_()
    with minigrad.no_grad():
        w.normal_()
    assert float(w.detach().abs().max()) > 0


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: minigrad.rand(2, -1), ValueError, r"sizes must not be negative; got \(2, -1\)"),
        (lambda: minigrad.rand(2.5), TypeError, "sizes must be ints"),
        (lambda: minigrad.rand(2, dtype=minigrad.int64), RuntimeError, "dtype must be floating"),
        (lambda: minigrad.randint(3, 3, (2,)), ValueError, "low must be below high"),
        (lambda: minigrad.randint(3), TypeError, r"needs \(high, size\)"),
        (lambda: minigrad.randperm(-1), ValueError, "must not be negative"),
        (
            lambda: minigrad.bernoulli(minigrad.tensor([2.0])),
            RuntimeError,
            r"must be in \[0, 1\]; got 2.0",
        ),
        (
            lambda: minigrad.bernoulli(minigrad.tensor([np.nan])),
            RuntimeError,
            r"in \[0, 1\]; got nan",
        ),
        (
            lambda: minigrad.multinomial(minigrad.tensor([0.0, 1.0]), 2),
            ValueError,
            "cannot draw 2 different",
        ),
        (
            lambda: minigrad.multinomial(minigrad.tensor([-1.0, 1.0]), 1),
            RuntimeError,
            "not negative",
        ),
        (
            lambda: minigrad.normal(0.0, -1.0, (2,)),
            RuntimeError,
            "std must not be negative; got -1",
        ),
        (lambda: minigrad.zeros(2).uniform_(1, 0), ValueError, "from must not exceed to"),
        (
            lambda: minigrad.zeros(2, dtype=minigrad.int64).normal_(),
            NotImplementedError,
            "floating",
        ),
        (lambda: minigrad.zeros(1).expand(3).uniform_(), RuntimeError, "share one memory location"),
        (lambda: minigrad.rand(2, device="cuda"), RuntimeError, "computes on the CPU only"),
        (
            lambda: minigrad.randn(2, out=minigrad.zeros(2)),
            NotImplementedError,
            "out= is not supported",
        ),
    ],
)
def test_bad_arguments_are_explained(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_sizes_can_be_given_in_every_way() -> None:
    for t in (minigrad.rand(2, 3), minigrad.rand((2, 3)), minigrad.rand(size=(2, 3))):
        assert t.shape == (2, 3)
    assert minigrad.rand(()).shape == ()
    assert minigrad.randint(9, (4,)).shape == minigrad.randint(0, 9, size=(4,)).shape == (4,)
    assert minigrad.randint(low=0, high=2, size=(1,)).dtype == minigrad.int64
    assert minigrad.randn_like(minigrad.zeros(2, dtype=minigrad.float64)).dtype == minigrad.float64
    assert minigrad.rand(2, requires_grad=True).requires_grad
