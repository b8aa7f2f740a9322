"""Each optimiser against PyTorch's, over 20 steps with odd options."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import optim

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True, "decoupled_weight_decay": True, "weight_decay": 0.2}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "centered": True, "momentum": 0.7, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "eps": 0.1, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.3,
                 "eps": 1e-3, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(CASES)]
SHAPES = [(3, 4), (), (7,), (0, 2), (2, 3, 2, 2)]


def run(framework, name, options, values, grads, on_step=None):
    params = [framework.tensor(v).requires_grad_() for v in values]
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.03, "weight_decay": 0.01}]
    made = getattr(framework.optim, name)(groups, **options)
    for step, gs in enumerate(grads):
        for i, (p, g) in enumerate(zip(params, gs)):
            # parameter 2 gets no gradient at first
            p.grad = None if i == 2 and step < 3 else framework.tensor(g)
        if step == 10:
            made.param_groups[0]["lr"] *= 0.5
        made.step()
    return params, made


def draw(dtype, seed=0, steps=20):
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=s).astype(dtype) for s in SHAPES]
    grads = [[rng.normal(size=s).astype(dtype) for s in SHAPES] for _ in range(steps)]
    return [np.asarray(v) for v in values], [[np.asarray(g) for g in gs] for gs in grads]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, options", CASES, ids=IDS)
def test_optimizer_matches_torch(name, options, dtype):
    torch = pytest.importorskip("torch")
    values, grads = draw(dtype)
    mine, opt = run(minigrad, name, options, values, grads)
    theirs, oracle = run(torch, name, options, values, grads)
    close = {"rtol": 2e-5, "atol": 2e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
    for a, b in zip(mine, theirs):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **close)
    got, want = opt.state_dict(), oracle.state_dict()
    assert got["param_groups"] == want["param_groups"]
    assert got["state"].keys() == want["state"].keys()
    for i, entry in want["state"].items():
        assert got["state"][i].keys() == entry.keys()
        for k, v in entry.items():
            assert got["state"][i][k].numpy().dtype == v.numpy().dtype, k
            np.testing.assert_allclose(got["state"][i][k].numpy(), v.numpy(), **close, err_msg=k)
    assert repr(opt) == repr(oracle)


@pytest.mark.parametrize("name, options", CASES, ids=IDS)
def test_optimizer_goes_on_from_a_state_made_by_torch(name, options):
    torch = pytest.importorskip("torch")
    values, grads = draw("float64")
    theirs, oracle = run(torch, name, options, values, grads)
    params = [minigrad.tensor(p.detach().numpy()).requires_grad_() for p in theirs]
    opt = getattr(optim, name)([{"params": params[:2]}, {"params": params[2:]}], **options)
    opt.load_state_dict(oracle.state_dict())
    for p, q, g in zip(params, theirs, grads[0]):
        p.grad, q.grad = minigrad.tensor(g), torch.tensor(g)
    opt.step()
    oracle.step()
    for p, q in zip(params, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-13)
    back = getattr(torch.optim, name)([{"params": theirs[:2]}, {"params": theirs[2:]}], **options)
    state = opt.state_dict()
    state["state"] = {
        i: {k: torch.tensor(v.numpy()) for k, v in s.items()} for i, s in state["state"].items()
    }
    back.load_state_dict(state)
    back.step()
