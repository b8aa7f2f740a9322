"""One input's analytic gradient against its differences: element by element, or by halving."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor
from .differences import Probe, Slope
from .explain import Report

__all__ = ["EVERY", "Comparison"]

EVERY = 256  # inputs with more elements are checked along random directions
DIRECTIONS = 3
MOST = 8  # wrong elements after which a search stops


class Comparison:
    """Analytic against numeric gradient of one input."""

    def __init__(
        self,
        probe: Probe,
        t: Tensor,
        analytic: np.ndarray,
        atol: float,
        rtol: float,
        report: Report,
        label: str,
    ) -> None:
        self.probe, self.t, self.analytic, self.report, self.label = (
            probe,
            t,
            analytic,
            report,
            label,
        )
        self.atol, self.rtol = atol, rtol
        self.numeric = np.full(t._data.shape, np.nan)
        self.wrong = np.zeros(t._data.shape, bool)
        self.bent = np.zeros(t._data.shape, bool)  # wrong, and at a kink
        self.left_out = np.zeros(t._data.shape, bool)
        self.spans: list[float] = []  # how exactly each kink was measured
        self.rng = np.random.default_rng(2)

    def every(self) -> None:
        """Compare element by element."""
        for k in range(self.t._data.size):
            self.element(k)
        self.ties()

    def ties(self) -> None:
        """Move equal elements at kinks together: a tie stays one, and the function is smooth.

        So the largest of two equal numbers has slopes 0 and 1 in each, but 1 in both together.
        """
        x, flat = self.t._data.reshape(-1), self.left_out.reshape(-1)
        for value in np.unique(x[flat]):
            group = np.flatnonzero(flat & (x == value))
            if len(group) < 2:
                continue
            u = np.zeros(x.size)
            u[group] = 1.0 / max(1.0, abs(float(value)))
            slope = self.probe.along(self.t, u.reshape(self.t._data.shape))
            a = float(self.analytic.reshape(-1)[group].sum())
            if not self._bends(slope) and abs(a - slope.value) > sum(self.spans):
                self.wrong.reshape(-1)[group] = self.bent.reshape(-1)[group] = True
                self.numeric.reshape(-1)[group] = slope.value / len(group)

    def fill(self) -> None:
        """Measure the elements that a search skipped, for the guess, if they are few."""
        if self.t._data.size <= EVERY:
            for k in np.flatnonzero(np.isnan(self.numeric)):
                self.element(int(k))

    def element(self, k: int) -> None:
        """Compare one element; on disagreement look closer before calling it wrong."""
        self.report.checked += 1
        a = float(self.analytic.reshape(-1)[k])
        slope = self.probe.coordinate(self.t, k)
        self.numeric.reshape(-1)[k] = slope.value
        agree = self._agree(a, slope.value, slope.rounding)
        if agree and not self._bends(slope):
            return
        at = tuple(int(i) for i in np.unravel_index(k, self.t._data.shape))
        # A kink or a sharp bend that is only close by leaves a smaller step alone.
        for scale in () if agree else (1 / 16, 1 / 256):
            near = self.probe.coordinate(self.t, k, scale)
            told = 10 * near.rounding < abs(a - slope.value)
            if told and self._agree(a, near.value, near.rounding):
                self.numeric.reshape(-1)[k] = near.value
                return
        margin = self.atol + self.rtol * abs(a) + 100 * slope.rounding
        kink = self.probe.kink(self.t, k, margin)
        if kink is not None and kink.low - margin <= a <= kink.high + margin:
            self.left_out.reshape(-1)[k] = True
            self.spans.append(margin)
            self.numeric.reshape(-1)[k] = np.nan
            self.report.kinks.append(
                f"{self.label} index {at} "
                f"at {float(self.t._data[at]):.6g} (slopes {kink.low:.4g} to {kink.high:.4g}, "
                f"yours {a:.4g})"
            )
            return
        self.wrong.reshape(-1)[k] = not agree
        self.bent.reshape(-1)[k] = kink is not None

    def _agree(self, a: float, n: float, rounding: float) -> bool:
        return abs(a - n) <= self.atol + self.rtol * abs(n) + rounding

    def _bends(self, slope: Slope) -> bool:
        """Whether the two sides differ by more than a smooth function's do in so small a step."""
        return slope.bend > self.atol + 0.01 * slope.size + 100 * slope.rounding

    def search(self) -> None:
        """Compare along random directions, and halve where they disagree."""
        size = self.t._data.size
        if size:
            for _ in range(DIRECTIONS):
                self._halve(np.flatnonzero(~self.left_out), MOST)

    def _halve(self, indices: np.ndarray, most: int) -> None:
        if self.wrong.sum() >= most or self.left_out.sum() >= 8 * most or not indices.size:
            return
        if indices.size == 1:
            self.element(int(indices[0]))
        elif not self._along(indices):
            half = indices.size // 2
            self._halve(indices[:half], most)
            self._halve(indices[half:], most)

    def _along(self, indices: np.ndarray) -> bool:
        """Whether gradient and difference agree along a random direction of these elements."""
        shape = self.t._data.shape
        u = np.zeros(self.t._data.size)
        u[indices] = self.rng.uniform(0.5, 1.5, indices.size) * self.rng.choice(
            [-1, 1], indices.size
        )
        slope = self.probe.along(self.t, u.reshape(shape))
        parts = self.analytic.reshape(-1) * u * np.maximum(1.0, np.abs(self.t._data.reshape(-1)))
        self.report.checked += int(indices.size)
        allowed = self.atol + self.rtol * float(np.sqrt(parts @ parts)) + slope.rounding
        return abs(float(parts.sum()) - slope.value) <= allowed and not self._bends(slope)
