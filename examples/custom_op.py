"""Four ops of your own, each with its gradient and its check: docs/custom_ops.md explains them.

    python examples/custom_op.py
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

import minigrad
from minigrad import nn
from minigrad.op import Array, op
from minigrad.testing import check_op


# 1. NumPy alone
@op(method="swish", promote="float")
def swish(input: Array) -> Array:
    """x / (1 + e⁻ˣ), element by element."""
    return input / (1 + np.exp(-input))


swish.gradient("input", lambda g, input, y: g * (y + input.sigmoid() * (1 - y)))


# 2. Numba kernels, and a layer
#     y[p] = sum_q w[p,q] · x[q] / sum_q w[p,q],   w[p,q] = exp(−s·|p − q|² − r·(x[p] − x[q])²)
@numba.njit
def _bilateral(x: Array, s: float, r: float, radius: int, y: Array, weight: Array) -> None:
    for n, i, j in np.ndindex(x.shape):
        for u in range(max(0, i - radius), min(x.shape[1], i + radius + 1)):
            for v in range(max(0, j - radius), min(x.shape[2], j + radius + 1)):
                far, off = (u - i) ** 2 + (v - j) ** 2, x[n, u, v] - x[n, i, j]
                w = np.exp(-s * far - r * off * off)
                y[n, i, j] += w * x[n, u, v]
                weight[n, i, j] += w
        y[n, i, j] /= weight[n, i, j]


@numba.njit
def _bilateral_grad(
    g: Array, x: Array, y: Array, s: float, r: float, radius: int, weight: Array, gx: Array
) -> tuple[float, float]:
    gs = gr = 0.0
    for n, i, j in np.ndindex(x.shape):
        for u in range(max(0, i - radius), min(x.shape[1], i + radius + 1)):
            for v in range(max(0, j - radius), min(x.shape[2], j + radius + 1)):
                far, off = (u - i) ** 2 + (v - j) ** 2, x[n, u, v] - x[n, i, j]
                share = g[n, i, j] * np.exp(-s * far - r * off * off) / weight[n, i, j]
                through = share * (x[n, u, v] - y[n, i, j])  # by way of the weight
                gx[n, u, v] += share - 2 * r * off * through
                gx[n, i, j] += 2 * r * off * through
                gs -= far * through
                gr -= off * off * through
    return gs, gr


@op(outputs="y", byproducts="weight")
def bilateral(input: Array, s: Array, r: Array, radius: int = 1) -> Any:
    """Average over (2·radius + 1)² neighbours, near and similar ones most: it keeps edges.

    Tomasi and Manduchi, Bilateral filtering for gray and color images (1998), "The Gaussian Case".
    """
    y, weight = np.zeros_like(input), np.zeros_like(input)
    _bilateral(input, s.item(), r.item(), radius, y, weight)
    return y, weight


@op(outputs="gx gs gr")
def bilateral_grad(
    g: Array, input: Array, y: Array, s: Array, r: Array, radius: int, weight: Any
) -> Any:
    """The gradients of `bilateral`; with no rule of its own, so of first order only."""
    gx = np.zeros_like(input)
    return gx, *_bilateral_grad(g, input, y, s.item(), r.item(), radius, weight, gx)


bilateral.gradient("input", "s", "r")(bilateral_grad)


class Bilateral(nn.Module):
    """A filter that learns how far (s) and how unlike (r) a neighbour may be."""

    def __init__(self, radius: int = 1) -> None:
        super().__init__()
        self.radius = radius
        self.log_s, self.log_r = (nn.Parameter(minigrad.tensor(0.0)) for _ in range(2))

    def forward(self, x: minigrad.Tensor) -> minigrad.Tensor:
        return bilateral(x, self.log_s.exp(), self.log_r.exp(), self.radius)


def train(steps: int = 30) -> list[float]:
    """Losses while the filter learns to remove noise from pictures of an edge."""
    clean = minigrad.zeros(4, 16, 16)
    clean[:, :, 8:] = 1.0
    noisy = clean + 0.1 * minigrad.randn(4, 16, 16, generator=minigrad.Generator().manual_seed(0))
    layer = Bilateral()
    optimizer = minigrad.optim.Adam(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        loss = (layer(noisy) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# 3. A bug
@op
def softmax(input: Array) -> Array:
    """Exponentials, divided by their sum over the last dim."""
    e = np.exp(input - input.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


softmax.gradient("input", lambda g, y: g * y)  # should be y * (g - (g * y).sum(-1, keepdim=True))


# 4. Indices and ties
@op(outputs="y index")
def k_sparse(input: Array, k: int) -> Any:
    """Keep the k largest of the last dim, and where they stand; of equal ones the first.

    Makhzani and Frey, k-Sparse Autoencoders (2013), arXiv:1312.5663.
    """
    index = np.argsort(-input, -1, kind="stable")[..., :k]
    y = np.zeros_like(input)
    np.put_along_axis(y, index, np.take_along_axis(input, index, -1), -1)
    return y, index


@k_sparse.gradient("input")
def _(g: Any, index: Any) -> Any:
    return minigrad.zeros_like(g).scatter(-1, index, g.gather(-1, index))


if __name__ == "__main__":
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    print(check_op(swish, x, reference=lambda x: x / (1 + np.exp(-x))))
    print(check_op(bilateral, [(x, np.array(0.4), np.array(0.7))], order=1))
    losses = train()
    print(f"bilateral: the loss falls from {losses[0]:.5f} to {losses[-1]:.5f}")
    print(check_op(k_sparse, [(x, 2)]))
    print("The report on a softmax with a wrong rule:\n")
    print(check_op(softmax, np.array([[1.0, 2.0, 4.0]]), raise_exception=False))
