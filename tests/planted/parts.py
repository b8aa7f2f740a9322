"""What planted bugs are made of: right helpers, and ways to go wrong. The table is in bugs.py."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.op import Array, op
from minigrad.tensor import wrap

Rule = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    """One planted mistake: `make()` gives a fresh op, `sample` the arguments to check it with."""

    family: str
    make: Callable[[], Callable[..., Any]]
    sample: tuple[Any, ...]
    guess: str = ""  # what the report must say


def unary(forward: Callable[[Array], Any], rule: Rule, **options: Any) -> Callable[..., Any]:
    @op(name="planted", **options)
    def planted(input: Array) -> Any:
        return forward(input)

    planted.gradient("input", rule)
    return planted


def binary(forward: Rule, one: Rule, two: Rule, promote: str | None = None) -> Callable[..., Any]:
    @op(name="planted", promote=promote)
    def planted(input: Array, other: Array) -> Array:
        return forward(input, other)

    planted.gradient("input", one)
    planted.gradient("other", two)
    return planted


def array(*shape: int, seed: int = 0, low: float = 0.3, high: float = 1.8) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape)


def distinct(*shape: int) -> np.ndarray:
    size = int(np.prod(shape))
    return np.random.default_rng(1).permutation(size).reshape(shape) / 4.0 - 1


def on_arrays(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Tensors as a forward over ndarrays."""
    return lambda *arrays: fn(*map(wrap, arrays))._data


