"""Curves of a run: loss and accuracy over epochs. The training script measures them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._figure import INK, PALE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["training_curves"]

COLOURS = {"train": "#4878a8", "test": "#d1603d"}


def training_curves(
    history: str | Path | Iterable[Mapping[str, Any]], figure: Figure | None = None
) -> Figure:
    """Loss and accuracy of a run, side by side.

    Parameters
    ----------
    history : path or iterable of mappings
        A file of JSON lines, or its rows. Each row has `epoch` (fractions are welcome) and any of
        `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy` (in [0, 1]). A row may hold
        only some of them; values that are missing or None are passed over.
    figure : Figure
        Where to draw. Default: a new one.

    Returns
    -------
    Figure with two Axes.

    Raises
    ------
    ValueError
        A line is not JSON, or no row holds anything to draw.
    """
    rows = list(_rows(history))
    figure = new_figure(9, 3.6) if figure is None else figure
    left, right = figure.subplots(1, 2)
    drawn = _panel(left, rows, "loss", 1.0) + _panel(right, rows, "accuracy", 100.0)
    if not drawn:
        raise ValueError(
            "training_curves: no row holds an epoch and a loss or accuracy; got "
            f"{len(rows)} rows. "
            'Rows look like {"epoch": 1, "train_loss": 0.5, "test_accuracy": 0.8}.'
        )
    left.set_ylabel("loss")
    left.set_ylim(bottom=0)
    right.set_ylabel("accuracy, %")
    return figure


def _rows(history: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(history, (str, Path)):
        return history
    rows = []
    with open(history, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as e:
                raise ValueError(
                    f"training_curves: {history}, line {number} is not JSON: {e}."
                ) from None
    return rows


def _panel(ax: Axes, rows: list[Mapping[str, Any]], what: str, scale: float) -> int:
    """Draw `train_<what>` and `test_<what>`; returns how many of the two there were."""
    drawn = 0
    last = 0.0
    for part, colour in COLOURS.items():
        key = f"{part}_{what}"
        points = [
            (r["epoch"], r[key] * scale)
            for r in rows if r.get(key) is not None and "epoch" in r
        ]
        if not points:
            continue
        drawn += 1
        x, y = zip(*points)
        last = max(last, *x)
        few = len(x) <= 30
        ax.plot(x, y, color=colour, lw=1.6, marker="o" if few else None, ms=3.5, label=part)
        if part == "test":
            number = f"{y[-1]:.1f} %" if scale == 100.0 else f"{y[-1]:.3f}"
            ax.annotate(number, (x[-1], y[-1]), (5, 0), textcoords="offset points", color=colour,
                        va="center", size=9)
    ax.set_xlabel("epoch", color=INK)
    ax.set_xlim(0, last * 1.13 or 1)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(True, color="#e6eaee", lw=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(PALE)
    if drawn:
        where = "lower right" if what == "accuracy" else "upper right"
        ax.legend(frameon=False, labelcolor=INK, loc=where)
    return drawn
