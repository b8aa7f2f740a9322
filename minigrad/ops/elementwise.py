"""Arithmetic and the elementary functions, element by element. Activations are in activation.py."""

from __future__ import annotations

import numpy as np

from ..op import Array, composite, op

__all__ = ["add", "div", "exp", "mul", "neg", "sub"]


@op(method="add __add__", reflected="__radd__", inplace="add_ __iadd__", promote="arithmetic")
def add(input: Array, other: Array, *, alpha: float = 1) -> Array:
    """Sum, element by element: input + alpha · other."""
    return np.add(input, other) if alpha == 1 else np.add(input, np.multiply(other, alpha))


add.gradient("input", lambda g: g)
add.gradient("other", lambda g, alpha: g if alpha == 1 else g * alpha)


@op(method="mul multiply __mul__", reflected="__rmul__", inplace="mul_ __imul__", promote="arithmetic")
def mul(input: Array, other: Array) -> Array:
    """Product, element by element."""
    return np.multiply(input, other)


mul.gradient("input", lambda g, other: g * other)
mul.gradient("other", lambda g, input: g * input)


@op(method="exp", inplace="exp_", promote="float")
def exp(input: Array) -> Array:
    """e to the power of each element."""
    return np.exp(input)


exp.gradient("input", lambda g, y: g * y)

@op(method="sum", name="sum")
def sum_(input: Array, dim=None, keepdim=False) -> Array:
    return input.sum(dim, keepdims=keepdim)
@sum_.gradient("input")
def _(g, input_shape, dim, keepdim):
    return g.bc(input_shape)
@op(method="bc")
def bc(input: Array, shape) -> Array:
    return np.broadcast_to(input, shape)
bc.gradient("input", lambda g: g.sum())
@op(method="reshape", view=True)
def reshape(input: Array, shape) -> Array:
    return input.reshape(shape)
reshape.gradient("input", lambda g, input_shape: g.reshape(input_shape))
