"""Views: other shapes, orders and sections of the same memory. Indexing is in index.py."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Array, composite, op
from ..tensor import Tensor, check_dim

__all__ = [
    "adjoint",
    "broadcast_tensors",
    "broadcast_to",
    "expand",
    "expand_as",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "reshape_as",
    "squeeze",
    "sum_to_size",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]


def takes_sizes(call: Callable[..., Any], name: str) -> None:
    """Install `call` as the method `name` that takes its sizes one by one or as one sequence."""

    def method(self: Tensor, *sizes: Any, **kwargs: Any) -> Tensor:
        if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
            return call(self, *sizes, **kwargs)
        return call(self, sizes, **kwargs) if sizes or not kwargs else call(self, **kwargs)

    method.__name__, method.__doc__ = name, call.__doc__
    setattr(Tensor, name, method)


def as_ints(op: str, name: str, values: Any) -> tuple[int, ...]:
    """`values`, an int or a sequence of them, as a tuple of Python ints."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    try:
        return tuple([operator.index(v) for v in values])
    except TypeError:
        pass
    try:
        return (operator.index(values),)
    except TypeError:
        raise TypeError(f"{op}: {name} must be ints; got {values!r}.") from None


def _fit(name: str, shape: tuple[int, ...], size: int, old: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with its -1 worked out."""
    if shape and min(shape) < -1:
        raise ShapeError(f"{name}: sizes must be at least 0, or -1 to infer one; got {shape}.")
    if shape.count(-1) > 1:
        raise ShapeError(f"{name}: only one size can be inferred (-1); got shape {shape}.")
    if -1 in shape:
        rest = math.prod([n for n in shape if n != -1])
        if rest == 0 and size == 0:
            raise ShapeError(
                f"{name}: cannot infer -1 of 0 elements, any size would do; got shape {shape}."
            )
        if rest and size % rest == 0:
            shape = tuple([size // rest if n == -1 else n for n in shape])
    if -1 in shape or math.prod(shape) != size:
        raise ShapeError(
            f"{name}: the new shape must hold the same number of elements; got shape {shape} for "
            f"input {old} of {size} elements."
        )
    return shape


@op(view=True)
def reshape(input: Array, shape: Any) -> Array:
    """The same elements in row-major order in another shape; one size may be -1.

    A view where strides allow, else a copy.
    """
    return input.reshape(
        _fit("reshape", as_ints("reshape", "shape", shape), input.size, input.shape)
    )


reshape.gradient("input", lambda g, input_shape: reshape(g, input_shape))
takes_sizes(reshape, "reshape")


@op(view=True)
def view(input: Array, size: Any) -> Array:
    """As `reshape`, but always shares memory.

    Raises
    ------
    RuntimeError
        The strides do not allow it: use reshape, or contiguous() first.
    """
    if isinstance(size, (np.dtype, type)):
        raise NotImplementedError(
            f"view: reading memory as another dtype is not supported; got {size}. Use .to()."
        )
    shape = _fit("view", as_ints("view", "size", size), input.size, input.shape)
    y = input.reshape(shape)
    if input.size and not np.may_share_memory(y, input):
        raise ShapeError(
            "view: size is not compatible with the tensor's strides (it would need a copy); got "
            f"size {shape} for input {input.shape} that is not contiguous. Use .reshape(...)."
        )
    return y


view.gradient("input", lambda g, input_shape: reshape(g, input_shape))


def _view_method(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
    if len(size) == 1 and not isinstance(size[0], int):
        return view(self, size[0])
    return view(self, size, **kwargs) if size or not kwargs else view(self, **kwargs)


_view_method.__doc__ = view.__doc__
Tensor.view = _view_method  # type: ignore[attr-defined]


@composite(method="view_as")
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` with the shape of `other`."""
    return view(input, other._data.shape)


@composite(method="reshape_as")
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` with the shape of `other`."""
    return reshape(input, other._data.shape)


@composite(method="flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge dims `start_dim` to `end_dim` into one; a 0-dim tensor becomes (1,)."""
    n = input._data.ndim
    a, b = check_dim("flatten", start_dim, n), check_dim("flatten", end_dim, n)
    if a > b:
        raise ShapeError(
            f"flatten: start_dim must not come after end_dim; got start_dim {start_dim}, end_dim "
            f"{end_dim} for {n} dims."
        )
    if a == b and n:
        return input
    shape = input._data.shape
    return reshape(input, (*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :]))


@composite(method="ravel")
def ravel(input: Tensor) -> Tensor:
    """All elements in one dim."""
    return reshape(input, (-1,)) if input._data.size else reshape(input, (0,))


@composite(method="unflatten")
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Split a dim into several of the given sizes, one of which may be -1."""
    d = check_dim("unflatten", dim, input._data.ndim)
    shape = input._data.shape
    new = _fit("unflatten", as_ints("unflatten", "sizes", sizes), shape[d], (shape[d],))
    return reshape(input, (*shape[:d], *new, *shape[d + 1 :]))


def _dims_of(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    dims = tuple([check_dim(name, d, ndim) for d in as_ints(name, "dim", dim)])
    if len(set(dims)) < len(dims):
        raise ShapeError(f"{name}: each dim may appear once; got dim {dim}.")
    return dims


@op(method="squeeze", view=True)
def squeeze(input: Array, dim: Any = None) -> Array:
    """Drop dims of size 1: all, or those of `dim` that have size 1."""
    if dim is None:
        return input.squeeze()
    dims = _dims_of("squeeze", dim, input.ndim)
    return input.squeeze(tuple([d for d in dims if input.ndim and input.shape[d] == 1]))


squeeze.gradient("input", lambda g, input_shape: reshape(g, input_shape))


@op(method="unsqueeze", view=True)
def unsqueeze(input: Array, dim: int) -> Array:
    """Insert a dim of size 1 at `dim`."""
    d = check_dim("unsqueeze", dim, input.ndim + 1)
    return input.reshape(*input.shape[:d], 1, *input.shape[d:]) if not input.size else (
        input[(slice(None),) * d + (None,)]
    )  # fmt: skip


unsqueeze.gradient("input", lambda g, input_shape: reshape(g, input_shape))


@op(view=True)
def permute(input: Array, dims: Any) -> Array:
    """Dims in another order: dim i of the result is dim dims[i] of the input."""
    order = _dims_of("permute", dims, input.ndim)
    if len(order) != input.ndim:
        raise ShapeError(
            f"permute: dims must name every dim once; got dims {order} for {input.ndim} dims."
        )
    return input.transpose(order)


@permute.gradient("input")
def _(g: Tensor, dims: Any) -> Tensor:
    order = _dims_of("permute", dims, g._data.ndim)
    return permute(g, tuple(sorted(range(len(order)), key=order.__getitem__)))


takes_sizes(permute, "permute")


@op(method="transpose swapaxes swapdims", view=True)
def transpose(input: Array, dim0: int, dim1: int) -> Array:
    """Two dims swapped."""
    a, b = check_dim("transpose", dim0, input.ndim), check_dim("transpose", dim1, input.ndim)
    return input.swapaxes(a, b) if input.ndim else input.view()


transpose.gradient("input", lambda g, dim0, dim1: transpose(g, dim0, dim1))
swapdims = swapaxes = transpose


@composite(method="t")
def t(input: Tensor) -> Tensor:
    """The transpose of a tensor of at most 2 dims."""
    if input._data.ndim > 2:
        raise ShapeError(
            f"t: the tensor must have at most 2 dims; got shape {tuple(input._data.shape)}. Use "
            "transpose(dim0, dim1) or .mT."
        )
    return transpose(input, 0, 1) if input._data.ndim == 2 else input


@composite(method="movedim moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims `source` to the places `destination`; the others keep their order."""
    n = input._data.ndim
    src, dst = _dims_of("movedim", source, n), _dims_of("movedim", destination, n)
    if len(src) != len(dst):
        raise ShapeError(
            "movedim: source and destination must have one length; got source "
            f"{source}, destination {destination}."
        )
    order = [d for d in range(n) if d not in src]
    for to, d in sorted(zip(dst, src)):
        order.insert(to, d)
    return permute(input, order)


moveaxis = movedim


@composite
def adjoint(input: Tensor) -> Tensor:
    """The last two dims swapped."""
    if input._data.ndim < 2:
        raise ShapeError(
            f"mT: the tensor must have at least 2 dims; got shape {tuple(input._data.shape)}."
        )
    return transpose(input, -2, -1)


def _reverse(self: Tensor) -> Tensor:
    """All dims in reverse order."""
    return permute(self, tuple(range(self._data.ndim - 1, -1, -1)))


Tensor.T = property(_reverse)  # type: ignore[attr-defined]
Tensor.mT = property(adjoint, doc=adjoint.__doc__)  # type: ignore[attr-defined]
Tensor.mH = property(adjoint, doc=adjoint.__doc__)  # type: ignore[attr-defined]
Tensor.H = property(t, doc=t.__doc__)  # type: ignore[attr-defined]


@op(view=True)
def expand(input: Array, size: Any) -> Array:
    """Dims of size 1 (and new dims in front) repeated to `size` without a copy; -1 keeps a size.

    The result cannot be written: its elements share memory.
    """
    shape, old = list(as_ints("expand", "size", size)), input.shape
    extra = len(shape) - len(old)
    fits = extra >= 0
    for i, n in enumerate(shape):
        if n == -1 and i >= extra:
            shape[i] = old[i - extra]
        elif n < 0 or (i >= extra and old[i - extra] not in (1, n)):
            fits = False
    if not fits:
        raise ShapeError(
            f"expand: sizes must equal the tensor's, or stand where it has 1 or no dim; got size "
            f"{tuple(shape)} for input {old}."
        )
    ones = (1,) * extra + old
    if tuple(shape) == ones:
        return input[(None,) * extra] if extra else input.view()
    return np.broadcast_to(input, tuple(shape))


expand.gradient("input", lambda g, input_shape: g.sum_to_size(input_shape))
takes_sizes(expand, "expand")


@composite(method="expand_as")
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`."""
    return expand(input, other._data.shape)


@composite(method="broadcast_to")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`expand` to `size`."""
    return expand(input, size)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape to which all of `shapes` broadcast."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        shown = ", ".join(str(tuple(s)) for s in shapes)
        raise ShapeError(
            f"broadcast: shapes must be equal, or 1, from the last dim on; got {shown}."
        ) from None


@composite
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded to the one shape that they broadcast to."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*[x._data.shape for x in tensors])
    return tuple([expand(x, shape) for x in tensors])


@composite(method="sum_to_size")
def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Sum over the dims along which `size` would have to be broadcast to give the input's shape."""
    shape = as_ints("sum_to_size", "size", size[0] if len(size) == 1 else size)
    old = input._data.shape
    if shape == old:
        return input
    extra = len(old) - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, old[extra:])):
        raise ShapeError(f"sum_to_size: size must broadcast to the input; got {shape} for {old}.")
    dims = [*range(extra), *[extra + i for i, n in enumerate(shape) if n != old[extra + i]]]
    return reshape(input.sum(tuple(dims), True) if dims else input, shape)
