"""Products of vectors and matrices. Sums of products over named dims are in einsum.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import gemm
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .shape import reshape, sum_to_size, transpose, unsqueeze

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "baddbmm",
    "bilinear",
    "bmm",
    "cross",
    "dot",
    "ger",
    "inner",
    "kron",
    "linear",
    "matmul",
    "mm",
    "mv",
    "outer",
    "trace",
    "vdot",
]


def _one_dtype(name: str, **arrays: Array | None) -> None:
    if len({a.dtype for a in arrays.values() if a is not None}) > 1:
        shown = ", ".join(f"{k} {a.dtype}" for k, a in arrays.items() if a is not None)
        raise RuntimeError(f"{name}: tensors must have one dtype; got {shown}. Use .to(dtype).")


_HALF = np.dtype(np.float16)


def product(x: Array, w: Array) -> Array:
    """np.matmul, with float16 in float32 and a stack of rows times one matrix as one product."""
    if x.dtype == _HALF:
        return product(x.astype(np.float32), w.astype(np.float32)).astype(np.float16)
    if x.ndim == 2 and w.ndim == 2:
        return gemm.matmul(x, w)
    if w.ndim == 2 and x.ndim > 2 and x.flags.c_contiguous and x.size:
        return gemm.matmul(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[1])
    return np.matmul(x, w)


@op(method="matmul __matmul__", reflected="__rmatmul__")
def matmul(input: Array, other: Array) -> Array:
    """Matrix product over the last dim of `input` and the second last of `other`.

    Leading dims broadcast; a vector counts as a row on the left, as a column on the right, and
    that dim is dropped.

    Raises
    ------
    ValueError
        The inner sizes differ, or a tensor has no dims.
    """
    _one_dtype("matmul", input=input, other=other)
    inner = other.shape[-2 if other.ndim > 1 else -1] if other.ndim else -1
    if not input.ndim or not other.ndim or input.shape[-1] != inner:
        raise ShapeError(
            "matmul: the last size of input must equal the second last of other (the only one of a "
            f"vector); got input {input.shape}, other {other.shape}."
        )
    return product(input, other)


@matmul.gradient("input")
def _(g: Tensor, other: Tensor, input_shape: Any) -> Tensor:
    if other._data.ndim == 1:
        return (unsqueeze(g, -1) if len(input_shape) > 1 else g) * other
    if len(input_shape) == 1:
        g = unsqueeze(g, -2)
        return sum_to_size(matmul(g, transpose(other, -2, -1)), (1, *input_shape)).reshape(
            input_shape
        )
    return sum_to_size(matmul(g, transpose(other, -2, -1)), input_shape)


@matmul.gradient("other")
def _(g: Tensor, input: Tensor, other_shape: Any) -> Tensor:
    x = input._data
    if x.ndim == 1:
        if len(other_shape) == 1:
            return g * input
        return unsqueeze(input, -1) * unsqueeze(g, -2)
    if len(other_shape) == 1:
        return sum_to_size(
            unsqueeze(g, -1) * input, (1,) * (x.ndim - 1) + tuple(other_shape)
        ).reshape(other_shape)
    if len(other_shape) == 2 and x.ndim > 2:  # one product over all rows
        rows = reshape(input, (-1, x.shape[-1])) if x.size else input.new_zeros((0, x.shape[-1]))
        gs = (
            g.reshape(-1, other_shape[1])
            if g._data.size
            else g.new_zeros((len(rows), other_shape[1]))
        )
        return matmul(transpose(rows, 0, 1), gs)
    return sum_to_size(matmul(transpose(input, -2, -1), g), other_shape)


def _want(name: str, **tensors: tuple[Tensor, int]) -> None:
    """Check numbers of dims, with the names as the user knows them."""
    for t, _ in tensors.values():
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected Tensors; got {type(t).__name__}.")
    if any(t._data.ndim != n for t, n in tensors.values()):
        shown = ", ".join(f"{k} {tuple(t._data.shape)}" for k, (t, _) in tensors.items())
        dims = " and ".join(f"{n}-dim {k}" for k, (_, n) in tensors.items())
        raise ShapeError(f"{name}: needs {dims}; got {shown}. Use matmul for other shapes.")


@composite(method="mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """(N, K) times (K, M)."""
    _want("mm", input=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


@composite(method="bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """(B, N, K) times (B, K, M), matrix by matrix; B must be equal."""
    _want("bmm", input=(input, 3), mat2=(mat2, 3))
    if input._data.shape[0] != mat2._data.shape[0]:
        raise ShapeError(
            f"bmm: both must have one batch size; got input {tuple(input._data.shape)}, mat2 "
            f"{tuple(mat2._data.shape)}."
        )
    return matmul(input, mat2)


@composite(method="mv")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """(N, K) times (K,)."""
    _want("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


@composite(method="dot vdot")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of products of two vectors of one length."""
    _want("dot", input=(input, 1), tensor=(tensor, 1))
    return matmul(input, tensor)


