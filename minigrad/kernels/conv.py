"""Convolution of NCHW arrays and its two adjoints; no Tensor and no user checks live here.

The three functions are one bilinear form <conv2d(x, w), g> read in three ways, so each is the
gradient rule of the others. `conv2d` is cross-correlation: it does not flip the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.blocked import blocked, blocked_input_grad, blocked_weight_grad
from minigrad.kernels.conv_plan import out_hw
from minigrad.kernels.correlate import correlate, correlate_input_grad, correlate_weight_grad
from minigrad.kernels.depthwise import depthwise, depthwise_input_grad, depthwise_weight_grad
from minigrad.kernels.jit import dense, use_jit
from minigrad.kernels.pointwise import is_pointwise, pointwise, pointwise_input_grad
from minigrad.kernels.simd import lanes
from minigrad.kernels.windows import plane_sum
from minigrad.kernels.winograd import winograd, winograd_input_grad, winograd_weight_grad

Pair = tuple[int, int]
Array = NDArray[np.floating]

WHOLE = ("winograd", "pointwise")  # take a g as large as the layer makes it

__all__ = [
    "ALGORITHMS",
    "choose",
    "conv2d",
    "conv2d_bias_grad",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "get_conv_algorithm",
    "set_conv_algorithm",
]


def conv2d(
    x: Array,
    w: Array,
    b: Array | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
    relu: bool = False,
) -> Array:
    """Cross-correlate images with filters.

        y[n,f,i,j] = b[f] + sum_{c,u,v} x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW] · w[f,c,u,v]

    Parameters
    ----------
    x : (N, C, H, W)
    w : (F, C / groups, KH, KW)
    b : (F,) or None
    relu : bool
        Cut y off at 0, in the same pass.

    Returns
    -------
    (N, F, OH, OW), OH = (H + 2·PH − DH·(KH−1) − 1) // SH + 1
    """
    how = (stride, padding, dilation, groups)
    name = algorithm or choose("conv2d", x.shape, w.shape, *how, x.dtype, use_jit(x, w, b))
    return ALGORITHMS["conv2d"][name](x, w, b, *how, relu)


def conv2d_input_grad(
    g: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> Array:
    """Adjoint of `conv2d` in x, which is also the forward of a transposed convolution.

        gx[n,c,i·SH+u·DH−PH, j·SW+v·DW−PW] += sum_f g[n,f,i,j] · w[f,c,u,v]

    Parameters
    ----------
    g : (N, F, OH, OW)
        OH may be less than what `input_hw` would give; the rows it does not reach stay zero.
    w : (F, C / groups, KH, KW)

    Returns
    -------
    (N, C, H, W) with (H, W) = input_hw
    """
    x_shape = (g.shape[0], w.shape[1] * groups, *input_hw)
    how = (stride, padding, dilation, groups)
    name = algorithm or choose(
        "conv2d_input_grad", x_shape, w.shape, *how, g.dtype, use_jit(g, w)
    )
    if name in WHOLE and g.shape[2:] != out_hw(input_hw, w.shape[2:], *how[:3]):
        name = "blocked" if g.dtype == np.float32 else "runs"
    return ALGORITHMS["conv2d_input_grad"][name](g, w, input_hw, *how)


def conv2d_weight_grad(
    g: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> Array:
    """Adjoint of `conv2d` in w.

        gw[f,c,u,v] = sum_{n,i,j} g[n,f,i,j] · x[n, c, i·SH+u·DH−PH, j·SW+v·DW−PW]

    Parameters
    ----------
    g : (N, F, OH, OW)
    x : (N, C, H, W)

    Returns
    -------
    (F, C / groups, KH, KW) with (KH, KW) = kernel_hw
    """
    w_shape = (g.shape[1], x.shape[1] // groups, *kernel_hw)
    how = (stride, padding, dilation, groups)
    name = algorithm or choose(
        "conv2d_weight_grad", x.shape, w_shape, *how, x.dtype, use_jit(g, x)
    )
    if name == "winograd" and g.shape[2:] != out_hw(x.shape[2:], kernel_hw, *how[:3]):
        name = "blocked"
    return ALGORITHMS["conv2d_weight_grad"][name](g, x, kernel_hw, *how)


def conv2d_bias_grad(g: Array) -> Array:
    """Adjoint of adding a bias: gb[f] = sum_{n,i,j} g[n,f,i,j]; g (N, F, OH, OW) -> (F,)."""
    if not use_jit(g):
        wide = np.float32 if g.dtype == np.float16 else None
        return g.sum((0, 2, 3), dtype=wide).astype(g.dtype, copy=False)
    (n, f), sums = g.shape[:2], np.empty(g.shape[:2], g.dtype)
    if g.size:
        plane_sum.run(n * f, 0.1 * g.size, dense(g).reshape(n * f, -1), 1.0, sums.reshape(-1))
        return np.add.reduce(sums, 0)
    return np.zeros(f, g.dtype)


_preferred = "auto"


def set_conv_algorithm(name: str) -> None:
    """Say how convolutions are computed from now on, in the whole process.

    Parameters
    ----------
    name : {"auto", "direct", "winograd"}
        "direct" multiplies each pixel with each tap; a profile names its ways, "blocked",
        "pointwise", "depthwise" and "runs". "winograd" takes a quarter of the multiplications for
        3x3 filters of stride 1 and dilation up to 4, in one group or in groups of whole vectors of
        channels (16 with AVX-512), on float32; what it does not serve (all other layers, float64)
        is direct. Its rounding errors are 2 to 3 times as large, and a NaN or an infinity reaches
        all 16 outputs of a 4x4 tile. "auto", the default, takes it where it is faster: a pure
        function of the shapes.

    Raises
    ------
    ValueError
        Another name.
    """
    global _preferred
    if name not in ("auto", "direct", "winograd"):
        raise ValueError(
            "set_conv_algorithm: name must be 'auto', 'direct' or 'winograd'; got name"
            f" {name!r}."
        )
    _preferred = name


def get_conv_algorithm() -> str:
    """What `set_conv_algorithm` was last given; "auto" before."""
    return _preferred


def choose(
    op: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    dtype: np.dtype,
    compiled: bool,
) -> str:
    """Name of the algorithm in ALGORITHMS[op] that runs a layer: a pure function of its shapes.

    `compiled` says whether compiled kernels serve its dtype. Every function here takes
    `algorithm` to force another.
    """
    if not compiled:
        return "reference"
    return _choose(op, x_shape, w_shape, stride, padding, dilation, groups, dtype, _preferred)


@lru_cache(maxsize=4096)
def _choose(
    op: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: Pair, padding: Pair,
    dilation: Pair, groups: int, dtype: np.dtype, preferred: str,
) -> str:  # fmt: skip
    if (
        preferred != "direct"
        and dtype == np.float32
        and (w_shape[2:], stride) == ((3, 3), (1, 1))
        and _interleaves(w_shape, padding, dilation, groups)
        and (preferred == "winograd" or _saves(x_shape, w_shape, padding, dilation, groups))
    ):
        return "winograd"
    if op != "conv2d_weight_grad" and is_pointwise(
        x_shape, w_shape, stride, padding, groups, dtype
    ):
        return "pointwise"
    if w_shape[1] == 1 and w_shape[0] == groups:
        return "depthwise"
    return "blocked" if dtype == np.float32 and _fills(op, x_shape, w_shape, stride) else "runs"


def _fills(op: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: Pair) -> bool:
    """Whether vectors over channels are worth their transposes; those over pixels need none.

    Measured with 16 lanes, two threads: forward of 6 filters of 5x5 on 1x28x28, 64 images 0.19 ms
    by blocks and 0.20 by runs, 1 image 21 and 10 us. The gradient of 7x7 filters, stride 2, in 3
    channels of 56x56, 8 images 2.9 and 1.6 ms, in 8 channels less by blocks.
    """
    n, _, h, w = x_shape
    filters, channels = w_shape[0], w_shape[1]
    if op == "conv2d_input_grad" and stride != (1, 1) and channels < 6:
        return False
    return n * h * w * filters * math.prod(w_shape[1:]) >= 1_000_000


def _interleaves(w_shape: tuple[int, ...], padding: Pair, dilation: Pair, groups: int) -> bool:
    """Whether Winograd's kernels serve 3x3 filters with these settings.

    Groups begin with a vector of channels; dilated rows of tiles fill a strip that stays in L2.
    """
    width = lanes(np.dtype(np.float32))
    channels, filters = w_shape[1], w_shape[0] // groups
    return (
        channels > 0
        and all(p <= 2 * d and d <= 4 for p, d in zip(padding, dilation, strict=True))
        and (groups == 1 or channels % width == filters % width == 0)
    )


def _saves(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], padding: Pair, dilation: Pair, groups: int
) -> bool:
    """Whether Winograd's 4 times fewer multiplications outweigh its transforms and its padding.

    Tiles of 4x4 outputs and blocks of 8 channels are computed as a whole.
    """
    c, k = w_shape[1], w_shape[0] // groups
    oh, ow = out_hw(x_shape[2:], (3, 3), (1, 1), padding, dilation)
    up = lambda size, step: -(-size // step) * step  # noqa: E731
    tiled = up(oh, 4 * dilation[0]) * up(ow, 4 * dilation[1])
    return min(c, k) >= 12 and 2 * oh * ow * c * k >= tiled * up(c, 8) * up(k, 8)


# The definitions in NumPy: one matrix product per tap (u, v) of the window.


def conv2d_reference(
    x: Array, w: Array, b: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    relu: bool = False,
) -> Array:  # fmt: skip
    """`conv2d`, as one matrix product per tap."""
    (n, c, *hw), (f, _, *k) = x.shape, w.shape
    oh, ow = out_hw(tuple(hw), tuple(k), stride, padding, dilation)
    xp = _padded(x, padding).reshape(n, groups, c // groups, *_padded_hw(hw, padding))
    wg = w.reshape(groups, f // groups, c // groups, *k)
    y = np.zeros((n, groups, f // groups, oh * ow), x.dtype)
    for u, v, rows, cols in _taps(k, (oh, ow), stride, dilation):
        y += wg[..., u, v] @ xp[..., rows, cols].reshape(n, groups, c // groups, oh * ow)
    y = y.reshape(n, f, oh, ow)
    y = y if b is None else y + b.reshape(f, 1, 1)
    return np.maximum(y, 0) if relu else y


def conv2d_input_grad_reference(
    g: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """`conv2d_input_grad`, as one matrix product per tap."""
    (n, f, oh, ow), (_, c, *k) = g.shape, w.shape
    (h, wd), (ph, pw) = input_hw, padding
    gg = g.reshape(n, groups, f // groups, oh * ow)
    wt = w.reshape(groups, f // groups, c, *k).swapaxes(1, 2)
    gx = np.zeros((n, groups, c, *_padded_hw(input_hw, padding)), g.dtype)
    for u, v, rows, cols in _taps(k, (oh, ow), stride, dilation):
        gx[..., rows, cols] += (wt[..., u, v] @ gg).reshape(n, groups, c, oh, ow)
    gx = gx.reshape(n, groups * c, *gx.shape[3:])
    return np.ascontiguousarray(gx[:, :, ph : ph + h, pw : pw + wd])


def conv2d_weight_grad_reference(
    g: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """`conv2d_weight_grad`, as one matrix product per tap."""
    (n, f, oh, ow), (_, c, *hw) = g.shape, x.shape
    xp = _padded(x, padding).reshape(n, groups, c // groups, *_padded_hw(hw, padding))
    gg = g.reshape(n, groups, f // groups, oh * ow)
    gw = np.zeros((groups, f // groups, c // groups, *kernel_hw), g.dtype)
    for u, v, rows, cols in _taps(kernel_hw, (oh, ow), stride, dilation):
        patch = xp[..., rows, cols].reshape(n, groups, c // groups, oh * ow)
        gw[..., u, v] = (gg @ patch.swapaxes(2, 3)).sum(0)
    return gw.reshape(f, c // groups, *kernel_hw)


def _padded_hw(hw: Pair | list[int], padding: Pair) -> Pair:
    return hw[0] + 2 * padding[0], hw[1] + 2 * padding[1]


def _padded(x: Array, padding: Pair) -> Array:
    (ph, pw) = padding
    return np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else x


def _taps(
    k: Pair | list[int], out_hw: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """Each tap (u, v) with the rows and columns of the padded image that it meets."""
    (oh, ow), (sh, sw), (dh, dw) = out_hw, stride, dilation
    for u in range(k[0]):
        for v in range(k[1]):
            yield (
                u,
                v,
                slice(u * dh, u * dh + sh * oh, sh),
                slice(v * dw, v * dw + sw * ow, sw),
            )


ALGORITHMS: dict[str, dict[str, Callable[..., Array]]] = {
    "conv2d": {
        "reference": conv2d_reference,
        "runs": correlate,
        "blocked": blocked,
        "depthwise": depthwise,
        "pointwise": pointwise,
        "winograd": winograd,
    },
    "conv2d_input_grad": {
        "reference": conv2d_input_grad_reference,
        "runs": correlate_input_grad,
        "blocked": blocked_input_grad,
        "depthwise": depthwise_input_grad,
        "pointwise": pointwise_input_grad,
        "winograd": winograd_input_grad,
    },
    "conv2d_weight_grad": {
        "reference": conv2d_weight_grad_reference,
        "runs": correlate_weight_grad,
        "blocked": blocked_weight_grad,
        "depthwise": depthwise_weight_grad,
        "winograd": winograd_weight_grad,
    },
}
