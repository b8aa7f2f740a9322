"""Where pictures are drawn: new Axes and Figures without pyplot, arrays from what users hand in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "PALE", "as_array", "new_axes", "new_figure", "text_width"]

INK, PALE = "#22303c", "#8a97a3"  # text; lines and text of second rank


def new_figure(width: float, height: float) -> Figure:
    """An empty Figure of this size in inches, registered nowhere."""
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise ImportError(
            'viz: pictures are drawn by matplotlib, which is not installed. Run `pip install '
            '"minigrad[viz]"`.'
        ) from e
    return Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or the only Axes of a new Figure of this size in inches."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def as_array(what: str, value: Any) -> np.ndarray:
    """The numbers of a Tensor (with or without a graph) or of anything NumPy takes."""
    array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{what}: expected a Tensor or an array of numbers; got {type(value).__name__}."
        )
    return array


def text_width(text: str, size: float) -> float:
    """Width of the widest line of `text` at `size` points, in inches."""
    from matplotlib.textpath import TextPath

    lines = [line for line in text.split("\n") if line.strip()]
    points = [TextPath((0, 0), s, size=size).get_extents().width for s in lines]
    return max(points, default=0.0) / 72
