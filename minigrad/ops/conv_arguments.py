"""What users give a convolution, checked and brought to one form. No op lives here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from .arguments import floating, ints, out_size, shape_of, shown
from .pad import pad

__all__ = ["check_layer", "check_window", "padded", "transposed_sizes"]

Sizes = tuple[int, ...]


def check_layer(
    op: str,
    x: Tensor,
    w: Any,
    b: Any,
    letters: str,
    groups: Any,
    transposed: bool = False,
) -> None:
    """Dtypes, ranks and channels."""
    floating(op, input=x, weight=w, bias=b)
    (g,) = ints(op, "groups", groups, 1, 1)
    bias = None if b is None else shape_of(b)
    _check_shapes(op, shape_of(x), shape_of(w), bias, letters, g, transposed)


@lru_cache(maxsize=1024)
def _check_shapes(
    op: str, x: Sizes, w: Sizes, b: Sizes | None, letters: str, g: int, transposed: bool
) -> None:
    """Ranks and channels. Shapes that are right stay so: a layer sees the same again and again."""
    if len(w) != len(x):
        form = "C, F/groups" if transposed else "F, C/groups"
        form += ", KH, KW" if letters == "NCHW" else ", K"
        raise ShapeError(f"{op}: weight must be ({form}); got input {x}, weight {w}.")
    fed, filters = x[1], w[0]
    takes, makes = (filters, w[1] * g) if transposed else (w[1] * g, filters)
    if filters % g:
        raise ShapeError(
            f"{op}: groups must divide the {filters} filters; got groups {g}, weight {w}."
        )
    if fed != takes:
        hint = f"Give the layer in_channels={fed}, or an input with {takes} channels."
        if x[-1] == takes:
            order = "0, 3, 1, 2" if letters == "NCHW" else "0, 2, 1"
            hint = f"Channels come before space here: use input.permute({order})."
        source = "weight.shape[0]" if transposed else "weight.shape[1] · groups"
        raise ShapeError(
            f"{op}: input must have {takes} channels ({source}); got {fed} channels: input {x},"
            f" weight {w}, groups {g}. {hint}"
        )
    if b is not None and b != (makes,):
        raise ShapeError(f"{op}: bias must be ({makes},); got weight {w}, bias {b}.")


def padded(
    op: str, x: Tensor, w: Tensor, padding: Any, stride: Sizes, dilation: Sizes
) -> tuple[Tensor, Sizes]:
    """The padding as ints; where 'same' is lopsided, the input with what it lacks."""
    n = len(stride)
    if not isinstance(padding, str):
        return x, ints(op, "padding", padding, n, 0)
    if padding == "valid":
        return x, (0,) * n
    if padding != "same":
        raise ShapeError(f"{op}: padding must be ints, 'valid' or 'same'; got padding {padding!r}.")
    if any(s != 1 for s in stride):
        raise ShapeError(
            f"{op}: padding 'same' is not supported for strided convolutions; got stride {stride}. "
            "Give the padding as ints."
        )
    total = [d * (k - 1) for d, k in zip(dilation, w.shape[2:])]
    if any(t % 2 for t in total):
        x = pad(x, [side for t in reversed(total) for side in (0, t % 2)])
    return x, tuple(t // 2 for t in total)


@lru_cache(maxsize=1024)
def check_window(op: str, x: Sizes, w: Sizes, padding: Sizes, dilation: Sizes) -> None:
    """Every dim must hold at least one window."""
    hw, kernel = x[2:], w[2:]
    if 0 in (w[0], *kernel, *hw):
        raise ShapeError(
            f"{op}: only the batch may be empty; got input {x}, weight {w}. Check the sizes."
        )
    if any(out_size(h, k, 1, p, d) < 1 for h, k, p, d in zip(hw, kernel, padding, dilation)):
        raise ShapeError(
            f"{op}: the window must fit the padded image; got kernel size {kernel}, dilation "
            f"{dilation}, padding {padding}, image {hw}. Pad more, or pool less before this layer."
        )


def transposed_sizes(
    op: str,
    x: Tensor,
    w: Tensor,
    n: int,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """Sizes of the result, stride, padding and dilation of a transposed convolution."""
    s = ints(op, "stride", stride, n, 1)
    p = ints(op, "padding", padding, n, 0)
    d = ints(op, "dilation", dilation, n, 1)
    extra = ints(op, "output_padding", output_padding, n, 0)
    if any(e >= max(si, di) for e, si, di in zip(extra, s, d)):
        raise ShapeError(
            f"{op}: output_padding must be less than stride or dilation; got output_padding "
            f"{extra}, stride {s}, dilation {d}."
        )
    out = tuple(
        (h - 1) * si - 2 * pi + di * (k - 1) + e + 1
        for h, k, si, pi, di, e in zip(x.shape[2:], w.shape[2:], s, p, d, extra)
    )
    if any(o < 1 for o in out) or 0 in (*x.shape[2:], *w.shape[1:]):
        raise ShapeError(
            f"{op}: the result must have at least one pixel; got size {out} from "
            f"{shown(input=x, weight=w)}, stride {s}, padding {p}. Pad less."
        )
    return out, s, p, d
