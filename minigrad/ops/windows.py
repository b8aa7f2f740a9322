"""Tensor.unfold: sliding windows along one dim, as a view. Of images, as columns: resample.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, op
from ..tensor import check_dim

__all__: list[str] = []


@op(name="unfold", method="unfold", view=True)
def windows(input: Array, dimension: int, size: int, step: int) -> Array:
    """Windows of `size` elements along a dim, `step` apart: a view.

    Returns
    -------
    (..., n, ..., size) with n = (length − size) // step + 1 in the dim's place.
    """
    a = input if input.ndim else input.reshape(1)
    d = check_dim("unfold", dimension, a.ndim)
    if size < 0 or size > a.shape[d] or step < 1:
        raise ShapeError(
            f"unfold: size must be at most the dim's length {a.shape[d]}, and step positive; got "
            f"size {size}, step {step}."
        )
    if not size:
        return np.empty((*a.shape[:d], a.shape[d] // step + 1, *a.shape[d + 1 :], 0), a.dtype)
    every = np.lib.stride_tricks.sliding_window_view(a, size, d, writeable=True)
    return every[(slice(None),) * d + (slice(None, None, step),)]


@op
def windows_grad(g: Array, shape: Any, dimension: int, size: int, step: int) -> Array:
    """Each element of the windows added where it came from."""
    out = np.zeros(shape or (1,), g.dtype)
    d = check_dim("unfold", dimension, out.ndim)
    n = g.shape[d]
    for k in range(size):
        out[(slice(None),) * d + (slice(k, k + step * (n - 1) + 1, step),)] += g[..., k]
    return out.reshape(shape)


windows.gradient(
    "input",
    lambda g, input_shape, dimension, size, step: windows_grad(
        g, input_shape, dimension, size, step
    ),
)
windows_grad.gradient("g", lambda g, dimension, size, step: windows(g, dimension, size, step))
