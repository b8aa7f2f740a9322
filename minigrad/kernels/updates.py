"""The compiled loops of optimisers: every element is read and written once. No policy here.

A chunk is BLOCK elements. An absent state array is passed as one of no elements.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import helper, kernel

__all__ = ["BLOCK", "adadelta", "adagrad", "adam", "rmsprop", "sgd"]

BLOCK = 16384


@helper
def _scalars(p, values):
    """The hyperparameters in the dtype of the parameters, so that the loop stays in it."""
    out = np.empty(len(values), p.dtype)
    for i in range(len(values)):
        out[i] = values[i]
    return out


@helper
def _descent(p, g, sign, decay):
    d = sign * g
    return d + decay * p if decay != 0 else d  # 0 · inf must not make NaN


@kernel
def sgd(start, stop, p, g, buf, first, nesterov, hyper):
    """hyper = sign of g, lr, momentum, 1 − dampening, weight decay."""
    h = _scalars(p, hyper)
    sign, lr, momentum, rate, decay = h[0], h[1], h[2], h[3], h[4]
    lo, hi = start * BLOCK, min(stop * BLOCK, len(p))
    p, g = p[lo:hi], g[lo:hi]
    if len(buf) == 0:
        for i in range(len(p)):
            p[i] -= lr * _descent(p[i], g[i], sign, decay)
        return
    buf = buf[lo:hi]
    for i in range(len(p)):
        d = _descent(p[i], g[i], sign, decay)
        b = d if first else momentum * buf[i] + rate * d
        buf[i] = b
        p[i] -= lr * (d + momentum * b if nesterov else b)


@kernel
def adam(start, stop, p, g, m, v, vmax, hyper):
    """hyper = sign of g, step size, 1 − β1, β2, 1 − β2, 1/root, eps, weight decay, shrink."""
    h = _scalars(p, hyper)
    sign, size, rate1, beta2, rate2 = h[0], h[1], h[2], h[3], h[4]
    unroot, eps, decay, shrink = h[5], h[6], h[7], h[8]
    lo, hi = start * BLOCK, min(stop * BLOCK, len(p))
    amsgrad = len(vmax) > 0
    p, g, m, v, vmax = p[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi], vmax[lo:hi]
    for i in range(len(p)):
        d = _descent(p[i], g[i], sign, decay)
        m1 = m[i] + rate1 * (d - m[i])
        v1 = beta2 * v[i] + rate2 * d * d
        m[i], v[i] = m1, v1
        if amsgrad:
            v1 = v1 if v1 > vmax[i] or v1 != v1 else vmax[i]
            vmax[i] = v1
        p[i] = shrink * p[i] - size * m1 / (np.sqrt(v1) * unroot + eps)


@kernel
def rmsprop(start, stop, p, g, v, buf, mean, hyper):
    """hyper = sign of g, lr, α, 1 − α, eps, momentum, weight decay."""
    h = _scalars(p, hyper)
    sign, lr, alpha, rate, eps, momentum, decay = h[0], h[1], h[2], h[3], h[4], h[5], h[6]
    lo, hi = start * BLOCK, min(stop * BLOCK, len(p))
    heavy, centred = len(buf) > 0, len(mean) > 0
    p, g, v, buf, mean = p[lo:hi], g[lo:hi], v[lo:hi], buf[lo:hi], mean[lo:hi]
    for i in range(len(p)):
        d = _descent(p[i], g[i], sign, decay)
        v1 = alpha * v[i] + rate * d * d
        v[i] = v1
        if centred:
            c = mean[i] + rate * (d - mean[i])
            mean[i] = c
            v1 -= c * c
        u = d / (np.sqrt(v1) + eps)
        if heavy:
            u += momentum * buf[i]
            buf[i] = u
        p[i] -= lr * u


@kernel
def adagrad(start, stop, p, g, total, hyper):
    """hyper = sign of g, step size, eps, weight decay."""
    h = _scalars(p, hyper)
    sign, size, eps, decay = h[0], h[1], h[2], h[3]
    lo, hi = start * BLOCK, min(stop * BLOCK, len(p))
    p, g, total = p[lo:hi], g[lo:hi], total[lo:hi]
    for i in range(len(p)):
        d = _descent(p[i], g[i], sign, decay)
        t = total[i] + d * d
        total[i] = t
        p[i] -= size * d / (np.sqrt(t) + eps)


@kernel
def adadelta(start, stop, p, g, v, delta, hyper):
    """hyper = sign of g, lr, ρ, 1 − ρ, eps, weight decay."""
    h = _scalars(p, hyper)
    sign, lr, rho, rate, eps, decay = h[0], h[1], h[2], h[3], h[4], h[5]
    lo, hi = start * BLOCK, min(stop * BLOCK, len(p))
    p, g, v, delta = p[lo:hi], g[lo:hi], v[lo:hi], delta[lo:hi]
    for i in range(len(p)):
        d = _descent(p[i], g[i], sign, decay)
        v1 = rho * v[i] + rate * d * d
        u = np.sqrt(delta[i] + eps) / np.sqrt(v1 + eps) * d
        v[i] = v1
        delta[i] = rho * delta[i] + rate * u * u
        p[i] -= lr * u
