"""Hypothesis strategies for whole argument lists: convolution, pooling, normalization.

Each draws (args, kwargs) in the order of `minigrad.nn.functional`. The `refused_...` strategies
draw the same with one thing wrong, and give (args, kwargs, what is wrong): the op must raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .strategies import arrays

__all__ = [
    "conv_arguments",
    "norm_arguments",
    "pool_arguments",
    "refused_conv_arguments",
    "refused_norm_arguments",
    "refused_pool_arguments",
]

Sample = tuple[tuple[Any, ...], dict[str, Any]]
Refused = tuple[tuple[Any, ...], dict[str, Any], str]
SMALL = st.integers(1, 2)


@st.composite
def conv_arguments(draw: Any, dims: int = 2) -> Sample:
    """(input, weight, bias) and stride, padding, dilation, groups of a convolution that fits.

    Every output has at least one element; padding may exceed the filter.
    """
    groups, n = draw(SMALL), draw(SMALL)
    c, f = groups * draw(SMALL), groups * draw(SMALL)
    one = st.tuples(st.integers(1, 3), SMALL, st.integers(0, 2), SMALL)
    kernel, stride, padding, dilation = zip(*[draw(one) for _ in range(dims)])
    least = [d * (k - 1) + 1 - 2 * p for k, p, d in zip(kernel, padding, dilation)]
    sides = [max(m, 1) + draw(st.integers(0, 2)) for m in least]
    x = draw(arrays(shape=(n, c, *sides)))
    w = draw(arrays(shape=(f, c // groups, *kernel)))
    b = draw(st.none() | arrays(shape=(f,)))
    return (x, w, b), {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }


@st.composite
def pool_arguments(draw: Any, dims: int = 2, average: bool = False) -> Sample:
    """(input, kernel_size) and stride, padding, ceil_mode of a pooling that fits.

    Values are distinct, so that no window holds a tie. For max-pooling also dilation.
    """
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    sides = tuple(k + draw(st.integers(0, 3)) for k in kernel)
    x = draw(arrays(shape=(draw(SMALL), draw(SMALL), *sides), away_from=(), distinct=True))
    settings: dict[str, Any] = {
        "stride": tuple(draw(SMALL) for _ in range(dims)),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    if average:
        settings["count_include_pad"] = draw(st.booleans())
    elif all(2 * (k - 1) + 1 <= h for k, h in zip(kernel, sides)):
        settings["dilation"] = draw(SMALL)
    return (x, kernel), settings


@st.composite
def norm_arguments(draw: Any, dims: int = 2) -> Sample:
    """(input, normalized_shape, weight, bias) and eps for layer_norm over the last dims.

    At least four values are averaged, and they are distinct: no variance is near zero.
    """
    over = tuple(draw(st.integers(2, 3)) for _ in range(dims))
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    x = draw(arrays(shape=(*lead, *over), away_from=(), distinct=True))
    w, b = (draw(st.none() | arrays(shape=over)) for _ in range(2))
    return (x, over, w, b), {"eps": draw(st.sampled_from([1e-5, 1e-2]))}


@st.composite
def refused_conv_arguments(draw: Any, dims: int = 2) -> Refused:
    """Arguments of a convolution with one thing wrong, and what."""
    (x, w, b), settings = draw(conv_arguments(dims))
    wrong: dict[str, Callable[[], tuple[Any, ...]]] = {
        "channels": lambda: (np.concatenate([x, x[:, :1]], 1), w, b, {}),
        "bias": lambda: (x, w, np.zeros(len(w) + 1), {}),
        "filter larger than the image": lambda: (
            x,
            np.ones((*w.shape[:2], *[2 * p + h + 1 for p, h in _padded(x, settings)])),
            b,
            {},
        ),
        "dims of the filter": lambda: (x, w[0], b, {}),
        "stride": lambda: (x, w, b, {"stride": draw(st.sampled_from([0, -1]))}),
        "padding": lambda: (x, w, b, {"padding": -1}),
        "dilation": lambda: (x, w, b, {"dilation": 0}),
        "groups": lambda: (x, w, b, {"groups": draw(st.sampled_from([0, 7]))}),
    }
    which = draw(st.sampled_from(sorted(wrong)))
    x, w, b, more = wrong[which]()
    return (x, w, b), {**settings, **more}, which


def _padded(x: np.ndarray, settings: dict[str, Any]) -> zip[tuple[int, int]]:
    return zip(settings["padding"], x.shape[2:])


@st.composite
def refused_pool_arguments(draw: Any, dims: int = 2, average: bool = False) -> Refused:
    """Arguments of a pooling with one thing wrong, and what."""
    (x, kernel), settings = draw(pool_arguments(dims, average))
    wrong: dict[str, tuple[Any, dict[str, Any]]] = {
        "kernel_size": (0, {}),
        "window larger than the image": (
            tuple(h + 2 * p + 2 for p, h in _padded(x, settings)),
            {"ceil_mode": False},
        ),
        "padding over half the window": (kernel, {"padding": tuple(k // 2 + 1 for k in kernel)}),
        "negative padding": (kernel, {"padding": -1}),
        "stride": (kernel, {"stride": 0}),
    }
    which = draw(st.sampled_from(sorted(wrong)))
    kernel, more = wrong[which]
    return (x, kernel), {**settings, **more}, which


@st.composite
def refused_norm_arguments(draw: Any, dims: int = 2) -> Refused:
    """Arguments of layer_norm with one thing wrong, and what."""
    (x, over, w, b), settings = draw(norm_arguments(dims))
    longer = (*over[:-1], over[-1] + 1)
    wrong: dict[str, tuple[Any, ...]] = {
        "normalized_shape": (longer, None, None),
        "more dims than the input": ((2,) * (x.ndim + 1), None, None),
        "weight": (over, np.ones(longer), b),
        "bias": (over, w, np.ones(longer)),
    }
    which = draw(st.sampled_from(sorted(wrong)))
    return (x, *wrong[which]), settings, which
