"""The compiled loops of optimisers: every element is read and written once. No policy here.

A chunk is BLOCK elements. An absent state array is passed as one of no elements. Hyperparameters
have the dtype of the parameters, so that the loop stays in it.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import helper, kernel
from minigrad.kernels.team import share

__all__ = ["BLOCK", "adadelta", "adagrad", "adam", "rmsprop", "sgd"]

BLOCK = 16384


@helper
def _descent(p, g, sign, decay):
    d = sign * g
    return d + decay * p if decay != 0 else d  # 0 · inf must not make NaN


@kernel
def sgd(team, chunks, p, g, buf, first, nesterov, hyper):
    """hyper = sign of g, lr, momentum, 1 − dampening, weight decay."""
    sign, lr, momentum, rate, decay = hyper[0], hyper[1], hyper[2], hyper[3], hyper[4]
    for chunk in share(team, chunks):
        part = slice(chunk * BLOCK, min((chunk + 1) * BLOCK, len(p)))
        ps, gs, bs = p[part], g[part], buf[part]
        if len(buf) == 0:
            for i in range(len(ps)):
                ps[i] -= lr * _descent(ps[i], gs[i], sign, decay)
        else:
            for i in range(len(ps)):
                d = _descent(ps[i], gs[i], sign, decay)
                b = d if first else momentum * bs[i] + rate * d
                bs[i] = b
                ps[i] -= lr * (d + momentum * b if nesterov else b)


@kernel
def adam(team, chunks, p, g, m, v, vmax, hyper):
    """hyper = sign of g, step size, 1 − β1, β2, 1 − β2, 1/root, eps, weight decay, shrink."""
    sign, size, rate1, beta2, rate2 = hyper[0], hyper[1], hyper[2], hyper[3], hyper[4]
    unroot, eps, decay, shrink = hyper[5], hyper[6], hyper[7], hyper[8]
    amsgrad = len(vmax) > 0
    for chunk in share(team, chunks):
        part = slice(chunk * BLOCK, min((chunk + 1) * BLOCK, len(p)))
        ps, gs, ms, vs, tops = p[part], g[part], m[part], v[part], vmax[part]
        for i in range(len(ps)):
            d = _descent(ps[i], gs[i], sign, decay)
            m1 = ms[i] + rate1 * (d - ms[i])
            v1 = beta2 * vs[i] + rate2 * d * d
            ms[i], vs[i] = m1, v1
            if amsgrad:
                v1 = v1 if v1 > tops[i] or v1 != v1 else tops[i]
                tops[i] = v1
            ps[i] = shrink * ps[i] - size * m1 / (np.sqrt(v1) * unroot + eps)


@kernel
def rmsprop(team, chunks, p, g, v, buf, mean, hyper):
    """hyper = sign of g, lr, α, 1 − α, eps, momentum, weight decay."""
    sign, lr, alpha, rate = hyper[0], hyper[1], hyper[2], hyper[3]
    eps, momentum, decay = hyper[4], hyper[5], hyper[6]
    heavy, centred = len(buf) > 0, len(mean) > 0
    for chunk in share(team, chunks):
        part = slice(chunk * BLOCK, min((chunk + 1) * BLOCK, len(p)))
        ps, gs, vs, bs, means = p[part], g[part], v[part], buf[part], mean[part]
        for i in range(len(ps)):
            d = _descent(ps[i], gs[i], sign, decay)
            v1 = alpha * vs[i] + rate * d * d
            vs[i] = v1
            if centred:
                c = means[i] + rate * (d - means[i])
                means[i] = c
                v1 -= c * c
            u = d / (np.sqrt(v1) + eps)
            if heavy:
                u += momentum * bs[i]
                bs[i] = u
            ps[i] -= lr * u


@kernel
def adagrad(team, chunks, p, g, total, hyper):
    """hyper = sign of g, step size, eps, weight decay."""
    sign, size, eps, decay = hyper[0], hyper[1], hyper[2], hyper[3]
    for chunk in share(team, chunks):
        part = slice(chunk * BLOCK, min((chunk + 1) * BLOCK, len(p)))
        ps, gs, totals = p[part], g[part], total[part]
        for i in range(len(ps)):
            d = _descent(ps[i], gs[i], sign, decay)
            t = totals[i] + d * d
            totals[i] = t
            ps[i] -= size * d / (np.sqrt(t) + eps)


@kernel
def adadelta(team, chunks, p, g, v, delta, hyper):
    """hyper = sign of g, lr, ρ, 1 − ρ, eps, weight decay."""
    sign, lr, rho, rate, eps, decay = hyper[0], hyper[1], hyper[2], hyper[3], hyper[4], hyper[5]
    for chunk in share(team, chunks):
        part = slice(chunk * BLOCK, min((chunk + 1) * BLOCK, len(p)))
        ps, gs, vs, deltas = p[part], g[part], v[part], delta[part]
        for i in range(len(ps)):
            d = _descent(ps[i], gs[i], sign, decay)
            v1 = rho * vs[i] + rate * d * d
            u = np.sqrt(deltas[i] + eps) / np.sqrt(v1 + eps) * d
            vs[i] = v1
            deltas[i] = rho * deltas[i] + rate * u * u
            ps[i] -= lr * u
