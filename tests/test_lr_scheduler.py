"""Learning-rate schedules: the same numbers as PyTorch's to the last bit, saving, and bad input."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import minigrad
from minigrad import optim
from minigrad.optim import lr_scheduler as lrs

CASES = {
    "StepLR": lambda m, o: m.StepLR(o, 3, gamma=0.3),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [7, 2, 7], gamma=0.3),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.83),
    "ConstantLR": lambda m, o: m.ConstantLR(o, 0.3, 4),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.1, 0.7, 8),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, 9, 1.7),
    "LambdaLR": lambda m, o: m.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 / (1 + t)]),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, lambda t: 0.9 + 0.01 * t),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 7, eta_min=0.003),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, [0.5, 0.9], total_steps=30),
    "OneCycleLR-linear": lambda m, o: m.OneCycleLR(
        o, 0.5, epochs=5, steps_per_epoch=7, pct_start=0.4, anneal_strategy="linear",
        base_momentum=0.7, max_momentum=0.99, div_factor=7.0, final_div_factor=11.0),
    "OneCycleLR-three": lambda m, o: m.OneCycleLR(o, 0.5, total_steps=31, three_phase=True),
    "OneCycleLR-no-momentum": lambda m, o: m.OneCycleLR(
        o, 0.5, total_steps=30, cycle_momentum=False),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.01, 0.3, 3, 5),
    "CyclicLR-2": lambda m, o: m.CyclicLR(o, [0.01, 0.02], 0.3, 4, mode="triangular2"),
    "CyclicLR-exp": lambda m, o: m.CyclicLR(o, 0.01, 0.3, 4, mode="exp_range", gamma=0.97),
    "CyclicLR-fn": lambda m, o: m.CyclicLR(o, 0.01, 0.3, 4, scale_fn=lambda x: 1 / x),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=5), m.CosineAnnealingLR(o, 12),
            m.ExponentialLR(o, 0.5)], [5, 17]),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, 0.1, 3), m.ExponentialLR(o, 0.9)]),
}


def optimizer(framework, kind="SGD", lr=(0.4, 0.07)):
    groups = []
    for rate in lr:
        p = framework.tensor(np.zeros(2, np.float32)).requires_grad_()
        p.grad = framework.tensor(np.zeros(2, np.float32))
        groups.append({"params": [p], "lr": rate})
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(framework.optim, kind)(groups, **options)


def trace(opt, scheduler, steps, metrics=None):
    rows = []
    for t in range(steps):
        group = opt.param_groups
        rows.append([
            *(g["lr"] for g in group), *scheduler.get_last_lr(),
            *(g.get("momentum", g.get("betas")) for g in group),
        ])
        opt.step()
        scheduler.step(*([] if metrics is None else [metrics[t]]))
    return rows


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", CASES)
def test_schedule_equals_torchs_to_the_last_bit(name, kind):
    torch = pytest.importorskip("torch")
    mine, theirs = optimizer(minigrad, kind), optimizer(torch, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own SequentialLR trips over its epoch argument
        want = trace(theirs, CASES[name](torch.optim.lr_scheduler, theirs), 28)
    assert trace(mine, CASES[name](lrs, mine), 28) == want


@pytest.mark.parametrize("options", [
    {}, {"patience": 2, "factor": 0.5}, {"mode": "max", "patience": 1, "cooldown": 2},
    {"patience": 0, "threshold": 0.05, "threshold_mode": "abs", "min_lr": [0.01, 0.05]},
    {"mode": "max", "patience": 1, "threshold_mode": "abs", "eps": 0.01},
])
def test_plateau_equals_torchs(options):
    torch = pytest.importorskip("torch")
    metrics = list(np.random.default_rng(3).normal(size=40).round(2))
    metrics[5] = float("nan")
    mine, theirs = optimizer(minigrad), optimizer(torch)
    want = trace(theirs, torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options), 40, metrics)
    assert trace(mine, lrs.ReduceLROnPlateau(mine, **options), 40, metrics) == want


@pytest.mark.parametrize("name", CASES)
def test_saved_schedule_goes_on_as_if_never_stopped(name):
    opt = optimizer(minigrad)
    scheduler = CASES[name](lrs, opt)
    trace(opt, scheduler, 9)
    kept = copy.deepcopy((opt.state_dict(), scheduler.state_dict()))
    want = trace(opt, scheduler, 15)
    again = optimizer(minigrad)
    other = CASES[name](lrs, again)
    again.load_state_dict(kept[0])
    other.load_state_dict(kept[1])
    assert trace(again, other, 15) == want


@pytest.mark.parametrize("name", CASES)
def test_schedule_goes_on_from_a_state_made_by_torch(name):
    torch = pytest.importorskip("torch")
    theirs, mine = optimizer(torch), optimizer(minigrad)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = CASES[name](torch.optim.lr_scheduler, theirs)
        trace(theirs, source, 8)
        scheduler = CASES[name](lrs, mine)
        mine.load_state_dict(theirs.state_dict())
        scheduler.load_state_dict(source.state_dict())
        want = trace(theirs, source, 15)
    assert trace(mine, scheduler, 15) == want


def test_plateau_goes_on_as_if_never_stopped():
    metrics = list(np.random.default_rng(3).normal(size=30))
    opt = optimizer(minigrad)
    scheduler = lrs.ReduceLROnPlateau(opt, patience=1)
    trace(opt, scheduler, 9, metrics)
    again = optimizer(minigrad)
    other = lrs.ReduceLROnPlateau(again, mode="max")
    again.load_state_dict(opt.state_dict())
    other.load_state_dict(scheduler.state_dict())
    assert trace(again, other, 20, metrics[9:]) == trace(opt, scheduler, 20, metrics[9:])


def test_step_before_the_optimizers_warns():
    opt = optimizer(minigrad)
    scheduler = lrs.StepLR(opt, 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def test_get_lr_and_the_epoch_argument_warn():
    opt = optimizer(minigrad)
    scheduler = lrs.ExponentialLR(opt, 0.5)
    opt.step()
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(3)
    assert scheduler.get_last_lr() == [0.4 * 0.5**3, 0.07 * 0.5**3]


def test_own_schedule_needs_get_lr_only():
    class Halve(lrs.LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    opt = optimizer(minigrad)
    scheduler = Halve(opt)
    opt.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.2, 0.035]


def test_tensor_rate_is_changed_in_place():
    p = minigrad.tensor([1.0]).requires_grad_()
    rate = minigrad.tensor(0.5)
    opt = optim.SGD([p], lr=rate)
    scheduler = lrs.ExponentialLR(opt, 0.5)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] is rate and rate.item() == 0.25


def test_factor_zero_keeps_the_rate_at_zero_and_comes_back():
    opt = optimizer(minigrad)
    rows = trace(opt, lrs.ConstantLR(opt, 0, 2), 4)
    assert [r[0] for r in rows] == [0, 0, 0.4, 0.4]


def test_one_cycle_whose_rise_is_one_step_starts_at_the_top():
    opt = optimizer(minigrad)
    assert lrs.OneCycleLR(opt, 0.5, total_steps=4, pct_start=0.25).get_last_lr() == [0.5, 0.5]


@pytest.mark.parametrize("build, error, message", [
    (lambda o: lrs.StepLR(None, 1), TypeError, "NoneType is not an Optimizer"),
    (lambda o: lrs.StepLR(o, 0), ValueError, "step_size must be at least 1; got step_size 0"),
    (lambda o: lrs.StepLR(o, 1.5), TypeError, "step_size must be an int"),
    (lambda o: lrs.LambdaLR(o, [len]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda o: lrs.LambdaLR(o, 0.5), TypeError, "lr_lambda should be a function, but got float"),
    (lambda o: lrs.ConstantLR(o, 1.5), ValueError, "expected to be between 0 and 1"),
    (lambda o: lrs.LinearLR(o, 0.0), ValueError, "expected to be greater than 0"),
    (lambda o: lrs.LinearLR(o, 0.5, 2.0), ValueError, "Ending multiplicative factor"),
    (lambda o: lrs.CosineAnnealingLR(o, 0), ValueError, "T_max must be positive"),
    (lambda o: lrs.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
    (lambda o: lrs.CosineAnnealingWarmRestarts(o, 1, 0), ValueError, "integer T_mult >= 1"),
    (lambda o: lrs.OneCycleLR(o, 1.0), ValueError, "define either total_steps OR"),
    (lambda o: lrs.OneCycleLR(o, 1.0, 0), ValueError, "positive integer total_steps"),
    (lambda o: lrs.OneCycleLR(o, 1.0, 9, pct_start=2.0), ValueError, "between 0 and 1 pct_start"),
    (lambda o: lrs.OneCycleLR(o, 1.0, 9, anneal_strategy="x"), ValueError, "one of 'cos' or 'lin"),
    (lambda o: lrs.OneCycleLR(o, [1.0], 9), ValueError, "max_lr must have the same length"),
    (lambda o: lrs.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError, "mode is invalid"),
    (lambda o: lrs.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
    (lambda o: lrs.ReduceLROnPlateau(o, mode="up"), ValueError, "mode up is unknown"),
    (lambda o: lrs.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold mode x is"),
    (lambda o: lrs.ReduceLROnPlateau(o, min_lr=[1]), ValueError, "expected 2 min_lrs, got 1"),
    (lambda o: lrs.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
    (lambda o: lrs.SequentialLR(o, [lrs.StepLR(o, 1)], [3]), ValueError, "one more than the num"),
    (lambda o: lrs.SequentialLR(o, [lrs.StepLR(optimizer(minigrad), 1)], []), ValueError,
     "belong to the same optimizer"),
    (lambda o: lrs.ChainedScheduler([lrs.ReduceLROnPlateau(o)]), ValueError, "does not support"),
    (lambda o: lrs.StepLR(o, 1, last_epoch=3), KeyError, "'initial_lr' is not specified"),
    (lambda o: lrs.StepLR(o, 1).load_state_dict({"a": 1}), ValueError, "expected what scheduler"),
    (lambda o: lrs.OneCycleLR(optimizer(minigrad, "Adagrad"), 1.0, 9), ValueError,
     "must support momentum or beta1"),
])
def test_bad_schedule_is_a_clear_error(build, error, message):
    with pytest.raises(error, match=message):
        build(optimizer(minigrad))


def test_one_cycle_stepped_too_often_is_an_error():
    opt = optimizer(minigrad)
    scheduler = lrs.OneCycleLR(opt, 1.0, 3)
    opt.step()
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        scheduler.step()


FORMULAS = {  # rate at step t of one that starts at b
    "StepLR": lambda b, t: b * 0.3 ** (t // 3),
    "MultiStepLR": lambda b, t: b * 0.3 ** ((t >= 2) + 2 * (t >= 7)),
    "ExponentialLR": lambda b, t: b * 0.83**t,
    "ConstantLR": lambda b, t: b * (0.3 if t < 4 else 1),
    "LinearLR": lambda b, t: b * (0.1 + 0.6 * min(t, 8) / 8),
    "PolynomialLR": lambda b, t: b * (1 - min(t, 9) / 9) ** 1.7,
    "CosineAnnealingLR": lambda b, t: 0.003 + (b - 0.003) * (1 + np.cos(np.pi * t / 7)) / 2,
    "CyclicLR": lambda b, t: 0.01 + 0.29 * (t % 8 / 3 if t % 8 <= 3 else (8 - t % 8) / 5),
    "SequentialLR": lambda b, t: (
        b * (0.1 + 0.9 * t / 5) if t < 5 else
        b * (1 + np.cos(np.pi * (t - 5) / 12)) / 2 if t < 17 else b * 0.5 ** (t - 17)
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_schedule_follows_its_formula(name):
    opt = optimizer(minigrad)
    rows = trace(opt, CASES[name](lrs, opt), 25)
    want = [[FORMULAS[name](b, t) for b in (0.4, 0.07)] for t in range(25)]
    np.testing.assert_allclose([row[:2] for row in rows], want, rtol=1e-9, atol=1e-12)


def test_one_cycle_rises_falls_and_mirrors_the_momentum():
    opt = optimizer(minigrad)
    rows = np.array(trace(opt, lrs.OneCycleLR(opt, 0.5, total_steps=20, pct_start=0.5), 20))
    rate, momentum = rows[:, 0], rows[:, 4]
    assert rate[0] == pytest.approx(0.5 / 25) and rate.max() == 0.5 == rate[9]
    assert rate[-1] == pytest.approx(0.5 / 25 / 1e4)
    assert (np.diff(rate[:10]) > 0).all() and (np.diff(rate[9:]) < 0).all()
    assert momentum[0] == momentum[-1] == 0.95 and momentum.min() == 0.85 == momentum[9]
