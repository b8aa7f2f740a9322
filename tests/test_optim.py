"""What optimisers promise beside their formulas: groups, state, checks, memory."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

import minigrad
from minigrad import optim
from minigrad.engine import no_grad
from minigrad.errors import ShapeError

ALL = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Adadelta]


def leaf(*shape, dtype="float64", seed=0):
    values = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    return minigrad.from_numpy(np.asarray(values)).requires_grad_()


def give_grad(p, seed=1):
    values = np.random.default_rng(seed).normal(size=p.shape).astype(p.dtype)
    p.grad = minigrad.from_numpy(np.asarray(values))


@pytest.mark.parametrize("cls", ALL)
def test_strided_parameter_and_gradient_are_updated_as_contiguous_ones(cls):
    plain = leaf(4, 6)
    strided = minigrad.from_numpy(np.asfortranarray(plain.detach().numpy())).requires_grad_()
    half = np.zeros((4, 12))
    half[:, ::2] = plain.detach().numpy()
    sliced = minigrad.from_numpy(half[:, ::2]).requires_grad_()
    for p in (plain, strided, sliced):
        opt = cls([p])
        for seed in range(3):
            give_grad(p, seed)
            p.grad = minigrad.from_numpy(np.asfortranarray(p.grad.numpy()))
            opt.step()
    np.testing.assert_array_equal(strided.detach().numpy(), plain.detach().numpy())
    np.testing.assert_array_equal(sliced.detach().numpy(), plain.detach().numpy())
    assert not half[:, 1::2].any()


@pytest.mark.parametrize("cls", ALL)
def test_step_changes_the_memory_it_was_given_and_nothing_else(cls):
    p, untouched = leaf(3), leaf(3)
    memory, before = p.detach().numpy(), untouched.detach().numpy().copy()
    opt = cls([p, untouched])
    give_grad(p)
    grad = p.grad.numpy().copy()
    opt.step()
    assert p.detach().numpy() is memory
    np.testing.assert_array_equal(p.grad.numpy(), grad)
    np.testing.assert_array_equal(untouched.detach().numpy(), before)
    assert not opt.state[untouched] or cls is optim.Adagrad


@pytest.mark.parametrize("cls", ALL)
def test_step_makes_a_graph_that_saved_the_parameter_stale(cls):
    p = leaf(3)
    y = (p * p).exp()
    give_grad(p)
    cls([p]).step()
    with pytest.raises(RuntimeError, match=rf"{cls.__name__}\.step"):
        y.backward(minigrad.tensor(np.ones(3)))


def test_step_evaluates_the_closure_with_recording_and_returns_its_loss():
    p = leaf(1)
    opt = optim.SGD([p], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = p * p
        loss.backward()
        return loss

    before = p.item()
    with no_grad():
        loss = opt.step(closure)
    assert loss.item() == before**2
    assert p.item() == pytest.approx(0.8 * before)


def test_zero_grad_forgets_or_fills():
    p = leaf(2)
    opt = optim.SGD([p])
    give_grad(p)
    g = p.grad
    opt.zero_grad(set_to_none=False)
    assert p.grad is g and g.tolist() == [0, 0]
    opt.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("cls", ALL)
def test_saved_and_loaded_optimizer_goes_on_bit_for_bit(cls):
    def steps(p, opt, seeds):
        for seed in seeds:
            give_grad(p, seed)
            opt.step()

    p = leaf(5)
    opt = cls([p], lr=0.1)
    steps(p, opt, range(3))
    state = copy.deepcopy(opt.state_dict())
    q = minigrad.from_numpy(p.detach().numpy().copy()).requires_grad_()
    other = cls([q], lr=3.0)
    other.load_state_dict(state)
    steps(p, opt, range(3, 6))
    steps(q, other, range(3, 6))
    np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_loading_copies_and_casts_to_the_dtype_of_the_parameter():
    p, q = leaf(2), leaf(2, dtype="float32")
    give_grad(p)
    opt, other = optim.Adam([p]), optim.Adam([q])
    opt.step()
    other.load_state_dict(opt.state_dict())
    assert other.state[q]["exp_avg"].dtype == minigrad.dtypes.float32
    assert other.state[q]["step"].item() == 1
    other.state[q]["exp_avg"].numpy()[...] = 7
    assert opt.state[p]["exp_avg"].tolist() != [7, 7]


def test_state_dict_that_does_not_fit_changes_nothing():
    p, q = leaf(2), leaf(3)
    give_grad(p)
    opt = optim.Adam([p])
    opt.step()
    mine = optim.Adam([q])
    with pytest.raises(ValueError, match=r"'exp_avg' of parameter 0 must have .*\(3,\); got \(2,"):
        mine.load_state_dict(opt.state_dict())
    assert not mine.state
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.Adam([{"params": [p]}, {"params": [q]}]).load_state_dict(opt.state_dict())
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.Adam([p, q]).load_state_dict(opt.state_dict())
    with pytest.raises(ValueError, match="state of another kind of optimizer"):
        optim.SGD([p]).load_state_dict(opt.state_dict())
    with pytest.raises(ValueError, match="expected the keys 'state' and 'param_groups'"):
        optim.SGD([p]).load_state_dict({"model": 1})


def test_copied_and_pickled_optimizers_keep_their_state():
    p = leaf(2)
    opt = optim.SGD([p], lr=0.1, momentum=0.9)
    give_grad(p)
    opt.step()
    for other in (copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        (q,) = other.param_groups[0]["params"]
        assert q is not p and other.state[q]["momentum_buffer"].tolist() == p.grad.tolist()
        give_grad(q)
        other.step()


def test_named_parameters_keep_their_names():
    p = leaf(2)
    opt = optim.SGD([("conv.weight", p)])
    assert opt.param_groups[0]["param_names"] == ["conv.weight"]
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["conv.weight"]
    with pytest.raises(ValueError, match="with/without names"):
        optim.SGD([("a", p), leaf(1)])
    with pytest.raises(ValueError, match="with/without names"):
        opt.add_param_group({"params": [leaf(1)]})


def test_hooks_run_around_step_and_once_per_step():
    calls = []

    class Mine(optim.SGD):
        def step(self, closure=None):
            calls.append("step")
            return super().step(closure)

    p = leaf(1)
    opt = Mine([p], lr=0.1)
    opt.register_step_pre_hook(lambda *a: calls.append("pre"))
    handle = opt.register_step_post_hook(lambda *a: calls.append("post"))
    give_grad(p)
    opt.step()
    handle.remove()
    opt.step()
    assert calls == ["pre", "step", "post", "pre", "step"]


def test_state_dict_hooks_may_replace_what_is_saved_and_loaded():
    p = leaf(1)
    opt = optim.SGD([p], lr=0.1)
    opt.register_state_dict_post_hook(lambda o, d: {**d, "note": 1})
    opt.register_load_state_dict_pre_hook(
        lambda o, d: {"state": {}, "param_groups": [{**d["param_groups"][0], "lr": 5}]}
    )
    state = opt.state_dict()
    assert state["note"] == 1
    opt.load_state_dict(state)
    assert opt.param_groups[0]["lr"] == 5


def test_parameters_are_checked_with_pytorchs_messages():
    p = leaf(2)
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="params argument given to the optimizer should be an"):
        optim.SGD(p)
    with pytest.raises(TypeError, match="can only optimize Tensors, but one of the params is int"):
        optim.SGD([3])
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match="appear in more than one parameter group"):
        optim.SGD([{"params": p}, {"params": [p]}])
    with pytest.raises(TypeError, match="ordering of tensors in sets"):
        optim.SGD([{"params": {p}}])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([p]).add_param_group([p])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])


@pytest.mark.parametrize(
    "cls, options, message",
    [(cls, {"lr": -0.1}, "Invalid learning rate: -0.1") for cls in ALL]
    + [
        (optim.SGD, {"momentum": -1}, "Invalid momentum value: -1"),
        (optim.SGD, {"lr": float("nan")}, "Invalid learning rate: nan"),
        (optim.SGD, {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        (optim.SGD, {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
        (optim.Adam, {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        (optim.AdamW, {"betas": (0.9, -0.5)}, "Invalid beta parameter at index 1: -0.5"),
        (optim.Adam, {"betas": 0.9}, "betas must be two numbers"),
        (optim.Adam, {"eps": -1.0}, "Invalid epsilon value: -1.0"),
        (optim.RMSprop, {"alpha": -0.5}, "Invalid alpha value: -0.5"),
        (optim.Adagrad, {"lr_decay": -1}, "Invalid lr_decay value: -1"),
        (optim.Adagrad, {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value"),
        (optim.Adadelta, {"rho": 1.5}, "Invalid rho value: 1.5"),
    ],
)
def test_options_are_checked_with_pytorchs_messages(cls, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cls([leaf(1)], **options)
    with pytest.raises(ValueError, match=re.escape(message)):
        cls([{"params": [leaf(1)], **options}])


def test_options_of_wrong_type_and_unsupported_ones_are_named():
    with pytest.raises(TypeError, match=r"SGD: lr must be a number; got lr '0\.1'"):
        optim.SGD([leaf(1)], lr="0.1")
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        optim.SGD([leaf(1)], lr=leaf(2))
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported"):
        optim.Adam([leaf(1)], differentiable=True)


def test_learning_rate_may_be_a_tensor():
    p, q = leaf(2), leaf(2)
    for t, lr in ((p, 0.25), (q, minigrad.tensor(0.25))):
        give_grad(t)
        optim.SGD([t], lr=lr).step()
    assert p.tolist() == q.tolist()


def test_gradient_left_over_from_another_shape_is_an_error():
    p = leaf(2)
    give_grad(p)
    p.data = minigrad.tensor(np.zeros(3))
    with pytest.raises(ShapeError, match=r"must have its parameter's shape; .*\(3,\).*\(2,\)"):
        optim.SGD([p]).step()


def test_parameter_whose_elements_share_memory_is_an_error():
    p = minigrad.from_numpy(np.broadcast_to(np.zeros(1), (3,))).requires_grad_()
    p.grad = minigrad.tensor(np.ones(3))
    with pytest.raises(RuntimeError, match="share one memory location"):
        optim.SGD([p]).step()
