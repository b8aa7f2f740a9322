"""A network as a row of 3-D volumes, one per layer, to scale. Shapes come from `summary`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ._figure import INK, PALE, new_figure, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Volume", "volumes"]

COLOURS = {  # by the kind of layer that made the volume
    "input": "#c9d1d9", "conv": "#7aa6d6", "pool": "#f0b775", "linear": "#8cc3a0",
    "other": "#c3b3dd",
}
TALL, LONG = 1.7, 1.5  # inches of the highest and of the deepest volume, at most
SLANT = (0.5, 0.35)  # how far one unit of width goes right and up: the third dim of the drawing
MANY = 12  # volumes in a row, before those that look the same are drawn once
GAP, SMALL = 0.32, 7.5  # inches between volumes; points of the labels


@dataclass
class Volume:
    """What a layer puts out: `depth` maps of `height` × `width`. The next layer sees a `window`."""

    depth: int
    height: int
    width: int
    label: str = ""
    kind: str = "other"
    window: tuple[int, int] | None = None


def volumes(
    model: Any, input_size: Sequence[int] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the network as volumes in a row: height up, width into the page, depth to the right.

    Heights and widths share one scale, depths another, both written below. Layers that leave the
    shape alone (normalisation, activation) are named above the volume they work on; `Flatten` and
    `Dropout` are not drawn. Of more than 12 volumes, equal ones that follow each other are drawn
    once ("6× Conv"). The small box in a volume is what one output of the next layer sees.

    Parameters
    ----------
    model : Module, or iterable of Volume
        The network; or the volumes themselves, and then no `input_size`.
    input_size : (C, H, W) or (N, C, H, W) ints
        What the model takes, as for `minigrad.summary`.
    ax : Axes
        Where to draw. Default: a new Figure as wide as the row needs.

    Examples
    --------
    >>> from minigrad.viz import Volume, volumes
    >>> image = Volume(1, 28, 28, "image", "input", window=(5, 5))
    >>> ax = volumes([image, Volume(6, 24, 24, "Conv 5×5", "conv")])
    >>> ax.figure.savefig("net.png")  # doctest: +SKIP
    """
    row = list(model) if input_size is None else _volumes_of(model, input_size)
    if input_size is not None and len(row) > MANY:
        row = _together(row)
    if not row:
        raise ValueError("volumes: there is nothing to draw; got no volume.")
    side = max(max(v.height, v.width) for v in row)
    deep = max(v.depth for v in row)
    u, d = TALL / side, min(LONG / deep, TALL / side)  # inches per pixel, per channel

    boxes = [_size(v, u, d) for v in row]
    captions = [f"{v.depth}×{v.height}×{v.width}" for v in row]
    places, x = [], 0.15
    for v, (w, _, s, _), caption in zip(row, boxes, captions):
        need = max(w + s, text_width(caption, SMALL), text_width(v.label, SMALL)) + GAP
        places.append(x + (need - GAP - w - s) / 2)
        x += need
    lines = max(v.label.count("\n") + 1 for v in row)
    top = max(h + t for _, h, _, t in boxes)
    bottom, ceiling = -0.55, top + 0.15 + 0.13 * lines
    if ax is None:
        figure = new_figure(x, ceiling - bottom)
        figure.set_layout_engine("none")
        ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, x)
    ax.set_ylim(bottom, ceiling)
    ax.set_aspect("equal")
    ax.set_axis_off()

    middle = top / 2  # centres of all volumes lie on one line
    for i, (v, (w, h, s, t), left) in enumerate(zip(row, boxes, places)):
        low = middle - (h + t) / 2
        _box(ax, left, low, w, h, s, t, COLOURS.get(v.kind, COLOURS["other"]))
        centre = left + (w + s) / 2
        style: Any = {"size": SMALL, "color": INK, "ha": "center"}
        ax.text(centre, low + h + t + 0.06, v.label, va="bottom", **style)
        ax.text(centre, low - 0.06, captions[i], va="top", **style)
        if v.window is not None and i + 1 < len(row):
            _, h2, s2, t2 = boxes[i + 1]
            tip = (places[i + 1] + 0.35 * s2, middle + 0.1 * (h2 + t2))
            _sight(ax, v, left, low, (w, h, s, t), u, tip)
    _scale(ax, bottom, u, d, side, deep)
    return ax


def _size(v: Volume, u: float, d: float) -> tuple[float, float, float, float]:
    """Inches: depth to the right, height up, and how far the width goes right and up."""
    thin = 0.02  # what is one channel or pixel is still seen
    return (max(v.depth * d, thin), max(v.height * u, thin),
            max(v.width * u, thin) * SLANT[0], max(v.width * u, thin) * SLANT[1])