vdot = dot


@composite(method="inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last dim of both."""
    if not input.ndim or not other.ndim:
        return input * other
    if input._data.shape[-1] != other._data.shape[-1]:
        raise ShapeError(
            f"inner: the last sizes must be equal; got input {tuple(input._data.shape)}, other "
            f"{tuple(other._data.shape)}."
        )
    rows = reshape(other, (-1, other._data.shape[-1]))
    shape = (*input._data.shape[:-1], *other._data.shape[:-1])
    return matmul(input, transpose(rows, 0, 1)).reshape(shape)


@composite(method="outer ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """(N,) and (M,) to (N, M): all products."""
    _want("outer", input=(input, 1), vec2=(vec2, 1))
    return unsqueeze(input, 1) * vec2


def _added(input: Tensor, result: Tensor, beta: float, alpha: float) -> Tensor:
    result = result if alpha == 1 else result * alpha
    if beta == 0:
        return result
    total = (input if beta == 1 else input * beta) + result
    if total._data.shape != result._data.shape:
        raise ShapeError(
            f"addmm: input must broadcast to the product; got input {tuple(input._data.shape)}, "
            f"product {tuple(result._data.shape)}."
        )
    return total


@composite(method="addmm", inplace="addmm_")
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · input + alpha · mat1 @ mat2; input broadcasts. With beta 0, input is ignored."""
    return _added(input, mm(mat1, mat2), beta, alpha)


@composite(method="addmv", inplace="addmv_")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · input + alpha · mat @ vec."""
    return _added(input, mv(mat, vec), beta, alpha)


@composite(method="baddbmm", inplace="baddbmm_")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · input + alpha · batch1 @ batch2, matrix by matrix."""
    return _added(input, bmm(batch1, batch2), beta, alpha)


@composite(method="addbmm", inplace="addbmm_")
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · input + alpha · the sum over the batch of batch1 @ batch2."""
    return _added(input, bmm(batch1, batch2).sum(0), beta, alpha)


@op
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """The affine map of a fully connected layer.

        y[..., o] = sum_i x[..., i] · w[o, i] + b[o]

    Parameters
    ----------
    input : (..., I) float
    weight : (O, I) float, or (I,) for one output without its dim
    bias : (O,) float, optional

    Returns
    -------
    (..., O) float

    Raises
    ------
    ValueError
        The last size of input is not that of weight, or bias has not O elements.
    """
    x, w = input, weight
    if x.dtype is not w.dtype or (bias is not None and x.dtype is not bias.dtype):
        _one_dtype("linear", input=input, weight=weight, bias=bias)
    if w.ndim not in (1, 2) or not x.ndim or x.shape[-1] != w.shape[-1]:
        raise ShapeError(
            f"linear: the last size of input must be that of weight (O, I); got input {x.shape}, "
            f"weight {w.shape}. Flatten the input first if it is an image."
        )
    if bias is not None and bias.shape != w.shape[:-1]:
        raise ShapeError(
            f"linear: bias must have the shape {w.shape[:-1]} of the outputs; got bias "
            f"{bias.shape}, weight {w.shape}."
        )
    y = product(x, w.T)
    if bias is not None:
        y = np.add(y, bias, out=y) if isinstance(y, np.ndarray) and y.ndim else y + bias
    return y


@op
def linear_input_grad(grad: Array, weight: Array) -> Array:
    """Gradient of `linear` in its input: gx[..., i] = sum_o g[..., o] · w[o, i]."""
    return product(grad, weight) if weight.ndim == 2 else grad[..., None] * weight


@op
def linear_weight_grad(grad: Array, input: Array, weight_shape: tuple[int, ...]) -> Array:
    """Gradient of `linear` in its weight: gw[o, i] = sum_n g[n, o] · x[n, i], n over all rows."""
    g = _rows(grad, weight_shape[0] if len(weight_shape) == 2 else 1)
    return product(g.T, _rows(input, weight_shape[-1])).reshape(weight_shape)


@op
def linear_bias_grad(grad: Array, bias_shape: tuple[int, ...]) -> Array:
    """Gradient of `linear` in its bias: gb[o] = sum_n g[n, o]."""
    rows = _rows(grad, bias_shape[0] if bias_shape else 1)
    return np.add.reduce(rows, 0).reshape(bias_shape)


def _rows(x: Array, size: int) -> Array:
    """(..., size) as (N, size)."""
    if x.ndim == 2 and x.shape[1] == size:
        return x
    return x.reshape(x.size // size if size else 0, size)


linear.gradient("input", linear_input_grad)
linear.gradient("weight", linear_weight_grad)
linear.gradient("bias", linear_bias_grad)
linear_input_grad.gradient("grad", lambda g, weight: linear(g, weight))
linear_input_grad.gradient(
    "weight", lambda g, grad, weight_shape: linear_weight_grad(grad, g, weight_shape)
)
linear_weight_grad.gradient("grad", lambda g, input: linear(input, g))
linear_weight_grad.gradient("input", lambda g, grad: linear_input_grad(grad, g))
linear_bias_grad.gradient("grad", lambda g, grad_shape: g.expand(grad_shape))


@composite
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The bilinear map of two inputs.

        y[..., o] = sum_ij x1[..., i] · w[o, i, j] · x2[..., j] + b[o]

    Parameters
    ----------
    input1, input2 : (..., I) and (..., J) float, with equal leading dims
    weight : (O, I, J) float
    bias : (O,) float, optional

    Raises
    ------
    ValueError
        Sizes do not fit.
    """
    a, b, w = input1._data.shape, input2._data.shape, weight._data.shape
    if len(w) != 3 or not a or not b or a[:-1] != b[:-1] or (a[-1], b[-1]) != w[1:]:
        raise ShapeError(
            "bilinear: inputs must be (..., I) and (..., J) with equal leading dims for weight "
            f"(O, I, J); got input1 {tuple(a)}, input2 {tuple(b)}, weight {tuple(w)}."
        )
    pairs = unsqueeze(input1, -1) * unsqueeze(input2, -2)
    return linear(reshape(pairs, (*a[:-1], w[1] * w[2])), reshape(weight, (w[0], -1)), bias)


ger = outer


@composite(method="trace")
def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace: needs a matrix; got shape {tuple(input.shape)}.")
    return input.diagonal().sum()


@composite(method="kron")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Every element of `input` times the whole of `other`, block by block."""
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input._data.shape)
    b = (1,) * (n - other.ndim) + tuple(other._data.shape)
    left = reshape(input, [v for m in a for v in (m, 1)])
    right = reshape(other, [v for m in b for v in (1, m)])
    return reshape(left * right, [m * k for m, k in zip(a, b)])


@composite(method="cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector perpendicular to both, for vectors of length 3 along a dim (the first such)."""
    if dim is None:
        threes = [i for i, n in enumerate(input._data.shape) if n == 3]
        d = threes[0] if threes else 0
    else:
        d = check_dim("cross", dim, input.ndim)
    if any(x.ndim <= d or x._data.shape[d] != 3 for x in (input, other)):
        raise ShapeError(
            f"cross: both must have size 3 in dim {dim}; got input {tuple(input._data.shape)}, "
            f"other {tuple(other._data.shape)}."
        )
    return input.roll(-1, d) * other.roll(-2, d) - input.roll(-2, d) * other.roll(-1, d)
