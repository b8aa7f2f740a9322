"""Cross-entropy and the negative log likelihood. Softmax is in softmax.py.

For class indices the loss is one op and its gradient another, both over the rows of a matrix. With
T[r,c] what a row's target, class weights, smoothing and reduction come to, all constants,

    loss = −Σ_{r,c} T[r,c]·log p[r,c],  gradient = (Σ_c T[r,c])·p[r,c] − T[r,c],  p = softmax(x),

which is all that its rules need.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import loss as kernels
from ..op import Array, composite, op
from ..tensor import Tensor, wrap
from .arguments import floating, shape_of, shown, tensor_of
from .reduction import reduced, reduction_of
from .softmax import _softmax, log_softmax, softmax_grad

__all__ = ["check_class_weight", "check_classes", "cross_entropy", "nll_loss"]


def _row_weights(
    target: Array, weight: Array | None, ignore_index: int | None, dtype: np.dtype[Any]
) -> tuple[Array, Array, Array]:
    """Per row: the class (0 where ignored), its weight (0 where ignored), whether it counts."""
    counts = np.ones(len(target), bool) if ignore_index is None else target != ignore_index
    classes = np.where(counts, target, 0).astype(np.int64, copy=False)
    weights = counts.astype(dtype)
    if weight is not None:
        weights *= weight[classes]
    return classes, weights, counts


def _is_plain(
    input: Array, weight: Array | None, ignore_index: int | None, label_smoothing: float
) -> bool:
    """Whether T is 1 at the target of each row and 0 elsewhere: what most models train with."""
    return weight is None and ignore_index is None and not label_smoothing and input.size > 0


@op(name="cross_entropy")
def _cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross-entropy of scores (R, C) with class indices (R,), which were checked.

    `ignore_index` None says that no row is ignored.
    """
    r = len(input)
    if _is_plain(input, weight, ignore_index, label_smoothing):
        ones = np.ones(r, input.dtype)
        loss = kernels.cross_entropy(input, target.astype(np.int64, copy=False), ones)
        return loss if reduction == "none" else loss.sum() / (r if reduction == "mean" else 1)
    classes, weights, counts = _row_weights(target, weight, ignore_index, input.dtype)
    loss = kernels.cross_entropy(input, classes, weights)
    if label_smoothing:
        logp = kernels.log_softmax(input)
        every = -(logp if weight is None else logp * weight).sum(axis=1)
        share = label_smoothing / max(input.shape[1], 1)
        loss = loss * (1 - label_smoothing) + np.where(counts, every, 0) * share
    loss = loss.astype(input.dtype, copy=False)
    if reduction == "none":
        return loss
    return loss.sum() / weights.sum() if reduction == "mean" else loss.sum()


