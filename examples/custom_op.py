"""An op of your own: a Numba kernel, its gradient, and the check that the gradient is right.

    python examples/custom_op.py
"""

from __future__ import annotations

import numba
import numpy as np

import minigrad
from minigrad.op import Array, op


@numba.njit(cache=True)
def _mish(x: Array, y: Array) -> None:  # x and y are flat: one pass, no temporaries
    for i in range(x.size):
        y[i] = x[i] * np.tanh(np.log1p(np.exp(x[i])))


@op(method="mish")
def mish(input: Array) -> Array:
    """x · tanh(log(1 + eˣ)), element by element."""
    out = np.empty(input.shape, input.dtype)
    _mish(input.reshape(-1), out.reshape(-1))
    return out


@mish.gradient("input")  # written with ops, so that it can be differentiated again
def _(g, input):  # type: ignore[no-untyped-def]
    t = (1 + input.exp()).log().tanh()
    return g * (t + input * (1 - t * t) * input.sigmoid())


if __name__ == "__main__":
    x = minigrad.randn(3, 4, dtype=minigrad.float64, requires_grad=True)
    minigrad.autograd.gradcheck(mish, x)
    minigrad.autograd.gradgradcheck(mish, x)
    x.mish().sum().backward()  # the op is a method of tensors as well
    print(f"mish and its first and second gradients are right; x.grad is\n{x.grad}")
