"""Softmax and its relatives along one dim. Cross-entropy is in cross_entropy.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import no_grad
from ..kernels import loss as kernels
from ..op import Array, composite, op
from ..random import default_generator
from ..tensor import Tensor, check_dim, wrap
from .arguments import tensor_of

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


def _along(kernel: Callable[..., Array], dim: int, *arrays: Array) -> Array:
    """Call a kernel for rows of matrices on arrays in which the rows lie along `dim`."""
    first = arrays[0]
    if first.ndim == 2 and dim == 1 and first.size:
        return kernel(*arrays)
    if not first.ndim:
        return kernel(*[a.reshape(1, 1) for a in arrays]).reshape(())
    moved = [np.moveaxis(a, dim, -1) for a in arrays]
    shape = moved[0].shape
    if not first.size:
        return first.copy()
    rows = [np.ascontiguousarray(m).reshape(-1, shape[-1]) for m in moved]
    y = kernel(*rows)
    return np.ascontiguousarray(np.moveaxis(y.reshape(shape), -1, dim))


@op(name="softmax")
def _softmax(input: Array, dim: int) -> Array:
    """`softmax` along a dim that was checked."""
    return _along(kernels.softmax, dim, input)


@op
def softmax_grad(grad: Array, output: Array, dim: int) -> Array:
    """Gradient of softmax from its output: y·(g − Σ_k g_k·y_k)."""
    return _along(kernels.softmax_grad, dim, grad, output)


_softmax.gradient("input", lambda g, y, dim: softmax_grad(g, y, dim))
softmax_grad.gradient("grad", lambda g, output, dim: softmax_grad(g, output, dim))


@softmax_grad.gradient("output")
def _softmax_grad_slope(g: Tensor, grad: Tensor, output: Tensor, dim: int) -> Tensor:
    return g * (grad - (grad * output).sum(dim, True)) - grad * (g * output).sum(dim, True)


@op(name="log_softmax")
def _log_softmax(input: Array, dim: int) -> Array:
    """`log_softmax` along a dim that was checked."""
    return _along(kernels.log_softmax, dim, input)


@op
def log_softmax_grad(grad: Array, output: Array, dim: int) -> Array:
    """Gradient of log_softmax from its output: g − exp(y)·Σ_k g_k."""
    return _along(kernels.log_softmax_grad, dim, grad, output)


_log_softmax.gradient("input", lambda g, y, dim: log_softmax_grad(g, y, dim))
log_softmax_grad.gradient("grad", lambda g, output, dim: g - (g * output.exp()).sum(dim, True))
log_softmax_grad.gradient(
    "output", lambda g, grad, output, dim: -g * output.exp() * grad.sum(dim, True)
)


@composite(method="softmax")
def softmax(
    input: Tensor, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3
) -> Tensor:
    """Probabilities along `dim` from scores.

        y_c = exp(x_c) / Σ_k exp(x_k)

    Parameters
    ----------
    input : any shape, float
    dim : int
        Along which the result adds up to 1.
    dtype : dtype
        Convert the input to this first.
    """
    x, d = _prepared("softmax", input, dim, dtype)
    return _softmax(x, d)


@composite(method="log_softmax")
def log_softmax(
    input: Tensor, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3
) -> Tensor:
    """Logarithm of `softmax`, exact where the probability is tiny.

        y_c = x_c − log Σ_k exp(x_k)

    Parameters
    ----------
    input : any shape, float
    dim : int
    dtype : dtype
        Convert the input to this first.
    """
    x, d = _prepared("log_softmax", input, dim, dtype)
    return _log_softmax(x, d)


@composite
def softmin(
    input: Tensor, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3
) -> Tensor:
    """`softmax` of the negative.

    Parameters
    ----------
    input : any shape, float
    dim : int
    dtype : dtype
        Convert the input to this first.
    """
    x, d = _prepared("softmin", input, dim, dtype)
    return _softmax(-x, d)


def _prepared(op: str, input: Any, dim: int | None, dtype: Any) -> tuple[Tensor, int]:
    x = tensor_of(op, "input", input)
    if dtype is not None:
        x = x.to(dtype)
    if x._data.dtype.kind != "f":
        raise TypeError(
            f"{op}: input must be floating; got dtype {x.dtype}. Use input.float(), or dtype=."
        )
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"{op}: the choice of dim {dim} for an input of {x.ndim} dims is implicit; say dim=.",
            UserWarning,
            stacklevel=4,
        )
    return x, check_dim(op, dim, x.ndim)


@composite
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A random choice along `dim` that gradients flow through (Jang et al. 2017).

        y = softmax((x + Gumbel noise) / tau)

    Parameters
    ----------
    logits : any shape, float
    tau : float
        Temperature: small values bring y close to one-hot.
    hard : bool
        Return one-hot vectors, with the gradient of y.
    eps : float
        Has no effect.
    """
    x = tensor_of("gumbel_softmax", "logits", logits)
    noise = default_generator.numpy().exponential(size=tuple(x.shape)).astype(x.dtype)
    y = softmax((x - wrap(np.log(noise))) / tau, dim)
    if not hard:
        return y
    with no_grad():
        best = y._data.argmax(dim)
        one = np.zeros(tuple(y.shape), y.dtype)
        np.put_along_axis(one, np.expand_dims(best, dim), 1, axis=dim)
    return wrap(one) - y.detach() + y