@op
def cross_entropy_grad(
    grad: Array,
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Gradient of `_cross_entropy` in the scores: (Σ_c T)·softmax(x) − T, times `grad`."""
    if _is_plain(input, weight, ignore_index, label_smoothing):
        r = len(input)
        scale = np.empty(r, input.dtype)
        scale[:] = grad if grad.ndim else grad / (r if reduction == "mean" else 1)
        return kernels.cross_entropy_grad(
            input, target.astype(np.int64, copy=False), scale, scale
        )
    classes, weights, counts = _row_weights(target, weight, ignore_index, input.dtype)
    factor = grad / weights.sum() if reduction == "mean" else grad
    if not label_smoothing:
        scale = weights * factor
        if not np.isfinite(scale).all():  # the mean of nothing: 0 · infinity
            scale[~counts] = 0
        return kernels.cross_entropy_grad(input, classes, scale, scale)
    totals, share = _totals(classes, weights, counts, weight, input.shape[1], label_smoothing)
    target = (1 - label_smoothing) * weights * factor
    gx = kernels.cross_entropy_grad(input, classes, totals * factor, target)
    spread = (counts * factor * share)[:, None]
    gx -= spread if weight is None else spread * weight
    if not counts.all():
        gx[~counts] = 0  # also where the mean is of nothing, and the factor infinite
    return gx


def _totals(
    classes: Array,
    weights: Array,
    counts: Array,
    weight: Array | None,
    c: int,
    label_smoothing: float,
) -> tuple[Array, float]:
    """Σ_c T[r,c] of each row before the reduction, and what smoothing gives to every class."""
    share = label_smoothing / max(c, 1)
    every = c if weight is None else weight.sum()
    totals = (1 - label_smoothing) * weights + counts * (share * every)
    return totals.astype(weights.dtype, copy=False), share


_cross_entropy.gradient("input", cross_entropy_grad)


@cross_entropy_grad.gradient("grad")
def _(
    g: Tensor,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int | None,
    reduction: str,
    label_smoothing: float,
    grad_shape: tuple[int, ...],
) -> Tensor:
    one = wrap(np.ones(grad_shape, g.dtype))
    unit = cross_entropy_grad(one, input, target, weight, ignore_index, reduction, label_smoothing)
    return (g * unit).sum(1) if reduction == "none" else (g * unit).sum()


@cross_entropy_grad.gradient("input")
def _(
    g: Tensor,
    grad: Tensor,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    w = None if weight is None else weight._data
    classes, weights, counts = _row_weights(target._data, w, ignore_index, input.dtype)
    totals, _ = _totals(classes, weights, counts, w, input.shape[1], label_smoothing)
    if reduction == "mean":
        totals = np.where(counts, totals / weights.sum(), 0)
    factor = (grad * wrap(totals)).unsqueeze(1)
    return softmax_grad(g * factor, _softmax(input, 1), 1)


@composite
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of scores (logits) with the right classes, or with probabilities.

        loss[n] = −w[t_n] · log softmax(x[n])[t_n]

    Parameters
    ----------
    input : (N, C) or (N, C, d1, ...) or (C,) float
        Scores, not probabilities: softmax is part of the loss.
    target : (N,) or (N, d1, ...) or () int64 in [0, C); or the input's shape, float
        The right class of each row, or the probability of each class.
    weight : (C,) float, optional
        Of the classes. 'mean' divides by the summed weights of the targets.
    ignore_index : int
        Rows with this target count nowhere. Only with class indices.
    reduction : {'mean', 'sum', 'none'}
        'mean' of no rows is NaN.
    label_smoothing : float in [0, 1]
        This much of each target is spread evenly over the classes.

    Returns
    -------
    () float, or with reduction 'none' the shape of the class indices

    Raises
    ------
    IndexError
        A class is outside [0, C).
    TypeError
        Class indices that are not int64 (or uint8); dtypes that differ.
    """
    reduction = reduction_of("cross_entropy", reduction, size_average, reduce)
    x, t = tensor_of("cross_entropy", "input", input), tensor_of("cross_entropy", "target", target)
    floating("cross_entropy", input=x, weight=weight)
    n = x._data.ndim
    if not 0 <= label_smoothing <= 1:
        raise ShapeError(
            "cross_entropy: label_smoothing must be between 0 and 1; got label_smoothing "
            f"{label_smoothing}."
        )
    if not n:
        raise ShapeError("cross_entropy: input must be (N, C) or (C,); got input ().")
    check_class_weight("cross_entropy", x, weight)
    if t._data.shape == x._data.shape:
        return _with_probabilities(x, t, weight, ignore_index, reduction, label_smoothing)
    ignored = None if check_classes("cross_entropy", x, t, ignore_index) else ignore_index
    if n == 2:
        return _cross_entropy(x, t, weight, ignored, reduction, label_smoothing)
    rows = x.unsqueeze(0) if n == 1 else x.movedim(1, -1).reshape(-1, x.shape[1])
    y = _cross_entropy(rows, t.reshape(-1), weight, ignored, reduction, label_smoothing)
    return y.reshape(shape_of(t)) if reduction == "none" else y


def _with_probabilities(
    x: Tensor,
    t: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    if t._data.dtype.kind != "f":
        raise TypeError(
            "cross_entropy: a target of the input's shape holds probabilities and must be "
            f"floating; got target {shape_of(t)} of dtype {t.dtype}. Use target.argmax(1) for "
            "one-hot targets."
        )
    if ignore_index >= 0:
        raise ShapeError(
            "cross_entropy: ignore_index needs class indices; got target of dtype "
            f"{t.dtype}, ignore_index {ignore_index}."
        )
    dim, c = min(1, x.ndim - 1), x.shape[min(1, x.ndim - 1)]
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / max(c, 1)
    terms = log_softmax(x, dim) * t
    if weight is not None:
        terms = terms * weight.reshape(-1, *[1] * (x.ndim - 1 - dim))
    loss = -terms.sum(dim)
    if reduction == "mean":
        return loss.sum() / max(x.numel() // max(c, 1), 1) if x.numel() else loss.sum() / 0.0
    return reduced(loss, reduction)


def check_class_weight(op: str, x: Tensor, weight: Tensor | None) -> None:
    """The weights must be one per class."""
    if weight is None:
        return
    c = x.shape[min(1, x.ndim - 1)]
    if shape_of(weight) != (c,):
        raise ShapeError(
            f"{op}: weight must be ({c},), one per class; got {shown(input=x, weight=weight)}."
        )


def check_classes(op: str, x: Tensor, t: Tensor, ignore_index: int | None) -> bool:
    """The target must have the input's shape without the class dim, and hold classes.

    Returns
    -------
    bool
        No element is ignored.
    """
    whole = hasattr(ignore_index, "__index__") and not isinstance(ignore_index, bool)
    if not whole and ignore_index is not None:
        raise TypeError(f"{op}: ignore_index must be an int; got ignore_index {ignore_index!r}.")
    shape, classes = x._data.shape, t._data
    wanted = shape[:1] * (len(shape) > 1) + shape[2:]
    if classes.shape != wanted and not (len(shape) == 1 and classes.shape == (1,)):
        hint = ""
        if t.ndim == x.ndim and t.shape[1:2] == (1,):
            hint = " Use target.squeeze(1)."
        raise ShapeError(
            f"{op}: target must be {wanted}, one class per row of input; got "
            f"{shown(input=x, target=t)}.{hint}"
        )
    if classes.dtype not in _INDICES:
        raise TypeError(
            f"{op}: class indices must be int64; got target of dtype {t.dtype}. Use target.long()."
        )
    c = shape[min(1, len(shape) - 1)]
    largest = classes.view(_INDICES[classes.dtype]).max() if classes.size else -1
    if largest >= c:  # without a sign, what is below 0 is large
        bad = (classes < 0) | (classes >= c)
        if ignore_index is not None:
            bad &= classes != ignore_index
        if bad.any():
            raise IndexError(
                f"{op}: target {int(classes[bad][0])} is out of bounds: classes must be in [0, {c})"
                f" for {c} classes; got {shown(input=x, target=t)}. Count classes from 0, and give "
                "the last layer one output per class."
            )
        return False
    return ignore_index is None or not 0 <= ignore_index < c


_INDICES: dict[Any, Any] = {
    np.dtype(np.int64): np.dtype(np.uint64),
    np.dtype(np.uint8): np.dtype(np.uint8),
}


@composite
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of the right classes.

        loss[n] = −w[t_n] · x[n, t_n]

    Parameters
    ----------
    input : (N, C) or (N, C, d1, ...) or (C,) float
        Log-probabilities, as `log_softmax` gives.
    target : (N,) or (N, d1, ...) or () int64 in [0, C)
    weight, ignore_index, reduction
        As in `cross_entropy`.

    Returns
    -------
    () float, or with reduction 'none' the target's shape
    """
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    x, t = tensor_of("nll_loss", "input", input), tensor_of("nll_loss", "target", target)
    floating("nll_loss", input=x, weight=weight)
    if not x.ndim:
        raise ShapeError("nll_loss: input must be (N, C) or (C,); got input ().")
    check_class_weight("nll_loss", x, weight)
    check_classes("nll_loss", x, t, ignore_index)
    w = None if weight is None else weight._data
    classes, weights, counts = _row_weights(t._data, w, ignore_index, x.dtype)
    dim = min(1, x.ndim - 1)
    index = classes if classes.ndim == x.ndim else np.expand_dims(classes, dim)
    picked = x.gather(dim, wrap(index)).reshape(shape_of(t))
    loss = (picked * -wrap(weights)).where(wrap(counts), 0.0)
    if reduction == "mean":
        return loss.sum() / float(weights.sum())
    return reduced(loss, reduction)