A, B, SQUARE, SIGNED = array(3, 4), array(3, 4, seed=1), array(3, 3), array(3, 4, low=-1.7)
X, W = array(1, 2, 5, 5, low=-1), array(3, 2, 3, 3, seed=1, low=-1)  # image and filter
TIES = np.array([[1.0, 1.0, 0.5, 2.0, -1.0, 0.0]])


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def normed(x: Array) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def norm_rule(mean: bool = True, project: bool = True, n: float = 4.0) -> Rule:
    """Layer norm's gradient, with one of its two terms left out or wrongly counted."""

    def rule(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        var = input.var(-1, correction=0, keepdim=True)
        xhat = (input - input.mean(-1, keepdim=True)) / (var + 1e-5).sqrt()
        out = g
        if mean:
            out = out - g.sum(-1, keepdim=True) / n
        if project:
            out = out - xhat * (g * xhat).sum(-1, keepdim=True) / n
        return out / (var + 1e-5).sqrt()

    return rule


def conv(stride: int = 1, padding: int = 0, dilation: int = 1) -> Callable[..., Any]:
    return on_arrays(lambda x, w: F.conv2d(x, w, None, stride, padding, dilation))


def back(g: mg.Tensor, w: mg.Tensor, **settings: Any) -> mg.Tensor:
    """Right with the forward's settings: the gradient of a 5×5 image."""
    y = F.conv_transpose2d(g, w, **settings)
    return F.pad(y, (0, 5 - y.shape[3], 0, 5 - y.shape[2]))


def back_w(g: mg.Tensor, x: mg.Tensor, padding: int = 0, dilation: int = 1) -> mg.Tensor:
    """The gradient of a 3×3 filter, for a batch of one; `dilation` is the forward's stride."""
    x, g = F.pad(x, (padding,) * 4).transpose(0, 1), g.transpose(0, 1)
    return F.conv2d(x, g, dilation=dilation)[:, :, :3, :3].transpose(0, 1)


def convolution(forward: dict[str, int], one: Rule | None = None, two: Rule | None = None) -> Any:
    s, p = forward.get("stride", 1), forward.get("padding", 0)
    right_x = lambda g, other: back(g, other, stride=s, padding=p)  # noqa: E731
    right_w = lambda g, input: back_w(g, input, padding=p, dilation=s)  # noqa: E731
    return lambda: binary(conv(**forward), one or right_x, two or right_w)


def windows(x: Any) -> Any:
    """(N, 6) as three windows of two."""
    return x.reshape(x.shape[0], -1, 2)


def pooled(mask: Callable[[mg.Tensor], mg.Tensor]) -> Callable[..., Any]:
    """Max-pooling by twos, with the mask of where gradients go."""

    def rule(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        return (g.unsqueeze(-1) * mask(windows(input.detach()))).reshape(input.shape)

    return unary(lambda x: windows(x).max(-1), rule)


def stale_mask() -> Callable[..., Any]:
    kept: list[Any] = []

    def mask(w: mg.Tensor) -> mg.Tensor:
        if not kept:  # computed in the first call, for its values
            kept.append((w == w.amin(-1, keepdim=True)).double())
        return kept[0]

    return pooled(mask)


def noisy(scale: float) -> Rule:
    count = itertools.count()
    return lambda g, y: g * y * (1 + scale * next(count))


def spoils_input() -> Callable[..., Any]:
    def forward(x: Array) -> Array:
        x -= x.max(-1, keepdims=True)
        return np.exp(x)

    return unary(forward, lambda g, y: g * y)


def spoils(which: str) -> Rule:
    def rule(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        right = g * 2 * input
        (g if which == "g" else input)._data[...] *= 0.5
        return right

    return rule


def scratch() -> Callable[..., Any]:
    buffer = np.empty((3, 4))

    def forward(x: Array) -> Array:
        out = buffer[tuple(map(slice, x.shape))]
        return np.multiply(x, 2, out=out) if x.dtype == out.dtype else x * 2

    return unary(forward, lambda g: g * 2)


def scratch_gradient() -> Callable[..., Any]:
    buffer = np.empty((3, 4))

    def rule(g: mg.Tensor) -> mg.Tensor:
        if g.dtype != buffer.dtype or g.requires_grad:
            return g * 2
        return wrap(np.multiply(g._data, 2, out=buffer[tuple(map(slice, g.shape))]))

    return unary(lambda x: x * 2, rule)


def hoards() -> Callable[..., Any]:
    kept: list[Any] = []

    def forward(x: Array) -> Array:
        kept.append(np.exp(x))
        return kept[-1].copy()

    return unary(forward, lambda g, y: g * y)


def in_float32(fn: Rule) -> Rule:
    return lambda g, input: fn(g.float(), input.float()).double()


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_rule(c: float, k: float = 0.044715) -> Rule:
    def rule(g: mg.Tensor, input: mg.Tensor) -> mg.Tensor:
        t = (c * (input + k * input**3)).tanh()
        return g * 0.5 * (1 + t + input * (1 - t * t) * c * (1 + 3 * k * input * input))

    return rule


def only_backward(right: Rule, wrong: Rule) -> Rule:
    """A fused backward op whose value is right and whose own rule is not."""

    @op(name="planted_backward")
    def slope(input: Array) -> Array:
        return right(input)

    slope.gradient("input", wrong)
    return lambda g, input: g * slope(input)


def embedding(rule: Rule) -> Callable[..., Any]:
    @op(name="planted")
    def planted(weight: Array, index: Array) -> Array:
        return weight[index]

    planted.gradient("weight", rule)
    return planted


def nll(rule: Rule) -> Callable[..., Any]:
    @op(name="planted")
    def planted(input: Array, target: Array) -> Array:
        shifted = input - input.max(1, keepdims=True)
        logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return -logp[np.arange(len(target)), target].mean()

    planted.gradient("input", rule)
    return planted


def assigned(g: mg.Tensor, shape: tuple[int, ...], index: Any) -> mg.Tensor:
    """Writes where it should add: repeated indices count once."""
    out = np.zeros(shape)
    out[index._data] = 1.0 * g._data
    return wrap(out)


ROWS = np.array([0, 2, 2, 1])
CLASSES = np.array([1, 0, 3])


def u(f: Any, rule: Rule, **options: Any) -> Callable[[], Any]:
    return lambda: unary(f, rule, **options)


def b(f: Any, one: Rule, two: Rule, promote: str | None = None) -> Callable[[], Any]:
    return lambda: binary(f, one, two, promote)


def one_hot(t: mg.Tensor) -> mg.Tensor:
    return wrap(np.eye(4)[t._data])
