"""Optimiser updates, in place and in one pass over memory; no Tensor and no user checks live here.

The arrays of a call have one dtype and shape; `param` and the state arrays are changed, `grad` is
not. The formulas, and where eps stands in them, are PyTorch's. Arrays that are not C-contiguous are
updated too, by the references.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import updates
from minigrad.kernels.jit import Kernel, dense, use_jit

Array = NDArray[np.floating]

__all__ = ["adadelta", "adagrad", "adam", "rmsprop", "sgd"]


def sgd(
    param: Array,
    grad: Array,
    buf: Array | None,
    first: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """Stochastic gradient descent; `buf` is None without momentum, `first` starts buf at grad.

    d = ±grad + λ·p;  buf = μ·buf + (1 − dampening)·d;  p −= lr·(buf, or d + μ·buf with nesterov)
    """
    if not _fast(param, grad, buf):
        sgd_reference(
            param, grad, buf, first, lr, momentum, dampening, weight_decay, nesterov, maximize
        )
        return
    hyper = (-1.0 if maximize else 1.0, lr, momentum, 1 - dampening, weight_decay)
    _run(updates.sgd, (param, grad, buf), (bool(first), bool(nesterov)), hyper)


def adam(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    vmax: Array | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Adam, or AdamW with `decoupled` weight decay; AMSGrad where `vmax` is given; step from 1.

    m += (1−β1)·(d − m);  v = β2·v + (1−β2)·d²;
    p −= lr/(1−β1^t) · m / (sqrt(v)/sqrt(1−β2^t) + eps)
    """
    if not _fast(param, grad, m, v, vmax):
        adam_reference(
            param, grad, m, v, vmax, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
        )
        return
    size, unroot = lr / (1 - beta1**step), (1 - beta2**step) ** -0.5
    decay, shrink = (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    sign = -1.0 if maximize else 1.0
    hyper = (sign, size, 1 - beta1, beta2, 1 - beta2, unroot, eps, decay, shrink)
    _run(updates.adam, (param, grad, m, v, vmax), (), hyper)


def rmsprop(
    param: Array,
    grad: Array,
    v: Array,
    buf: Array | None,
    mean: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """RMSprop; with momentum where `buf` is given, centred where `mean` is given.

    v = α·v + (1−α)·d²;  mean += (1−α)·(d − mean);  u = d / (sqrt(v − mean²) + eps);
    buf = μ·buf + u;  p −= lr·buf
    """
    if not _fast(param, grad, v, buf, mean):
        rmsprop_reference(
            param, grad, v, buf, mean, lr, alpha, eps, momentum, weight_decay, maximize
        )
        return
    hyper = (-1.0 if maximize else 1.0, lr, alpha, 1 - alpha, eps, momentum, weight_decay)
    _run(updates.rmsprop, (param, grad, v, buf, mean), (), hyper)


def adagrad(
    param: Array,
    grad: Array,
    total: Array,
    step: int,
    lr: float,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Adagrad; step t counts from 1.

    total += d²;  p −= lr/(1 + (t−1)·lr_decay) · d / (sqrt(total) + eps)
    """
    if not _fast(param, grad, total):
        adagrad_reference(param, grad, total, step, lr, lr_decay, eps, weight_decay, maximize)
        return
    size = lr / (1 + (step - 1) * lr_decay)
    hyper = (-1.0 if maximize else 1.0, size, eps, weight_decay)
    _run(updates.adagrad, (param, grad, total), (), hyper)


def adadelta(
    param: Array,
    grad: Array,
    v: Array,
    delta: Array,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Adadelta.

    v = ρ·v + (1−ρ)·d²;  u = sqrt(delta + eps)/sqrt(v + eps)·d;
    delta = ρ·delta + (1−ρ)·u²;  p −= lr·u
    """
    if not _fast(param, grad, v, delta):
        adadelta_reference(param, grad, v, delta, lr, rho, eps, weight_decay, maximize)
        return
    hyper = (-1.0 if maximize else 1.0, lr, rho, 1 - rho, eps, weight_decay)
    _run(updates.adadelta, (param, grad, v, delta), (), hyper)


def _fast(param: Array, *others: Array | None) -> bool:
    """Whether the compiled loop may write these arrays; a read-only one must fail in NumPy."""
    for a in (param, *others[1:]):
        if a is not None and not a.flags.carray:
            return False
    return use_jit(param, *others)


def _run(
    update: Kernel,
    arrays: tuple[Any, ...],  # param, grad, then states or None
    flags: tuple[bool, ...],
    hyper: tuple[float, ...],
) -> None:
    param = arrays[0]
    flat = [np.empty(0, param.dtype) if a is None else dense(a).reshape(-1) for a in arrays]
    values = np.array(hyper, param.dtype)
    blocks = -(-param.size // updates.BLOCK)
    update.run(blocks, 0.3 * param.size, *flat, *flags, values)


def _descent(param: Array, grad: Array, weight_decay: float, maximize: bool) -> Array:
    d = -grad if maximize else grad
    return d + weight_decay * param if weight_decay else d


def sgd_reference(
    param: Array,
    grad: Array,
    buf: Array | None,
    first: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """`sgd` in NumPy."""
    d = _descent(param, grad, weight_decay, maximize)
    if buf is not None:
        if first:
            buf[...] = d
        else:
            buf *= momentum
            buf += (1 - dampening) * d
        d = d + momentum * buf if nesterov else buf
    param -= lr * d


def adam_reference(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    vmax: Array | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """`adam` in NumPy."""
    d = _descent(param, grad, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        param *= 1 - lr * weight_decay
    m += (1 - beta1) * (d - m)
    v *= beta2
    v += (1 - beta2) * d * d
    if vmax is not None:
        np.maximum(vmax, v, out=vmax)
        v = vmax
    step_size = lr / (1 - beta1**step)
    root = (1 - beta2**step) ** 0.5
    param -= step_size * m / (np.sqrt(v) / root + eps)


def rmsprop_reference(
    param: Array,
    grad: Array,
    v: Array,
    buf: Array | None,
    mean: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """`rmsprop` in NumPy."""
    d = _descent(param, grad, weight_decay, maximize)
    v *= alpha
    v += (1 - alpha) * d * d
    spread = v
    if mean is not None:
        mean += (1 - alpha) * (d - mean)
        spread = v - mean * mean
    u = d / (np.sqrt(spread) + eps)
    if buf is not None:
        buf *= momentum
        buf += u
        u = buf
    param -= lr * u


def adagrad_reference(
    param: Array,
    grad: Array,
    total: Array,
    step: int,
    lr: float,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """`adagrad` in NumPy."""
    d = _descent(param, grad, weight_decay, maximize)
    total += d * d
    param -= lr / (1 + (step - 1) * lr_decay) * d / (np.sqrt(total) + eps)


def adadelta_reference(
    param: Array,
    grad: Array,
    v: Array,
    delta: Array,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """`adadelta` in NumPy."""
    d = _descent(param, grad, weight_decay, maximize)
    v *= rho
    v += (1 - rho) * d * d
    u = np.sqrt(delta + eps) / np.sqrt(v + eps) * d
    delta *= rho
    delta += (1 - rho) * u * u
    param -= lr * u
