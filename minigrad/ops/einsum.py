"""Sums of products over named dims: einsum and tensordot, by pairwise matrix products."""

from __future__ import annotations

import math
import operator
from typing import Any

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim
from .linalg import _one_dtype, product
from .shape import as_ints, permute

__all__ = ["einsum", "tensordot"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@op(name="einsum")
def _contract(a: Array, b: Array, labels: tuple[Any, Any, Any]) -> Array:
    """Two operands: labels are distinct in each, and each stands in the other or in the result."""
    _one_dtype("einsum", a=a, b=b)
    la, lb, out = labels
    size = dict(zip((*la, *lb), (*a.shape, *b.shape)))
    both = [c for c in la if c in lb]
    batch, summed = [c for c in both if c in out], [c for c in both if c not in out]
    rows, cols = [c for c in la if c not in both], [c for c in lb if c not in both]

    def matrices(x: Array, names: Any, *groups: list[Any]) -> Array:
        x = x.transpose([names.index(c) for g in groups for c in g])
        return x.reshape(
            [size[c] for c in batch] + [math.prod([size[c] for c in g]) for g in groups[1:]]
        )

    y = product(matrices(a, la, batch, rows, summed), matrices(b, lb, batch, summed, cols))
    order = [*batch, *rows, *cols]
    return y.reshape([size[c] for c in order]).transpose([order.index(c) for c in out])


_contract.gradient("a", lambda g, b, labels: _contract(g, b, (labels[2], labels[1], labels[0])))
_contract.gradient("b", lambda g, a, labels: _contract(g, a, (labels[2], labels[0], labels[1])))


def _fail(why: str, equation: str, shapes: Any) -> ShapeError:
    return ShapeError(f"einsum: {why}; got equation {equation!r} for shapes {shapes}.")


def _sublists(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """einsum(op1, [0, 1], op2, [1, 2], [0, 2]) as an equation and operands."""
    operands, lists = list(args[: len(args) // 2 * 2 : 2]), list(args[1::2])
    names = [
        "".join("..." if i is Ellipsis else _LETTERS[operator.index(i)] for i in labels)
        for labels in lists
    ]
    out = ""
    if len(args) % 2:
        out = "->" + "".join(
            "..." if i is Ellipsis else _LETTERS[operator.index(i)] for i in args[-1]
        )
    return ",".join(names) + out, operands


def _parse(equation: str, shapes: list[tuple[int, ...]]) -> tuple[list[list[str]], list[str]]:
    """Labels of the operands and of the result; dims of ... are '.0', '.1' from the back."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise _fail(f"{len(terms)} terms need as many operands", equation, shapes)
    labels, wide = [], 0
    for term, shape in zip(terms, shapes):
        head, dots, tail = term.partition("...")
        if not all(c in _LETTERS for c in head + tail):
            raise _fail(
                "labels must be letters, ',', '->' and one '...' per term", equation, shapes
            )
        free = len(shape) - len(head) - len(tail)
        if free < 0 or (free and not dots):
            raise _fail(
                f"term {term!r} must name every dim of its operand {shape}", equation, shapes
            )
        wide = max(wide, free)
        labels.append([*head, *[f".{free - 1 - i}" for i in range(free)], *tail])
    broad = [f".{wide - 1 - i}" for i in range(wide)]
    if not arrow:
        count = [c for term in labels for c in term]
        once = sorted({c for c in count if count.count(c) == 1 and not c.startswith(".")})
        return labels, broad + once
    head, dots, tail = right.partition("...")
    out = [*head, *(broad if dots else []), *tail]
    known = {c for term in labels for c in term}
    if not all(c in _LETTERS for c in head + tail) or len(set(out)) < len(out):
        raise _fail("the result's labels must be different letters", equation, shapes)
    if not set(out) <= known:
        raise _fail(
            f"the result's labels {sorted(set(out) - known)} stand in no term", equation, shapes
        )
    return labels, out


def _plain(x: Tensor, names: list[str]) -> tuple[Tensor, list[str]]:
    """`x` with the diagonal taken where a label repeats."""
    names = list(names)
    for c in dict.fromkeys(names):
        while names.count(c) > 1:
            i, j = [k for k, n in enumerate(names) if n == c][:2]
            x = x.diagonal(0, i, j)
            names = [n for k, n in enumerate(names) if k not in (i, j)] + [c]
    return x, names


def _sum_out(x: Tensor, names: list[str], keep: Any) -> tuple[Tensor, list[str]]:
    dims = [i for i, c in enumerate(names) if c not in keep]
    if dims:
        x, names = x.sum(tuple(dims)), [c for c in names if c in keep]
    return x, names


@composite
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products over named dims: 'bij,bjk->bik' is a batched matrix product.

    A label in several terms multiplies along that dim, one missing after '->' is summed over, one
    repeated in a term takes the diagonal, '...' stands for dims that broadcast. Without '->', the
    result has the labels that occur once, in alphabetical order. Operands may also come as
    einsum(op1, [0, 1], op2, [1, 2], [0, 2]).

    Raises
    ------
    ValueError
        The equation does not fit the operands.
    """
    if not isinstance(equation, str):
        equation, given = _sublists((equation, *operands))
        operands = tuple(given)
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise TypeError("einsum: needs at least one operand.")
    for x in operands:
        if not isinstance(x, Tensor):
            raise TypeError(f"einsum: operands must be Tensors; got {type(x).__name__}.")
    shapes = [tuple(x._data.shape) for x in operands]
    terms, out = _parse(equation, shapes)
    size: dict[str, int] = {}
    for names, shape in zip(terms, shapes):
        for c, n in zip(names, shape):
            if size.setdefault(c, n) != n:
                if 1 not in (n, size[c]):
                    what = "dims of ..." if c.startswith(".") else f"label {c!r}"
                    raise _fail(f"{what} has sizes {size[c]} and {n}", equation, shapes)
                size[c] = max(n, size[c])
    if any(names.count(c) > 1 and len({n for k, n in zip(names, shape) if k == c}) > 1
           for names, shape in zip(terms, shapes) for c in names):  # fmt: skip
        raise _fail("a repeated label needs dims of one size", equation, shapes)
    parts = []
    for i, (x, names) in enumerate(zip(operands, terms)):
        x, names = _plain(x, names)
        for k in reversed(range(len(names))):  # a size 1 that broadcasts is not there
            if x._data.shape[k] == 1 and size[names[k]] != 1:
                x, names = x.squeeze(k), names[:k] + names[k + 1 :]
        others = {c for j, t in enumerate(terms) if j != i for c in t}
        parts.append(_sum_out(x, names, others | set(out)))
    (y, names), rest = parts[0], parts[1:]
    for i, (x, more) in enumerate(rest):
        keep = set(out).union(*[set(t) for _, t in rest[i + 1 :]])
        y, names = _sum_out(y, names, keep | set(more))
        x, more = _sum_out(x, more, keep | set(names))
        joint = [c for c in dict.fromkeys((*names, *more)) if c in keep]
        y, names = _contract(y, x, (tuple(names), tuple(more), tuple(joint))), joint
    y, names = _sum_out(y, names, out)
    return permute(y, [names.index(c) for c in out]) if names != out else y


@composite
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over the last `dims` dims of a and the first of b, or two given lists."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: dims must be in [0, {min(a.ndim, b.ndim)}]; got {dims}.")
        da, db = tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    else:
        da, db = (as_ints("tensordot", "dims", d) for d in dims)
    if len(da) != len(db):
        raise ShapeError(f"tensordot: dims must be two lists of one length; got {da} and {db}.")
    da = tuple(check_dim("tensordot", d, a.ndim) for d in da)
    db = tuple(check_dim("tensordot", d, b.ndim) for d in db)
    la = [f"a{i}" for i in range(a.ndim)]
    lb = [f"b{i}" for i in range(b.ndim)]
    for i, j in zip(da, db):
        if a._data.shape[i] != b._data.shape[j]:
            raise ShapeError(
                f"tensordot: summed dims must have one size; got a {tuple(a._data.shape)} dim {i}, "
                f"b {tuple(b._data.shape)} dim {j}."
            )
        lb[j] = la[i]
    out = [c for c in (*la, *lb) if not (c in la and c in lb)]
    return _contract(a, b, (tuple(la), tuple(lb), tuple(out)))
