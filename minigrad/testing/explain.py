"""What a check found: findings, the guess at what is wrong, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "CheckError",
    "Finding",
    "GradcheckError",
    "KinkWarning",
    "Report",
    "guess",
    "kind_of",
    "wrong_gradient",
]


class GradcheckError(RuntimeError):
    """A gradient is not what central differences say it should be."""


class CheckError(GradcheckError, AssertionError):
    """An op breaks one of its promises; `report` has all that is known."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report


class KinkWarning(UserWarning):
    """Some elements lie where the function has no derivative; they were not counted."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `kind` is 'wrong rule', 'non-finite', 'non-deterministic', 'dtype', 'shape' or
    'mutated input'; from `check_op` also 'wrong value', 'precision', 'layout', 'broadcasting',
    'aliasing', 'memory' or 'error'.
    """

    kind: str
    message: str


@dataclass
class Report:
    """What a check found: `findings` are errors, `kinks` are elements that were left out."""

    name: str = "gradcheck"
    findings: list[Finding] = field(default_factory=list)
    kinks: list[str] = field(default_factory=list)
    checked: int = 0
    example: str = ""  # the smallest one that fails, as code

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def add(self, kind: str, message: str) -> None:
        """Note something that is wrong."""
        self.findings.append(Finding(kind, f"{self.name}: {kind}: {message}"))

    def __str__(self) -> str:
        lines = [f.message for f in self.findings]
        if self.kinks:
            lines.append(self.kink_message())
        if self.example:
            lines.append(f"The smallest example that shows it:\n\n{self.example}")
        return "\n".join(lines) or f"{self.name}: {self.checked} elements agree."

    def kink_message(self) -> str:
        """Which elements lie at a kink, and how to draw away from them."""
        more = f", and {len(self.kinks) - 3} more" if len(self.kinks) > 3 else ""
        return (
            f"{self.name}: not differentiable here, so not counted: {'; '.join(self.kinks[:3])}"
            f"{more}. Draw inputs away from it (minigrad.testing.strategies.arrays has away_from= "
            "and distinct=)."
        )


def kind_of(error: Exception) -> str:
    """Which promise a rule broke, given what the engine said about it."""
    for words, kind in [
        ("differentiated again", "wrong rule"),
        ("differentiate twice", "wrong rule"),
        ("has no gradient rule", "wrong rule"),
        ("change", "mutated input"),
        (" is nan ", "non-finite"),
        ("inf ", "non-finite"),
        ("must have its shape", "shape"),
        ("dtype", "dtype"),
    ]:
        if words in str(error):
            return kind
    return "error"


def wrong_gradient(
    label: str,
    x: np.ndarray,
    analytic: np.ndarray,
    numeric: np.ndarray,
    wrong: np.ndarray,
    others: Sequence[tuple[str, np.ndarray]],
    at_kinks: bool = False,
) -> str:
    """The message for one input; `numeric` is NaN where it was not measured."""
    measured = np.isfinite(numeric)
    count, total = int(wrong.sum()), int(measured.sum())
    off = np.where(wrong, np.abs(analytic - np.where(measured, numeric, 0)), -1.0)
    worst = np.argsort(-off, axis=None)[: min(count, 3)]
    lines = [f"{label} of shape {x.shape}: {count} of {total} compared elements differ."]
    for k in worst:
        at = tuple(int(i) for i in np.unravel_index(int(k), x.shape))
        a, n = float(analytic[at]), float(numeric[at])
        ratio = f"{a / n:.6g}" if n else "-"
        lines.append(
            f"  index {at}: yours {a:.9g}, numerical {n:.9g}, ratio {ratio}, at value {x[at]:.6g}"
        )
    said = guess(x, analytic, numeric, others)
    if said == UNKNOWN:
        said = _at_border(wrong) or said
    if at_kinks:
        said = f"at a kink or tie, yours lies outside of the slopes of its sides; {said}"
    lines.append(f"  Guess: {said}")
    if x.size <= 24:
        flat = np.array2string(x, precision=4, separator=", ").replace("\n", "\n  ")
        lines.append(f"  {label} is {flat}")
    return "\n".join(lines)


def guess(
    x: np.ndarray,
    analytic: np.ndarray,
    numeric: np.ndarray,
    others: Sequence[tuple[str, np.ndarray]] = (),
) -> str:
    """What kind of mistake would give `analytic` where `numeric` is right."""
    whole = bool(np.isfinite(numeric).all())
    a, n = analytic[np.isfinite(numeric)], numeric[np.isfinite(numeric)]
    if not np.isfinite(a).all():
        return "the rule divides by zero or overflows."
    if _same(a, 0 * n):
        return "the rule gives zero; a term, or the whole rule, is missing."
    factor = _factor(a, n)
    if factor is not None:
        return _say_factor(factor, x)
    if whole:
        said = _rearranged(analytic, numeric) or _by_value(x, analytic, numeric, others)
        if said:
            return said
    if a.size > 1 and _same(a - n, np.full_like(a, (a - n).mean())):
        return f"the same amount, {float((a - n).mean()):.6g}, is added everywhere."
    if _same(np.abs(a), np.abs(n)):
        return "only signs differ; look for an abs, a sign or a comparison turned round."
    if whole and (said := _along_one_dim(analytic - numeric, others)):
        return said
    return UNKNOWN


