"""Arrays as pictures: filters, the activations of an image, confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import no_grad
from ..errors import ShapeError
from ..tensor import Tensor, wrap
from ._figure import INK, PALE, as_array, new_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix", "feature_maps", "filters"]


def filters(weight: Any, ax: Axes | None = None, columns: int | None = None) -> Axes:
    """The filters of a convolution, as small images.

    Filters over 3 channels are shown in colour, grey standing for 0; all others one image per
    channel, a row per filter, red positive and blue negative. All share one scale.

    Parameters
    ----------
    weight : (F, C, KH, KW) float, or a layer with such a `weight`
        What to show.
    ax : Axes
        Where to draw. Default: a new Figure.
    columns : int
        Images in a row, for C = 1 and C = 3. Default: a grid about twice as wide as high.

    Raises
    ------
    ShapeError
        `weight` does not have four dims, or holds nothing.
    """
    w = as_array("filters", getattr(weight, "weight", weight)).astype(np.float64)
    if w.ndim != 4 or not w.size:
        raise ShapeError(
            f"filters: weight must be (F, C, KH, KW) and hold a filter; got shape {w.shape}. Hand "
            "in a Conv2d or its weight."
        )
    F, C = w.shape[:2]
    peak = float(np.abs(w[np.isfinite(w)]).max(initial=0.0)) or 1.0
    colour = (w.transpose(0, 2, 3, 1) / peak + 1) / 2 if C == 3 else None
    tiles = w.reshape(F * C, *w.shape[2:]) if colour is None else colour
    wide = C if C not in (1, 3) else columns or _columns(F)
    picture = _mosaic(tiles, wide)
    rows = -(-len(tiles) // wide)
    ax = new_axes(ax, min(10.0, 0.62 * wide + 0.9), min(12.0, 0.62 * rows + 0.5))
    if C == 3:
        ax.imshow(picture.clip(0, 1), interpolation="nearest")
    else:
        image = ax.imshow(picture, cmap="RdBu_r", vmin=-peak, vmax=peak, interpolation="nearest")
        bar = ax.figure.colorbar(image, ax=ax, fraction=0.02, pad=0.02, ticks=[-peak, 0, peak],
                                 format=lambda v, _: f"{v:.2g}")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, colors=INK)
    ax.set_axis_off()
    of = "" if C == 1 else f" of {C} channels" + (" (a filter per row)" if C != 3 else "")
    ax.set_title(f"{F} filters {w.shape[2]}×{w.shape[3]}{of}", size=9, color=INK)
    return ax


def _columns(n: int) -> int:
    """A width for n tiles: about twice the height, and without a ragged last row if it can be."""
    near = min(n, math.ceil(math.sqrt(2 * n)))
    even = [c for c in range(near, 2 * near) if n % c == 0]
    return even[0] if even else near


def _mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """(N, H, W) or (N, H, W, 3) tiles as one image with gaps of NaN (white in colour)."""
    n, h, w, *rest = tiles.shape
    rows = -(-n // columns)
    gap = max(1, h // 8)
    size = (rows * (h + gap) - gap, columns * (w + gap) - gap, *rest)
    out = np.full(size, 1.0 if rest else np.nan)
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (h + gap), (i % columns) * (w + gap)
        out[y : y + h, x : x + w] = tile
    return out


def feature_maps(
    model: Any, image: Any, figure: Figure | None = None, *, classes: Sequence[str] | None = None,
    maps: int = 8, columns: int = 12,
) -> Figure:
    """What every layer of a network makes of one image: a column of activation maps per layer.

    The model runs once, in evaluation mode and without a graph; its mode is restored. Each map has
    a scale of its own, dark being low. The last column shows the class scores.

    Parameters
    ----------
    model : Module
        Anything whose layers are modules. Layers that return the same maps are shown once.
    image : (C, H, W) or (1, C, H, W) float
        As the model takes it, normalised.
    figure : Figure
        Where to draw. Default: a new one.
    classes : sequence of str
        Names of the scores. Default: their numbers.
    maps, columns : int
        At most so many channels per layer and layers in all; of more layers, an even choice.
    """
    x = as_array("feature_maps", image)
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or len(x) != 1:
        raise ShapeError(
            f"feature_maps: image must be (C, H, W) or (1, C, H, W); got shape {x.shape}. Pick one "
            "of a batch, as in images[0]."
        )
    seen, scores = _activations(model, wrap(x))
    for kind in ("Norm", "Conv"):  # what ReLU makes of them says more
        if len(seen) > columns:
            seen = [(name, a) for name, a in seen if kind not in name]
    if len(seen) > columns:
        pick = np.linspace(0, len(seen) - 1, columns).round().astype(int)
        seen = [seen[i] for i in pick]
    tall = min(maps, max(len(a) for _, a in seen))
    figure = new_figure(0.95 * len(seen) + 2.6, 0.86 * tall + 0.75) if figure is None else figure
    grid = figure.add_gridspec(tall, len(seen) + 1, width_ratios=[1] * len(seen) + [1.7])
    for j, (name, a) in enumerate(seen):
        colour = j == 0 and len(a) == 3
        shown = 1 if colour else min(tall, len(a))
        for i in range(shown):
            ax = figure.add_subplot(grid[i, j])
            if colour:
                low, high = a.min(), a.max()
                rgb = ((a - low) / (high - low or 1)).transpose(1, 2, 0)
                ax.imshow(rgb, interpolation="nearest")
            else:
                ax.imshow(a[i], cmap="gray" if j == 0 else "magma", interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            if i == 0:
                size = "×".join(map(str, a.shape))
                ax.set_title(f"{name}\n{size}", size=7.5, color=INK)
    _score_bars(figure.add_subplot(grid[:, -1]), scores, classes)
    return figure


def _activations(model: Any, x: Tensor) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """(name, (C, H, W)) of the input and of every leaf layer that returns maps; the scores."""
    seen: list[tuple[str, np.ndarray]] = [("image", x.numpy()[0])]

    def watch(name: str) -> Callable[[Any, Any, Any], None]:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            # 1×1 maps are numbers, not pictures.
            if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
                a = output.detach().numpy()[0].copy()
                if a.shape != seen[-1][1].shape or not np.array_equal(a, seen[-1][1]):
                    seen.append((name.removesuffix("2d").removeprefix("Adaptive"), a))

        return hook

    hooks = [
        m.register_forward_hook(watch(type(m).__name__))
        for m in model.modules()
        if not any(True for _ in m.children()) and type(m).__name__ not in ("Identity", "Dropout")
    ]
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with no_grad():
            scores = model(x)
    finally:
        for m, training in modes:
            m.training = training
        for hook in hooks:
            hook.remove()
    return seen, np.ravel(scores.numpy())


def _score_bars(ax: Axes, scores: np.ndarray, classes: Sequence[str] | None) -> None:
    top = np.sort(np.argsort(-scores, kind="stable")[:12])
    e = np.exp(scores - scores.max())
    p = (e / e.sum())[top]
    names = [classes[k] if classes is not None else str(k) for k in top]
    at = np.arange(len(top))
    ax.barh(at, p, color=["#d1603d" if v == p.max() else "#9fb3c8" for v in p])
    ax.set_yticks(at, names, size=7.5, color=INK)
    ax.set_xticks([])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.35)
    for y, v in zip(at, p):
        ax.annotate(f"{100 * v:.0f} %", (v, y), (3, 0), textcoords="offset points", va="center",
                    size=7, color=INK)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_title("softmax", size=7.5, color=INK)


def confusion_matrix(
    targets: Any, predictions: Any = None, ax: Axes | None = None, *,
    classes: Sequence[str] | None = None,
) -> Axes:
    """How often each class was taken for each: a row per true class, a column per prediction.

    Parameters
    ----------
    targets : (N,) int, or (K, K) int with `predictions` left out
        True classes; or the matrix itself, counts[true, predicted].
    predictions : (N,) int
        Predicted classes.
    ax : Axes
        Where to draw. Default: a new Figure.
    classes : sequence of K str
        Names of the classes. Default: their numbers.

    Raises
    ------
    ShapeError
        The two differ in length, or the matrix is not square.
    IndexError
        A class is negative, or `classes` names too few.
    """
    counts = _counts(as_array("confusion_matrix", targets), predictions, classes)
    K = len(counts)
    rows = counts.sum(1, keepdims=True)
    share = counts / np.maximum(rows, 1)
    side = 0.48 * K + 1.6
    ax = new_axes(ax, side + 0.5, side)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = list(classes) if classes is not None else [str(k) for k in range(K)]
    if K <= 30:
        ax.set_xticks(range(K), names, rotation=45, ha="right", rotation_mode="anchor", size=8)
        ax.set_yticks(range(K), names, size=8)
    if K <= 20:
        for i, j in zip(*np.nonzero(counts)):
            ax.text(j, i, f"{counts[i, j]:d}", ha="center", va="center", size=7.5,
                    color="white" if share[i, j] > 0.5 else INK)
    ax.set_xlabel("predicted", color=INK)
    ax.set_ylabel("true", color=INK)
    right = int(np.trace(counts))
    total = int(counts.sum())
    percent = 100 * right / max(total, 1)
    ax.set_title(f"{right} of {total} right ({percent:.1f} %)", size=9, color=INK)
    ax.spines[:].set_color(PALE)
    ax.tick_params(length=0, colors=INK)
    return ax


def _counts(targets: np.ndarray, predictions: Any, classes: Sequence[str] | None) -> np.ndarray:
    if predictions is None:
        if targets.ndim != 2 or targets.shape[0] != targets.shape[1]:
            raise ShapeError(
                "confusion_matrix: without predictions, expects a square matrix of counts; got "
                f"shape {targets.shape}. Call confusion_matrix(targets, predictions)."
            )
        counts = targets.astype(np.int64)
    else:
        found = as_array("confusion_matrix", predictions)
        if targets.ndim != 1 or targets.shape != found.shape:
            raise ShapeError(
                "confusion_matrix: targets and predictions must be (N,) both; got shapes "
                f"{targets.shape} and {found.shape}. Take scores.argmax(1) for predictions."
            )
        pairs = np.stack([targets, found]).astype(np.int64)
        if pairs.size and pairs.min() < 0:
            raise IndexError(f"confusion_matrix: classes count from 0; got {pairs.min()}.")
        K = int(max(pairs.max(initial=-1) + 1, len(classes) if classes is not None else 1))
        counts = np.zeros((K, K), np.int64)
        np.add.at(counts, tuple(pairs), 1)
    if classes is not None and len(classes) != len(counts):
        raise IndexError(
            f"confusion_matrix: classes must name each of {len(counts)} classes; got "
            f"{len(classes)} names."
        )
    return counts
