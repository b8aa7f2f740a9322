"""Arguments as users type them: checked, and brought to one form. No op lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..op import Array
from ..tensor import Tensor

__all__ = [
    "batched",
    "floating",
    "ints",
    "out_size",
    "refuse_integers",
    "shape_of",
    "shown",
    "tensor_of",
]


MOST = 1 << 40  # sizes beyond overflow 64 bits when multiplied


def shape_of(x: Tensor) -> tuple[int, ...]:
    """The shape as a plain tuple, as messages show it."""
    return tuple(x._data.shape)


def shown(**tensors: Tensor | None) -> str:
    """Names and shapes for a message: "input (2, 3), weight (4, 3)"."""
    return ", ".join(f"{name} {shape_of(t)}" for name, t in tensors.items() if t is not None)


def tensor_of(op: str, name: str, value: Any) -> Tensor:
    """`value` if it is a Tensor; else a TypeError that names the argument."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{op}: {name} must be a Tensor; got {type(value).__name__}. Use minigrad.tensor(...)."
        )
    return value


def refuse_integers(op: str, x: Array) -> None:
    """Check that an op's input array is floating."""
    if x.dtype.kind != "f":
        raise TypeError(
            f"{op}: input must be floating; got input of dtype {x.dtype}. Use input.float()."
        )


def floating(op: str, **tensors: Any) -> None:
    """Check that all (Nones aside) are floating Tensors of one dtype."""
    first: tuple[str, Any] | None = None
    for name, value in tensors.items():  # `is` first: every layer comes by here
        if value is None:
            continue
        dtype = tensor_of(op, name, value)._data.dtype
        if dtype.kind != "f":
            raise TypeError(
                f"{op}: {name} must be floating; got {name} of dtype {dtype}. Use {name}.float()."
            )
        if first is None:
            first = (name, dtype)
        elif dtype is not first[1] and dtype != first[1]:
            raise TypeError(
                f"{op}: {first[0]} and {name} must have one dtype; got {first[0]} of dtype "
                f"{first[1]}, {name} of dtype {dtype}. Convert one, as in "
                f"{first[0]}.to({name}.dtype)."
            )


def ints(op: str, name: str, value: Any, n: int, least: int) -> tuple[int, ...]:
    """`value`, an int or a sequence of n ints, as a tuple of n ints that are at least `least`."""
    if value.__class__ is int and least <= value <= MOST:
        return (value,) * n
    if value.__class__ is tuple and len(value) == n:  # what layers hand over
        for v in value:
            if v.__class__ is not int or not least <= v <= MOST:
                break
        else:
            return value
    values: Sequence[Any] = value if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(v, (bool, float)) or not hasattr(v, "__index__") for v in values):
        raise TypeError(f"{op}: {name} must be an int or {n} ints; got {name} {value!r}.")
    if len(values) not in (1, n):
        raise ShapeError(f"{op}: {name} must be an int or {n} ints; got {name} {value!r}.")
    whole = tuple(int(v) for v in values)
    if any(v < least for v in whole):
        raise ShapeError(f"{op}: {name} must be at least {least}; got {name} {value!r}.")
    if any(v > MOST for v in whole):
        raise ShapeError(f"{op}: {name} must be at most 2**40; got {name} {value!r}.")
    return whole if len(whole) == n else whole * n


def batched(op: str, input: Any, letters: str) -> tuple[Tensor, bool]:
    """`input` with a batch dim, and whether it came without one.

    `letters` names the dims of a batch, as in "NCHW".
    """
    x = tensor_of(op, "input", input)
    n = len(letters)
    if x._data.ndim == n:
        return x, False
    if x._data.ndim == n - 1:
        return x.unsqueeze(0), True
    dims = ", ".join(letters)
    raise ShapeError(
        f"{op}: input must be ({dims}) or, for one sample, ({dims[3:]}); got input {shape_of(x)}. "
        "Add missing dims with unsqueeze, merge extra ones with flatten."
    )


def out_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False
) -> int:
    """How many windows fit in one dim; with `ceil_mode` the last may stand out of the image.

    A window that would start in the padding on the right is dropped.
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return out
