"""Optimiser kernels against their references and against PyTorch."""

import itertools

import numpy as np
import pytest

from minigrad.kernels import jit, optim

SIZE = 40_000  # more than two blocks
CASES = {
    "sgd": [
        (True, first, 0.1, momentum, damp, decay, nesterov, maximize)
        for first, momentum, damp, decay, nesterov, maximize in itertools.product(
            (False, True), (0.9,), (0.0, 0.1), (0.0, 0.01), (False, True), (False, True)
        )
    ]
    + [(False, False, 0.1, 0.0, 0.0, 0.1, False, False)],
    "adam": [
        (True, True, amsgrad, 3, 0.1, 0.8, 0.95, 1e-5, decay, decoupled, maximize)
        for amsgrad, decay, decoupled, maximize in itertools.product(
            (False, True), (0.0, 0.1), (False, True), (False, True)
        )
    ],
    "rmsprop": [
        (True, heavy, centred, 0.1, 0.9, 1e-5, 0.9, 0.1, False)
        for heavy, centred in itertools.product((False, True), (False, True))
    ],
    "adagrad": [(True, 3, 0.1, 0.05, 1e-6, 0.1, True)],
    "adadelta": [(True, True, 0.5, 0.9, 1e-5, 0.1, False)],
}
STATES = {"sgd": 1, "adam": 3, "rmsprop": 3, "adagrad": 1, "adadelta": 2}
needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")


def arrays(name, case, dtype):
    rng = np.random.default_rng(0)
    param, grad = rng.normal(size=SIZE).astype(dtype), rng.normal(size=SIZE).astype(dtype)
    # The first is RMSprop's second moment, which is never below the square of its mean, the last.
    states = [((k == 0) * 2 + rng.random(SIZE)).astype(dtype) for k in range(STATES[name])]
    return [param, grad, *(s if wanted else None for s, wanted in zip(states, case, strict=False))]


@needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name,case", [(n, c) for n, cases in CASES.items() for c in cases])
def test_compiled_update_matches_its_reference(name, case, dtype):
    fast, slow = arrays(name, case, dtype), arrays(name, case, dtype)
    rest = case[STATES[name] :]
    getattr(optim, name)(*fast, *rest)
    getattr(optim, f"{name}_reference")(*slow, *rest)
    for a, b in zip(fast, slow, strict=True):
        if a is not None:
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(a, b, rtol=64 * eps, atol=64 * eps)


@pytest.mark.parametrize("name", CASES)
def test_update_of_strided_or_empty_parameters_works(name):
    case = CASES[name][0]
    rest = case[STATES[name] :]
    plain = [a[:50] if a is not None else None for a in arrays(name, case, np.float64)]
    strided = [np.repeat(a, 2)[::2] if a is not None else None for a in plain]
    getattr(optim, name)(*plain, *rest)
    getattr(optim, name)(*strided, *rest)
    np.testing.assert_allclose(plain[0], strided[0], rtol=1e-13)
    getattr(optim, name)(*(a[:0] if a is not None else None for a in plain), *rest)


def test_adam_follows_pytorch_step_by_step():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    p = rng.normal(size=30)
    theirs = torch.nn.Parameter(torch.from_numpy(p.copy()))
    optimiser = torch.optim.AdamW([theirs], 0.05, (0.8, 0.9), 1e-4, 0.1, amsgrad=True)
    m, v, top = np.zeros(30), np.zeros(30), np.zeros(30)
    for step in range(1, 6):
        g = rng.normal(size=30)
        theirs.grad = torch.from_numpy(g.copy())
        optimiser.step()
        optim.adam(p, g, m, v, top, step, 0.05, 0.8, 0.9, 1e-4, 0.1, True, False)
        np.testing.assert_allclose(p, theirs.detach().numpy(), atol=1e-13)


def test_weight_decay_of_zero_leaves_infinity_alone():
    p, g = np.array([np.inf]), np.array([1.0])
    optim.sgd(p, g, None, False, 0.1, 0.0, 0.0, 0.0, False, False)
    assert p[0] == np.inf
