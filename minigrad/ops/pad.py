"""Padding: constants around a tensor, or copies of what is inside. Resizing is in resample.py.

Reflecting, replicating and wrapping only pick elements, along one dim after the other: `_pick`
picks, and its adjoint `_unpick` adds back to where it was picked from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels.index import scatter_add
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import MOST, shape_of, tensor_of

__all__ = ["pad"]

Widths = tuple[tuple[int, int], ...]  # (before, after) for each dim
Picks = tuple[Any, ...]  # for each dim the source of every element, or None for all in order


@op(name="constant_pad_nd")
def _constant_pad(input: Array, widths: Widths, value: float = 0) -> Array:
    """`value` around the input; negative widths crop."""
    shape = [n + a + b for n, (a, b) in zip(input.shape, widths)]
    inner = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, widths))
    kept = tuple(slice(max(-a, 0), n + min(b, 0)) for n, (a, b) in zip(input.shape, widths))
    y = np.full(shape, value, input.dtype) if value else np.zeros(shape, input.dtype)
    y[inner] = input[kept]
    return y


_constant_pad.gradient(
    "input", lambda g, widths: _constant_pad(g, tuple((-a, -b) for a, b in widths))
)


@op(name="pick")
def _pick(input: Array, picks: Picks) -> Array:
    """y[i, j, ...] = x[picks[0][i], picks[1][j], ...]."""
    for dim, idx in enumerate(picks):
        if idx is not None:
            input = input.take(np.asarray(idx), axis=dim)
    return input.copy() if all(idx is None for idx in picks) else input


@op(name="unpick")
def _unpick(input: Array, picks: Picks, shape: tuple[int, ...]) -> Array:
    """Adjoint of `_pick`: what was picked is added back to its source, in a tensor of `shape`."""
    for dim, idx in enumerate(picks):
        if idx is not None:
            source = np.ascontiguousarray(np.moveaxis(input, dim, 0))
            into = np.zeros((shape[dim], *source.shape[1:]), input.dtype)
            input = np.moveaxis(scatter_add(into, np.asarray(idx), source), 0, dim)
    return np.ascontiguousarray(input)


_pick.gradient("input", lambda g, picks, input_shape: _unpick(g, picks, input_shape))
_unpick.gradient("input", lambda g, picks: _pick(g, picks))

# Where element i of the padded dim comes from, for i counted from the first element of the input,
# of which elements lo to hi - 1 are not cropped.
_SOURCES = {
    "reflect": lambda i, n, lo, hi: np.where(i < 0, -i, np.where(i >= n, 2 * (n - 1) - i, i)),
    "replicate": lambda i, n, lo, hi: np.clip(i, 0, n - 1),
    "circular": lambda i, n, lo, hi: lo + (i - lo) % (hi - lo),
}


@composite
def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements before and after the trailing dims.

    Parameters
    ----------
    input : any shape
    pad : sequence of 2·k ints
        How many to add before and after, of the last dim first: (left, right, top, bottom, ...).
        Negative numbers crop.
    mode : {'constant', 'reflect', 'replicate', 'circular'}
        Fill with `value`; mirror at the edge element; repeat the edge element; wrap around. All
        but 'constant' pad one to three dims, and leave one or two leading dims alone.
    value : number
        For 'constant'; 0 unless given.

    Raises
    ------
    ValueError
        More widths than dims, an odd number of them, cropping below nothing, reflecting by the
        whole dim or more, wrapping around more than once.
    """
    x = tensor_of("pad", "input", input)
    shape = shape_of(x)
    widths = _widths(pad, shape)
    if mode == "constant":
        return _constant_pad(x, widths, 0 if value is None else value)
    if mode not in _SOURCES:
        modes = ", ".join(["constant", *_SOURCES])
        raise ShapeError(f"pad: mode must be one of {modes}; got mode {mode!r}.")
    if value:
        raise ShapeError(
            f"pad: only mode 'constant' takes a value; got mode {mode!r}, value {value}."
        )
    k = len(pad) // 2
    if k not in (1, 2, 3) or len(shape) not in (k + 1, k + 2):
        raise ShapeError(
            f"pad: mode {mode!r} pads the last k = 1, 2 or 3 dims of a tensor of k + 1 or k + 2 "
            f"dims; got {k} pairs, input {shape}. Add or merge leading dims."
        )
    if 0 in shape[len(shape) - k - 1 :]:
        raise ShapeError(f"pad: mode {mode!r}: only the batch may be empty; got input {shape}.")
    picks: list[Any] = [None] * len(shape)
    for dim in range(len(shape) - k, len(shape)):
        n, (a, b) = shape[dim], widths[dim]
        lo, hi = max(-a, 0), n - max(-b, 0)
        limit = {"reflect": n - 1, "circular": hi - lo}.get(mode, max(a, b))
        if max(a, b) > limit:
            raise ShapeError(
                f"pad: mode {mode!r} can add at most {limit} elements to each side of dim {dim} of "
                f"size {n}; got {(a, b)}."
            )
        if a or b:
            picks[dim] = _SOURCES[mode](np.arange(-a, n + b), n, lo, hi)
    return _pick(x, tuple(picks))


def _widths(pad: Any, shape: tuple[int, ...]) -> Widths:
    """Elements to add before and after each dim, the first dim first."""
    if not isinstance(pad, (tuple, list)) or any(
        isinstance(p, (bool, float)) or not hasattr(p, "__index__") for p in pad
    ):
        raise TypeError(f"pad: pad must be a sequence of ints; got pad {pad!r}.")
    if any(abs(p) > MOST for p in pad):
        raise ShapeError(f"pad: pad must be at most 2**40; got pad {pad!r}.")
    if len(pad) % 2 or len(pad) > 2 * len(shape):
        raise ShapeError(
            "pad: pad must hold a pair for each padded dim, the last dim first, and not more pairs "
            f"than the input has dims; got pad {tuple(pad)}, input {shape}."
        )
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    pairs += [(0, 0)] * (len(shape) - len(pairs))
    widths = tuple(reversed(pairs))
    for dim, (n, (a, b)) in enumerate(zip(shape, widths)):
        if n + a + b < 0 or n + min(a, 0) + min(b, 0) < 0:
            raise ShapeError(
                f"pad: negative widths must not crop more than dim {dim} holds; got {(a, b)} for "
                f"input {shape}."
            )
    return widths
