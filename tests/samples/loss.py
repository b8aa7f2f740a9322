"""Samples of minigrad/ops/{cross_entropy,loss,margin_loss}.py."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from minigrad.testing.cases import Case
from minigrad.testing.strategies import arrays, integers

from ._draws import args, of

REDUCTION = st.sampled_from(["mean", "sum", "none"])
PROBABILITY = {"low": 0.05, "high": 0.95, "away_from": ()}
WEIGHT = {"low": 0.2, "high": 2.0}
F = "nn.functional."


def _reduce(loss, reduction, size=None):
    if reduction == "batchmean":
        return loss.sum() / size
    return {"mean": np.mean, "sum": np.sum, "none": lambda v: v}[reduction](loss)


def _logp(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def _coefficients(x, target, weight, ignore_index, reduction, smoothing):
    """How much of each −log p the loss takes, one element after the other."""
    t = np.zeros(x.shape)
    total = 0.0
    c = x.shape[1]
    w = np.ones(c) if weight is None else weight
    for at in np.ndindex(*target.shape):
        right = target[at]
        if right == ignore_index:
            continue
        total += w[right]
        for k in range(c):
            share = (1 - smoothing) * w[k] * (k == right) + smoothing / c * w[k]
            t[(at[0], k, *at[1:])] = share
    return t / total if reduction == "mean" else t


def _from_indices(x, target, weight=None, ignore=-100, reduction="mean", smoothing=0.0):
    terms = -_coefficients(x, target, weight, ignore, reduction, smoothing) * _logp(x)
    return terms.sum(1) if reduction == "none" else terms.sum()


def _from_indices_grad(g, x, target, weight=None, ignore=-100, reduction="mean", smoothing=0.0):
    t = _coefficients(x, target, weight, ignore, reduction, smoothing)
    g = g[:, None] if reduction == "none" else g
    return g * (np.exp(_logp(x)) * t.sum(1, keepdims=True) - t)


def _cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0):
    if target.dtype.kind == "f":
        c = x.shape[1]
        t = target * (1 - label_smoothing) + label_smoothing / c
        w = np.ones(c) if weight is None else weight
        loss = -(_logp(x) * t * w.reshape(-1, *[1] * (x.ndim - 2))).sum(1)
        return _reduce(loss, reduction)
    return _from_indices(x, target, weight, ignore_index, reduction, label_smoothing)


def _nll(x, target, weight=None, ignore_index=-100, reduction="mean"):
    t = _coefficients(x, target, weight, ignore_index, reduction, 0.0)
    return (-t * x).sum(1) if reduction == "none" else (-t * x).sum()


@st.composite
def _classes(draw, form="public"):
    """Scores with class indices, of which the first is never ignored."""
    n, c = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    space = draw(st.sampled_from([(), (), (2,), (1, 2)])) if form in ("public", "nll") else ()
    x, target = draw(arrays(shape=(n, c, *space))), draw(integers((n, *space), 0, c))
    ignore = draw(st.sampled_from([-100, (int(target.flat[0]) + 1) % c]))
    weight = draw(st.none() | arrays(shape=(c,), **WEIGHT))
    reduction, smoothing = draw(REDUCTION), draw(st.sampled_from([0.0, 0.3]))
    if form == "op":
        return (x, target, weight, ignore, reduction, smoothing), {}
    if form == "grad":
        g = draw(arrays(shape=(n,) if reduction == "none" else ()))
        return (g, x, target, weight, ignore, reduction, smoothing), {}
    options = {"ignore_index": ignore, "reduction": reduction}
    if form == "nll":
        return (x, target, weight), options
    if draw(st.booleans()):
        target = draw(arrays(shape=x.shape, **PROBABILITY))
        del options["ignore_index"]
    return (x, target, weight), {**options, "label_smoothing": smoothing}


@st.composite
def _two(draw, away=(), low=-2.0, high=2.0, other=None, **options):
    """An input and a target of one shape, whose difference keeps away from the kinks."""
    x = draw(arrays(low=low, high=high, away_from=()))
    if other is None:
        t = np.asarray(x - draw(arrays(shape=x.shape, low=-3.0, high=3.0, away_from=away)))
    else:
        t = draw(arrays(shape=x.shape, **other))
    return (x, t), draw(st.fixed_dictionaries({"reduction": REDUCTION, **options}))


def _elementwise(formula):
    def oracle(x, t, reduction="mean", **options):
        size = x.shape[0] if x.ndim else 1
        return _reduce(formula(x, t, **options), reduction, size)

    return oracle


def _smooth_l1(x, t, beta):
    d = abs(x - t)
    return np.where(d < beta, d * d / (2 * beta or 1), d - beta / 2)


def _huber(x, t, delta):
    d = abs(x - t)
    return np.where(d <= delta, d * d / 2, delta * (d - delta / 2))


def _bce(x, t):
    return -t * np.log(x) - (1 - t) * np.log(1 - x)


def _with_logits(x, t, weight=None, reduction="mean", pos_weight=1.0):
    p = 1 / (1 + np.exp(-x))
    loss = -t * np.log(p) * pos_weight - (1 - t) * np.log(1 - p)
    return _reduce(loss if weight is None else loss * weight, reduction)


def _margins(x, t, p, margin, weight, reduction):
    y = np.zeros(len(x))
    for n, right in enumerate(t):
        for c in range(x.shape[1]):
            if c != right:
                y[n] += max(0.0, margin - x[n, right] + x[n, c]) ** p
        y[n] *= (1 if weight is None else weight[right]) / x.shape[1]
    return _reduce(y, reduction)


@st.composite
def _scores(draw):
    """Scores whose margins to the right one are not at the kink."""
    n, c, p = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.sampled_from([1, 2]))
    t = draw(integers((n,), 0, c))
    x = draw(arrays(shape=(n, c), away_from=(-1.0, 0.0)))
    right = draw(arrays(shape=(n,)))
    x = x + right[:, None]
    x[np.arange(n), t] = right
    return (x, t, p, 1.0, draw(st.none() | arrays(shape=(c,), **WEIGHT))), {
        "reduction": draw(REDUCTION)
    }


def _hinge(x, t, margin):
    return np.where(t == 1, x, np.maximum(0, margin - x))


def _signs(shape):
    return integers(shape, 0, 2).map(lambda t: np.asarray(2 * t - 1))


def _cosine(a, b, dim):
    long = np.sqrt((a * a).sum(dim)) * np.sqrt((b * b).sum(dim))
    return (a * b).sum(dim) / long


def _cosine_loss(a, b, t, margin, reduction):
    cos = (a * b).sum(1) / np.sqrt(((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12))
    return _reduce(np.where(t == 1, 1 - cos, np.maximum(0, cos - margin)), reduction)


NONZERO = {"low": 0.3, "high": 2.0}

CASES = {
    "_cross_entropy": Case(_classes("op"), _from_indices, constants=(2,)),
    "cross_entropy_grad": Case(_classes("grad"), _from_indices_grad, constants=(3,)),
    "cross_entropy": Case(_classes(), _cross_entropy, F + "cross_entropy", constants=(2,)),
    "nll_loss": Case(_classes("nll"), _nll, F + "nll_loss", constants=(2,)),
    "mse_loss": Case(_two(), _elementwise(lambda x, t: (x - t) ** 2), F + "mse_loss"),
    "l1_loss": Case(_two((0.0,)), _elementwise(lambda x, t: abs(x - t)), F + "l1_loss"),
    "smooth_l1_loss": Case(
        _two((-1.0, -0.5, 0.0, 0.5, 1.0), beta=st.sampled_from([0.0, 0.5, 1.0])),
        _elementwise(_smooth_l1),
        F + "smooth_l1_loss",
    ),
    "huber_loss": Case(
        _two((-1.0, -0.5, 0.5, 1.0), delta=st.sampled_from([0.5, 1.0])),
        _elementwise(_huber),
        F + "huber_loss",
    ),
    "_bce": Case(
        of(arrays(**PROBABILITY), lambda x: (x, arrays(shape=x.shape, **PROBABILITY))), _bce
    ),
    "binary_cross_entropy": Case(
        _two(low=0.05, high=0.95, other=PROBABILITY),
        _elementwise(_bce),
        F + "binary_cross_entropy",
    ),
    "binary_cross_entropy_with_logits": Case(
        of(arrays(), lambda x: (x, arrays(shape=x.shape, **PROBABILITY),
                                st.none() | arrays(shape=x.shape, **WEIGHT))).flatmap(
            lambda s: st.fixed_dictionaries(
                {"reduction": REDUCTION, "pos_weight": arrays(shape=s[0][0].shape, **WEIGHT)}
            ).map(lambda k: (s[0], k))
        ),
        _with_logits,
        F + "binary_cross_entropy_with_logits",
        constants=(2, "pos_weight"),
    ),
    "kl_div": Case(
        _two(other=PROBABILITY, log_target=st.booleans(),
             reduction=st.sampled_from(["batchmean", "sum", "none"])),
        _elementwise(lambda x, t, log_target: np.exp(t) * (t - x) if log_target else
                     t * (np.log(t) - x)),
        F + "kl_div",
    ),
    "multi_margin_loss": Case(_scores(), _margins, F + "multi_margin_loss", constants=(4,)),
    "hinge_embedding_loss": Case(
        of(arrays(away_from=(0.7,)), lambda x: (x, _signs(x.shape), 0.7)), lambda x, t, m: np.mean(
            _hinge(x, t, m)), F + "hinge_embedding_loss",
    ),
    "cosine_similarity": Case(
        of(arrays(min_dims=1, **NONZERO), lambda x: (x, arrays(shape=x.shape, **NONZERO),
                                                     st.integers(0, x.ndim - 1))),
        _cosine,
        F + "cosine_similarity",
    ),
    "cosine_embedding_loss": Case(
        of(arrays(min_dims=2, max_dims=2, **NONZERO), lambda x: (
            x, arrays(shape=x.shape, **NONZERO), _signs(x.shape[:1]), -0.3)).flatmap(
            lambda s: args(*s[0], reduction=REDUCTION)),
        _cosine_loss,
        F + "cosine_embedding_loss",
    ),
}  # fmt: skip