def _box(
    ax: Axes, x: float, y: float, w: float, h: float, s: float, t: float, colour: str
) -> None:
    """Front (depth by height), top, and the side that shows a map (width by height)."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    r, g, b = to_rgb(colour)
    front = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    lid = [(x, y + h), (x + w, y + h), (x + w + s, y + h + t), (x + s, y + h + t)]
    side = [(x + w, y), (x + w + s, y + t), (x + w + s, y + h + t), (x + w, y + h)]
    for points, shade in ((front, 0.92), (lid, 1.0), (side, 0.8)):
        ax.add_patch(Polygon(points, closed=True, fc=(r * shade, g * shade, b * shade), ec="white",
                             lw=0.6, joinstyle="round"))


def _sight(
    ax: Axes, v: Volume, x: float, y: float, box: tuple[float, float, float, float], u: float,
    tip: tuple[float, float],
) -> None:
    """The window of the next layer on the visible map of `v`, and lines to the value it makes."""
    from matplotlib.patches import Polygon

    assert v.window is not None
    w, h, s, t = box
    kh, kw = min(v.window[0], v.height) / v.height, min(v.window[1], v.width) / v.width
    a, b = (1 - kw) * 0.6, (1 - kh) * 0.55  # where on the map, in parts of its width and height
    corners = [
        (x + w + s * p, y + h * q + t * p)
        for p, q in ((a, b), (a + kw, b), (a + kw, b + kh), (a, b + kh))
    ]
    ax.add_patch(Polygon(corners, closed=True, fc="white", ec=INK, lw=0.7, alpha=0.75, zorder=3))
    for corner in corners[1:3]:
        ax.plot(*zip(corner, tip), color=INK, lw=0.5, alpha=0.6, zorder=3)
    ax.plot(*tip, marker="o", ms=1.8, color=INK, zorder=3)


def _scale(ax: Axes, y: float, u: float, d: float, side: int, deep: int) -> None:
    """Two bars: so long are so many pixels of height, and so many channels of depth."""
    x = 0.15
    for unit, inches, most in (("pixels high and wide", u, side), ("channels deep", d, deep)):
        n = max(1, 2 ** int(max(most // 4, 1)).bit_length() // 2)
        ax.plot([x, x + n * inches], [y + 0.14] * 2, color=PALE, lw=1.4, solid_capstyle="butt")
        text = f"{n} {unit if n > 1 else unit.replace('s ', ' ', 1)}"
        ax.text(x + n * inches + 0.05, y + 0.14, text, size=6.5, color=PALE, va="center")
        x += n * inches + text_width(text, 6.5) + 0.35


# from a model ------------------------------------------------------------------------------------


def _kind(name: str) -> str:
    for kind in ("conv", "pool", "linear"):
        if kind in name.lower():
            return kind
    return "other"


def _volumes_of(model: Any, input_size: Sequence[int]) -> list[Volume]:
    """One Volume per layer of `minigrad.summary` that changes the shape or convolves."""
    from ..summary import summary

    modules = dict(model.named_modules())
    return _merge(
        (row.type, modules[row.name], row.input_shape, row.output_shape)
        for row in summary(model, tuple(input_size)).rows
        if row.is_layer and row.input_shape is not None and row.output_shape is not None
    )


def _merge(layers: Iterable[tuple[str, Any, tuple[int, ...], tuple[int, ...]]]) -> list[Volume]:
    """Volumes of (type, layer, shape in, shape out), without the batch's dim."""
    row: list[Volume] = []
    for name, layer, before, after in layers:
        if not row:
            row.append(Volume(*_chw(before), "image" if len(before) == 3 else "input", "input"))
        if name in ("Flatten", "Unflatten", "Identity", "Dropout"):
            continue
        kind = _kind(name)
        window = getattr(layer, "kernel_size", None)
        short = name.removesuffix("2d").removesuffix("1d").removeprefix("Adaptive")
        last = row[-1]
        if kind == "other" and _chw(after) == (last.depth, last.height, last.width):
            if last.kind != "input":
                last.label += "\n" + short
            continue
        if isinstance(window, int):
            window = (window, window)
        if kind in ("conv", "pool") and window is not None and len(window) == 2:
            last.window = (int(window[0]), int(window[1]))
            short += f" {window[0]}×{window[1]}"
        row.append(Volume(*_chw(after), short, kind))
    return row


def _together(row: list[Volume]) -> list[Volume]:
    """Runs of volumes of one shape, made by one kind of layer, as one."""
    def looks(v: Volume) -> tuple[Any, ...]:
        return v.kind, v.depth, v.height, v.width, v.label.split("\n")[0]

    runs = [list(run) for _, run in groupby(row, key=looks)]
    for run in runs:
        run[0].window = run[-1].window
        if len(run) > 1:
            run[0].label = f"{len(run)}× {run[0].label}"
    return [run[0] for run in runs]


def _chw(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Depth, height and width of an image, a sequence or a vector."""
    full = (*shape, 1, 1)[:3] if len(shape) < 3 else shape[-3:]
    return (int(full[0]), int(full[1]), int(full[2]))
