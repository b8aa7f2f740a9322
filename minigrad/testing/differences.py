"""Finite differences of a function of Tensors, and what they look like at a kink.

Everything here works on one number, <v, f(x)> with a fixed cotangent v; f's value is also kept as a
vector, since at a kink each output has its own two slopes. No judgement of gradients lives here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["Kink", "Probe", "Slope", "floats_of"]


@dataclass(frozen=True)
class Slope:
    """A measured derivative, and how far rounding alone may have moved it.

    `bend` says how far the slopes of the two sides are apart, `size` how large those of the
    outputs are.
    """

    value: float
    rounding: float
    bend: float
    size: float


@dataclass(frozen=True)
class Kink:
    """The smallest and largest slope that the two sides of a point allow."""

    low: float
    high: float


def floats_of(result: Any) -> list[Tensor]:
    """The floating Tensors among what a function returned."""
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return [t for t in parts if isinstance(t, Tensor) and t._data.dtype.kind == "f"]


class Probe:
    """Evaluates `func` with one of its inputs moved, in the input's own memory."""

    def __init__(
        self, func: Callable[..., Any], inputs: Sequence[Any], cotangent: np.ndarray, eps: float
    ) -> None:
        self.func, self.inputs, self.v, self.eps = func, inputs, cotangent, eps
        self.here = self.value()

    def value(self) -> np.ndarray:
        """All floating outputs in one vector, in float64."""
        outs = floats_of(self.func(*self.inputs))
        parts = [t._data.astype(np.float64).ravel() for t in outs]
        return np.concatenate(parts) if parts else np.zeros(0)

    @contextmanager
    def _memory(self, t: Tensor) -> Iterator[np.ndarray]:
        """The buffer of `t`, writable; what is in it now is put back afterwards."""
        own = t._data
        if not own.flags.writeable or (own.size > 1 and 0 in own.strides):
            t._data = own.copy()
        saved = t._data.copy()
        try:
            yield t._data
        finally:
            t._data[...] = saved
            t._data = own

    def _at(self, a: np.ndarray, x: np.ndarray, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value at x + move, and the move as it was after rounding."""
        a[...] = x + move
        return self.value(), a - x

    def along(self, t: Tensor, direction: np.ndarray, scale: float = 1.0) -> Slope:
        """Central difference along `direction`, in steps of eps · max(1, |x|) · scale."""
        with self._memory(t) as a:
            x = a.copy()
            h = self.eps * scale
            move = h * direction * np.maximum(1.0, np.abs(x))
            up, right = self._at(a, x, move)
            down, left = self._at(a, x, -move)
        length = _ratio(right - left, 2 * move)
        eps = float(np.finfo(t._data.dtype).eps)
        rounding = 4 * eps * float(np.abs(self.v) @ (np.abs(up) + np.abs(down))) / (2 * h)
        weight = np.abs(self.v) / h
        bend = float(weight @ np.abs(up - 2 * self.here + down))
        size = float(weight @ np.abs(up - down)) / 2
        return Slope(float(self.v @ (up - down)) / (2 * h * length), rounding, bend, size)

    def coordinate(self, t: Tensor, k: int, scale: float = 1.0) -> Slope:
        """Central difference with respect to element `k` of `t` (row-major)."""
        unit = np.zeros(t._data.size)
        x = float(t._data.reshape(-1)[k])
        unit[k] = 1.0 / max(1.0, abs(x))  # so that `along` moves by eps · scale · max(1,|x|) · unit
        return self.along(t, unit.reshape(t._data.shape), scale * max(1.0, abs(x)))

    def sides(self, t: Tensor, k: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of every output to the right and to the left of element `k`."""
        with self._memory(t) as a:
            x = a.copy()
            unit = np.zeros(x.size)
            unit[k] = self.eps * scale * max(1.0, abs(float(x.reshape(-1)[k])))
            move = unit.reshape(x.shape)
            up, right = self._at(a, x, move)
            down, left = self._at(a, x, -move)
        return (up - self.here) / right.sum(), (down - self.here) / left.sum()

    def kink(self, t: Tensor, k: int, tolerance: float) -> Kink | None:
        """The range of slopes at element `k` if the function bends or jumps there, else None.

        Where a function is smooth, the two sides' slopes differ by step · curvature, which shrinks
        with the step; at a kink the difference stays, and at a jump it grows.
        """
        right, left = self.sides(t, k, 1.0)
        near_right, near_left = self.sides(t, k, 1.0 / 16)
        bend = float(np.abs(self.v) @ np.abs(right - left))
        near = float(np.abs(self.v) @ np.abs(near_right - near_left))
        if not near > max(tolerance, bend / 2):
            return None
        ends = np.stack([self.v * s for s in (right, left, near_right, near_left)])
        return Kink(float(ends.min(0).sum()), float(ends.max(0).sum()))


def _ratio(moved: np.ndarray, meant: np.ndarray) -> float:
    """How long the step came out after rounding, in units of what was meant."""
    size = float(np.vdot(meant, meant))
    return float(np.vdot(moved, meant)) / size if size else 1.0