UNKNOWN = "a term is missing or wrong."


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    scale = max(float(np.abs(a).max(initial=0)), float(np.abs(b).max(initial=0)))
    return bool(np.allclose(a, b, rtol=1e-3, atol=1e-4 * scale + 1e-9))


def _factor(a: np.ndarray, n: np.ndarray) -> float | None:
    """c with a = c · n everywhere, if there is one."""
    size = float(n @ n)
    c = float(a @ n) / size if size else 0.0
    return c if c and _same(a, c * n) else None


def _say_factor(c: float, x: np.ndarray) -> str:
    if abs(c + 1) < 1e-3:
        return "the sign is flipped."
    about = f"the gradient is {c:.6g} times what it should be"
    for what, m in [
        ("elements", x.size),
        *[(f"elements of dim {d}", s) for d, s in enumerate(x.shape)],
    ]:
        if m > 1 and (abs(c - m) < 1e-3 * m or abs(c * m - 1) < 1e-3):
            return (
                f"{about}; {m} is the number of {what}: a mean taken for a sum, or broadcast "
                "gradients not summed."
            )
    return f"{about}: a factor is missing or doubled."


def _rearranged(a: np.ndarray, n: np.ndarray) -> str | None:
    for d in range(a.ndim):
        for e in range(d + 1, a.ndim):
            if a.shape[d] == a.shape[e] > 1 and _same(a, n.swapaxes(d, e)):
                return f"dims {d} and {e} are swapped."
    for d in range(a.ndim):
        if a.shape[d] > 1 and _same(a, np.flip(n, d)):
            return f"dim {d} is reversed."
        if a.shape[d] > 3:
            for shift in (1, -1):
                inner = [slice(None)] * a.ndim
                inner[d] = slice(1, -1)
                if _same(a[tuple(inner)], np.roll(n, shift, d)[tuple(inner)]):
                    return f"dim {d} is shifted by {shift}: off by one in padding, start or index."
        if a.shape[d] > 1 and _same(a, np.broadcast_to(n.sum(d, keepdims=True), n.shape)):
            return f"the gradient is summed over dim {d}."
        if a.shape[d] > 1 and _same(a, np.broadcast_to(n.mean(d, keepdims=True), n.shape)):
            return f"the gradient is averaged over dim {d}."
    if (said := _shifted_twice(a, n)) is not None:
        return said
    if a.size > 1 and _same(np.sort(a, None), np.sort(n, None)):
        return "the right numbers stand in the wrong places: a wrong permutation or index."
    return None


def _shifted_twice(a: np.ndarray, n: np.ndarray) -> str | None:
    """Height and width, both off by one."""
    if a.ndim < 2 or min(a.shape[-2:]) < 4:
        return None
    inner = (..., slice(1, -1), slice(1, -1))
    for shift in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        if _same(a[inner], np.roll(n, shift, (-2, -1))[inner]):
            return f"the last two dims are shifted by {shift}: off by one in padding."
    return None


def _by_value(
    x: np.ndarray, a: np.ndarray, n: np.ndarray, others: Sequence[tuple[str, np.ndarray]]
) -> str | None:
    for name, value in [("its own value", x), *others]:
        if value.shape != a.shape or a.size < 2:
            continue
        if _same(a * value, n):
            return f"a factor of {name} is missing."
        if _same(a, n * value):
            return f"a factor of {name} is too much."
    return None


def _along_one_dim(off: np.ndarray, others: Sequence[tuple[str, np.ndarray]]) -> str | None:
    """A difference that is constant along a dim, or is so when divided by an operand or output."""
    ones = ("", np.ones_like(off))
    with np.errstate(over="ignore"):
        exps = [(f"exp({name})", np.exp(v)) for name, v in others if name.startswith("output")]
    for name, value in [ones, *others, *exps]:
        if value.shape != off.shape or not np.abs(value).min(initial=1) > 1e-9:
            continue
        for d in range(off.ndim):
            part = off / value
            mean = np.broadcast_to(part.mean(d, keepdims=True), off.shape)
            if off.shape[d] > 1 and _same(part, mean):
                times = f", times {name}," if name else ""
                return f"a term that sums or averages over dim {d}{times} is missing or wrong."
    return None


def _at_border(wrong: np.ndarray) -> str | None:
    """Where only the first or last index along a dim is wrong, several times."""
    for d, size in enumerate(wrong.shape):
        inner = wrong.take(range(1, size - 1), d)
        if size > 2 and wrong.sum() > 1 and inner.size > 1 and not inner.any():
            return f"only the border of dim {d} is wrong: padding, or the last window."
    return None
