"""Rows picked by number from a table, and numbers as one-hot rows."""

from __future__ import annotations

import numpy as np

from ..engine import no_grad
from ..errors import ShapeError
from ..inplace import bump
from ..kernels.index import scatter_add
from ..op import Array, composite, op
from ..tensor import Tensor
from .arguments import floating, shape_of, shown, tensor_of

__all__ = ["embedding", "one_hot"]


@op(name="embedding")
def _embedding(weight: Array, input: Array, padding_idx: int = -1) -> Array:
    """weight[input]; the row `padding_idx` gets no gradient."""
    return weight[input]


@op
def embedding_weight_grad(
    grad: Array, input: Array, num_embeddings: int, padding_idx: int = -1
) -> Array:
    """Adjoint of `embedding` in the table: (..., D), (...) -> (num_embeddings, D)."""
    width = grad.shape[-1]
    rows, source = input.reshape(-1).astype(np.int64), grad.reshape(input.size, width)
    if padding_idx >= 0:
        source = source[rows != padding_idx]
        rows = rows[rows != padding_idx]
    table = np.zeros((num_embeddings, width), grad.dtype)
    return scatter_add(table, np.ascontiguousarray(rows), np.ascontiguousarray(source))


_embedding.gradient(
    "weight",
    lambda g, input, weight_shape, padding_idx: embedding_weight_grad(
        g, input, weight_shape[0], padding_idx
    ),
)


@embedding_weight_grad.gradient("grad")
def _(g: Tensor, input: Tensor, padding_idx: int) -> Tensor:
    y = _embedding(g, input)
    return y if padding_idx < 0 else y.where((input != padding_idx).unsqueeze(-1), 0.0)


@composite
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table, picked by number: y[...] = weight[input[...]].

    Parameters
    ----------
    input : any shape, int64 or int32, in [0, V)
    weight : (V, D) float
    padding_idx : int in [-V, V), optional
        A row that gets no gradient.
    max_norm, norm_type : float
        Rows that are picked and whose norm exceeds max_norm are first scaled to it, in place.

    Returns
    -------
    (*input.shape, D) float

    Raises
    ------
    IndexError
        A number is outside [0, V).
    """
    name = "embedding"
    idx, w = tensor_of(name, "input", input), tensor_of(name, "weight", weight)
    floating(name, weight=w)
    if w.ndim != 2:
        raise ShapeError(f"{name}: weight must be (V, D); got {shown(weight=w)}.")
    if idx.dtype not in (np.int64, np.int32):
        raise TypeError(
            f"{name}: input must be int64 or int32; got input of dtype {idx.dtype}. Use "
            "input.long()."
        )
    if scale_grad_by_freq or sparse:
        raise NotImplementedError(
            f"{name}: scale_grad_by_freq and sparse gradients are not supported. Leave them False."
        )
    size, values = w.shape[0], idx._data
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < size:
        bad = values[(values < 0) | (values >= size)][0]
        raise IndexError(
            f"{name}: input must be in [0, {size}), the rows of weight {shape_of(w)}; got {bad}."
        )
    if padding_idx is None:
        padding_idx = -1
    elif -size <= padding_idx < size:
        padding_idx %= size
    else:
        raise ShapeError(
            f"{name}: padding_idx must be within the {size} rows of weight; got padding_idx "
            f"{padding_idx}."
        )
    if max_norm is not None:
        _renorm(w, np.unique(values), max_norm, norm_type)
    return _embedding(w, idx, padding_idx)


def _renorm(w: Tensor, rows: Array, max_norm: float, p: float) -> None:
    with no_grad():
        picked = w._data[rows]
        norms = (np.abs(picked) ** p).sum(axis=1, keepdims=True) ** (1 / p)
        scale = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1)
        w._data[rows] = picked * scale.astype(w.dtype)
        bump(w, "embedding's max_norm")


@op(differentiable=False)
def one_hot(tensor: Array, num_classes: int = -1) -> Array:
    """1 at each class, 0 elsewhere, along a new last dim.

    Parameters
    ----------
    tensor : any shape, int64, in [0, num_classes)
    num_classes : int
        -1 takes one more than the largest class.

    Returns
    -------
    (*tensor.shape, num_classes) int64
    """
    if tensor.dtype != np.int64:
        raise TypeError(
            f"one_hot: tensor must be int64; got tensor of dtype {tensor.dtype}. Use .long()."
        )
    if not tensor.size and num_classes <= 0:
        raise ShapeError("one_hot: num_classes must be given for an empty tensor; got none.")
    c = num_classes if num_classes != -1 else int(tensor.max()) + 1
    if c < 1:
        raise ShapeError(f"one_hot: num_classes must be positive; got num_classes {num_classes}.")
    if tensor.size and not 0 <= int(tensor.min()) <= int(tensor.max()) < c:
        bad = tensor[(tensor < 0) | (tensor >= c)][0]
        raise IndexError(f"one_hot: classes must be in [0, {c}) for {c} classes; got {bad}.")
    y = np.zeros((*tensor.shape, c), np.int64)
    np.put_along_axis(y, tensor[..., None], 1, axis=-1)
    return y
