"""The table of planted bugs: an op with one mistake, arguments that can show it, and the guess.

The families are those of minigrad/ops. What they are made of is in parts.py.
"""
# ruff: noqa: E501  (one line, one bug)
# fmt: off

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.tensor import wrap

from .parts import (
    CLASSES,
    ROWS,
    SIGNED,
    SQUARE,
    TIES,
    A,
    B,
    Bug,
    W,
    X,
    array,
    assigned,
    b,
    back,
    back_w,
    convolution,
    distinct,
    embedding,
    gelu,
    gelu_rule,
    hoards,
    in_float32,
    nll,
    noisy,
    norm_rule,
    normed,
    on_arrays,
    one_hot,
    only_backward,
    pooled,
    scratch,
    scratch_gradient,
    softmax,
    spoils,
    spoils_input,
    stale_mask,
    u,
)

__all__ = ["BUGS"]

grid = np.arange(4.0)

BUGS: dict[str, Bug] = {
    # --- elementwise
    "cos: sign": Bug("elementwise", u(np.cos, lambda g, input: g * input.sin()), (A,), "sign is flipped"),
    "square: factor two missing": Bug("elementwise", u(np.square, lambda g, input: g * input), (A,), "0.5 times"),
    "square: counted twice": Bug("elementwise", u(np.square, lambda g, input: 4 * g * input), (A,), "2 times"),
    "half square: own value missing": Bug("elementwise", u(lambda x: x * x / 2, lambda g: g), (A,), "factor of its own value is missing"),
    "exp: output missing": Bug("elementwise", u(np.exp, lambda g: g), (A,), "factor of output 0 is missing"),
    "tanh: zero": Bug("elementwise", u(np.tanh, lambda g: g * 0), (A,), "gives zero"),
    "sqrt: inverse": Bug("elementwise", u(np.sqrt, lambda g, y: g * y / 2), (A,)),
    "mul: operands confused": Bug("elementwise", b(np.multiply, lambda g, input: g * input, lambda g, other: g * other), (A, B)),
    "mul: other's factor missing": Bug("elementwise", b(np.multiply, lambda g: g, lambda g, input: g * input), (A, B), "factor of input 1 is missing"),
    "div: square missing": Bug("elementwise", b(np.divide, lambda g, other: g / other, lambda g, input, other: -g * input / other), (A, B), "input 1"),
    "abs: no sign": Bug("elementwise", u(np.abs, lambda g: g), (SIGNED,), "only signs differ"),
    "sin: small constant added": Bug("elementwise", u(np.sin, lambda g, input: g * input.cos() + 0.01), (A,), "the same amount, 0.01"),
    "exp: one part in a thousand": Bug("elementwise", u(np.exp, lambda g, y: g * y * 1.0005), (A,)),
    "clamp: bound one off": Bug("elementwise", u(lambda x: np.clip(x, -1, 1), lambda g, input: g * (input.abs() < 1.2)), (np.array([0.5, 1.1, 1.5, -1.15]),)),
    "pow: 0/0 in the rule": Bug("elementwise", u(lambda x: x**2, lambda g, input, y: g * 2 * y / input), (np.array([0.5, 0.0, 1.0]),)),
    # --- broadcasting
    "add: gradients averaged": Bug("broadcasting", b(np.add, lambda g: g, lambda g: g.mean(0, keepdim=True)), (A, B[:1]), "0.333333 times"),
    "add: summed over the wrong dim": Bug("broadcasting", b(np.add, lambda g: g, lambda g: g.sum(1)), (array(4, 4), array(4))),
    "mul: sum before the product": Bug("broadcasting", b(np.multiply, lambda g, other: g * other, lambda g, input: g.sum(0) * input.sum(0)), (A, B[0])),
    "add: not summed at all": Bug("broadcasting", b(np.add, lambda g: g, lambda g: g[0]), (A, B[0])),
    "mul: size 1 read as the first": Bug("broadcasting", b(lambda x, y: x * (y if y.shape == x.shape else y.ravel()[0]), lambda g, other: g * other, lambda g, input: g * input, "arithmetic"), (A, B), "must have its shape"),
    # --- reduce, scan
    "sum: mean's rule": Bug("reduce", u(np.sum, lambda g, input_shape: g.expand(input_shape) / 12.0), (A,), "12 is the number of elements"),
    "mean: over all, not the dim": Bug("reduce", u(lambda x: x.mean(1), lambda g, input_shape: g.unsqueeze(1).expand(input_shape) / 12.0), (A,), "3 is the number"),
    "sum(0): laid along the other dim": Bug("reduce", u(lambda x: x.sum(0), lambda g: g.unsqueeze(1).expand((3, 3))), (SQUARE,), "dims 0 and 1 are swapped"),
    "var: correction": Bug("reduce", u(lambda x: x.var(1, ddof=1), lambda g, input: g.unsqueeze(1) * 2 * (input - input.mean(1, keepdim=True)) / 4.0), (A,), "0.75 times"),
    "max: ties counted twice": Bug("reduce", u(lambda x: x.max(1), lambda g, input, y: g.unsqueeze(1) * (input == y.unsqueeze(1))), (np.array([[1.0, 1.0, 0.5]]),)),
    "max: index of the smallest": Bug("reduce", u(lambda x: x.max(1), lambda g, input: g.unsqueeze(1) * (input == input.amin(1, keepdim=True))), (distinct(2, 4),)),
    "prod: own factor kept": Bug("reduce", u(lambda x: x.prod(1), lambda g, y: (g * y).unsqueeze(1).expand(3, 4)), (A,), "its own value is too much"),
    "cumsum: summed the same way": Bug("scan", u(lambda x: x.cumsum(1), lambda g: g.cumsum(1)), (A,)),
    "cumsum: own element left out": Bug("scan", u(lambda x: x.cumsum(1), lambda g: g.flip(1).cumsum(1).flip(1) - g), (A,)),
    "sort: permutation not inverted": Bug("scan", u(lambda x: x[[3, 0, 4, 1, 2]], lambda g: g[[3, 0, 4, 1, 2]]), (array(5),), "wrong places"),
    # --- shape, join, index
    "transpose: not turned back": Bug("shape", u(lambda x: x.T.copy(), lambda g: g), (SQUARE,), "dims 0 and 1 are swapped"),
    "flip: not turned back": Bug("shape", u(lambda x: np.flip(x, 1).copy(), lambda g: g), (array(2, 5),), "dim 1 is reversed"),
    "permute: applied twice": Bug("shape", u(lambda x: x.transpose(1, 2, 0).copy(), lambda g: g.permute(1, 2, 0)), (array(3, 3, 3),)),
    "roll: one too few": Bug("join", u(lambda x: np.roll(x, 2, 1), lambda g: g.roll(-1, 1)), (array(2, 6),), "dim 1 is shifted"),
    "cat: parts exchanged": Bug("join", b(lambda x, y: np.concatenate([x, y], 1), lambda g: g[:, 4:], lambda g: g[:, :4]), (A, B)),
    "repeat: copies not summed": Bug("join", u(lambda x: np.tile(x, (2, 1)), lambda g: g[:3]), (A,)),
    "gather: repeated rows written": Bug("index", u(lambda x: x[ROWS], lambda g, input_shape: assigned(g, input_shape, wrap(ROWS))), (A,)),
    "slice: starts one late": Bug("index", u(lambda x: x[:, 1:4].copy(), lambda g: F.pad(g, (2, 1))), (array(2, 6),), "dim 1 is shifted"),
    "embedding: repeated words written": Bug("embedding", lambda: embedding(lambda g, weight_shape, index: assigned(g, weight_shape, index)), (array(4, 3), ROWS)),
    "embedding: one word left out": Bug("embedding", lambda: embedding(lambda g, weight_shape, index: (one_hot(index) * wrap(np.array([0.0, 1, 1, 1]))).to(g.dtype).t() @ g), (array(4, 3), ROWS)),
    # --- linalg
    "matmul: transpose missing": Bug("linalg", b(np.matmul, lambda g, other: g @ other, lambda g, input: input.t() @ g), (SQUARE, array(3, 3, seed=1))),
    "matmul: order": Bug("linalg", b(np.matmul, lambda g, other: g @ other.t(), lambda g, input: g @ input.t()), (SQUARE, array(3, 3, seed=1)), "input 1"),
    "bmm: batch averaged": Bug("linalg", b(np.matmul, lambda g, other: g @ other.mT, lambda g, input: (input.mT @ g).mean(0)), (array(2, 3, 4), array(4, 2))),
    "inverse: sign": Bug("linalg", u(lambda x: np.linalg.inv(x + 3 * np.eye(3, dtype=x.dtype)), lambda g, y: y.t() @ g @ y.t()), (SQUARE,), "sign is flipped"),
    # --- activation
    "softmax: sum missing": Bug("activation", u(softmax, lambda g, y: g * y), (A,), "term"),
    "softmax: sum over the wrong dim": Bug("activation", u(softmax, lambda g, y: y * (g - (g * y).sum(0, keepdim=True))), (SQUARE,)),
    "relu: slope of neither side at 0": Bug("activation", u(lambda x: np.maximum(x, 0), lambda g, input: g * (input > 0) + g * 1.5 * (input == 0)), (np.array([0.0, 1.0, -1.0]),)),
    "leaky relu: slope on both sides": Bug("activation", u(lambda x: np.where(x > 0, x, 0.1 * x), lambda g, input: g * ((input > 0) + 0.1)), (SIGNED,)),
    "sigmoid: of the input": Bug("activation", u(lambda x: 1 / (1 + np.exp(-x)), lambda g, input: g * input * (1 - input)), (A,)),
    "gelu: constant to four places": Bug("activation", u(gelu, gelu_rule(0.7979)), (SIGNED,)),
    "swish: product rule's second half": Bug("activation", u(lambda x: x / (1 + np.exp(-x)), lambda g, input: g * input.sigmoid()), (SIGNED,)),
    # --- conv
    "conv: stride ignored in the adjoint": Bug("conv", convolution({"stride": 2}, lambda g, other: back(g, other)), (X, W)),
    "conv: padding off by one": Bug("conv", convolution({"padding": 1}, lambda g, other: back(g, other)), (X, W), "shifted"),
    "conv: filter turned round": Bug("conv", convolution({}, lambda g, other: back(g, other.flip(2, 3))), (X, W)),
    "conv: channels and filters swapped": Bug("conv", convolution({}, lambda g, other: back(g, other.transpose(0, 1))), (array(1, 3, 5, 5), array(3, 3, 3, 3))),
    "conv: stride ignored for the filter": Bug("conv", convolution({"stride": 2}, None, lambda g, input: back_w(g, input)), (X, W), "input 1"),
    "conv: height and width exchanged": Bug("conv", convolution({"padding": 1}, None, lambda g, input: back_w(g.mT, input.mT, 1)), (X, W), "dims 2 and 3 are swapped"),
    "conv: padding missing for the filter": Bug("conv", convolution({"padding": 1}, None, lambda g, input: back_w(g, F.pad(input, (0, 2, 0, 2)))), (X, W), "input 1"),
    # --- pool
    "max-pool: ties counted twice": Bug("pool", lambda: pooled(lambda w: (w == w.amax(-1, keepdim=True)).double()), (TIES,)),
    "max-pool: always the first": Bug("pool", lambda: pooled(lambda w: wrap(np.array([1.0, 0.0])).expand(w.shape)), (distinct(2, 6),)),
    "max-pool: stale index": Bug("pool", stale_mask, (distinct(2, 6),)),
    "avg-pool: not divided": Bug("pool", u(on_arrays(lambda x: F.avg_pool2d(x, 2)), lambda g: g.repeat_interleave(2, 2).repeat_interleave(2, 3)), (array(1, 2, 4, 4),), "4 is the number"),
    "avg-pool: tiled, not repeated": Bug("pool", u(on_arrays(lambda x: F.avg_pool2d(x, 2)), lambda g: g.repeat(1, 1, 2, 2) / 4.0), (array(1, 2, 4, 4),)),
    # --- norm
    "layer norm: mean's term missing": Bug("norm", u(normed, norm_rule(mean=False)), (A,), "sums or averages over dim 1"),
    "layer norm: variance's term missing": Bug("norm", u(normed, norm_rule(project=False)), (A,), "sums or averages over dim 1"),
    "layer norm: divided by n - 1": Bug("norm", u(normed, norm_rule(n=3.0)), (A,)),
    # --- loss
    "cross-entropy: mean forgotten": Bug("loss", lambda: nll(lambda g, input, target: g * (input.softmax(1) - one_hot(target))), (A, CLASSES), "3 is the number"),
    "cross-entropy: one-hot missing": Bug("loss", lambda: nll(lambda g, input: g * input.softmax(1) / 3.0), (A, CLASSES)),
    "mse: target's sign": Bug("loss", b(lambda x, y: ((x - y) ** 2).sum(), lambda g, input, other: g * 2 * (input - other), lambda g, input, other: g * 2 * (input - other)), (A, B), "sign is flipped"),
    # --- resample
    "pad: border passed on": Bug("resample", u(lambda x: np.pad(x[:, 1:-1], ((0, 0), (1, 1))), lambda g: g * 1.0), (array(2, 6),), "only the border of dim 1"),
    "nearest: shifted by half": Bug("resample", u(lambda x: x.repeat(2, 1), lambda g: g.roll(1, 1).reshape(2, 5, 2).sum(2)), (array(2, 5),)),
    # --- precision
    "product in float32": Bug("precision", u(lambda x: x**3, in_float32(lambda g, x: g * 3 * x * x)), (A,)),
    "sum in float32": Bug("precision", b(lambda x, y: x @ y, lambda g, other: (g.float() @ other.float().t()).double(), lambda g, input: input.t() @ g), (A, array(4, 5))),
    "forward in float32": Bug("precision", u(lambda x: np.sin(x.astype(np.float32)).astype(x.dtype), lambda g, input: g * input.cos()), (A,)),
    "step for float64 in float32 too": Bug("precision", u(lambda x: x * 2, lambda g: g * 2 if g.dtype == mg.float64 else ((g * 2 + 4096) - 4096)), (A,)),
    # --- promises
    "input changed by the call": Bug("promises", spoils_input, (A,)),
    "input changed by the rule": Bug("promises", u(np.square, spoils("input")), (A,)),
    "cotangent changed by the rule": Bug("promises", u(np.square, spoils("g")), (A,)),
    "rule differs from run to run": Bug("promises", lambda: u(np.exp, noisy(1e-9))(), (A,)),
    "forward differs from run to run": Bug("promises", lambda: u((lambda rng: lambda x: x + 1e-12 * rng.normal(size=x.shape))(np.random.default_rng(0)), lambda g: g)(), (A,)),
    "result in a buffer used again": Bug("promises", scratch, (A,)),
    "gradient in a buffer used again": Bug("promises", scratch_gradient, (A,)),
    "results hoarded": Bug("promises", hoards, (A,)),
    "order of memory taken for order of dims": Bug("promises", u(lambda x: 2 * x.ravel("K").reshape(x.shape), lambda g: g * 2), (A,)),
    "float64 for float32": Bug("promises", u(lambda x: x * np.ones(x.shape), lambda g: g), (A,)),
    # --- right first order, wrong second
    "sin: slope taken as constant": Bug("second order", u(np.sin, lambda g, input: g * input.detach().cos()), (A,)),
    "exp: output taken as constant": Bug("second order", u(np.exp, lambda g, y: g * y.detach()), (A,)),
    "tanh: fused rule's sign": Bug("second order", u(np.tanh, only_backward(lambda x: 1 - np.tanh(x) ** 2, lambda g, y, input: g * 2 * input.tanh() * y)), (A,), "sign is flipped"),
    "cube: fused rule's factor": Bug("second order", u(lambda x: x**3, only_backward(lambda x: 3 * x * x, lambda g, input: g * 3 * input)), (A,), "0.5 times"),
    "mul: cross term lost": Bug("second order", b(np.multiply, lambda g, other: g * other.detach(), lambda g, input: g * input), (A, B)),
    "softmax: sum taken as constant": Bug("second order", u(softmax, lambda g, y: y * (g - (g * y).sum(-1, keepdim=True).detach())), (A,)),
}
