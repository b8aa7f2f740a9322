"""vmap: a function of single examples, called on a batch of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..op import registry
from ..tensor import Tensor

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "different",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func`, mapped over a dim of its arguments. A loop: one call of `func` per example.

        vmap(f)(x, y)[i] = f(x[i], y[i])

    It saves writing the loop and stacking the results, not time: n examples cost n calls. An op
    that takes a batch is faster. Gradients flow, and calls nest.

    Parameters
    ----------
    in_dims : int, None or tuple of them
        The dim of each argument to map over; None hands it over whole. One int is for all. An
        argument that is a tuple, list or dict of Tensors is mapped in all of them.
    out_dims : int or tuple of int
        Where the mapped dim stands in each output.
    randomness : 'different', 'same' or 'error'
        Taken as PyTorch's; only 'different' can be had, as each call draws anew.
    chunk_size : int or None
        Changes nothing here.

    Raises
    ------
    ShapeError
        The mapped dims differ in size, or are empty.
    """
    if randomness not in ("different", "error"):
        raise NotImplementedError(
            f"vmap: randomness must be 'different' (each call draws anew); got {randomness!r}."
        )

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        dims = _per_argument(in_dims, len(args))
        sizes: dict[str, int] = {}
        for i, (arg, dim) in enumerate(zip(args, dims)):
            _measure(f"argument {i}", arg, dim, sizes)
        for key, arg in kwargs.items():
            _measure(key, arg, 0 if _has_tensor(arg) else None, sizes)
        if not sizes:
            raise ShapeError(
                "vmap: at least one argument must be mapped; got in_dims of None only. Give the "
                "dim of the examples, as in vmap(f, in_dims=(0, None))."
            )
        shown = ", ".join(f"{name} {n}" for name, n in sizes.items())
        if len(set(sizes.values())) != 1:
            raise ShapeError(f"vmap: the mapped dims must have one size; got {shown}.")
        n = next(iter(sizes.values()))
        if n == 0:
            raise ShapeError(f"vmap: there must be at least one example; got {shown}.")
        results = [
            func(
                *[_select(arg, dim, i) for arg, dim in zip(args, dims)],
                **{k: _select(v, 0 if _has_tensor(v) else None, i) for k, v in kwargs.items()},
            )
            for i in range(n)
        ]
        return _stack(results, out_dims)

    return mapped


def _per_argument(in_dims: Any, n: int) -> tuple[Any, ...]:
    if isinstance(in_dims, int):
        return (in_dims,) * n
    if not isinstance(in_dims, (tuple, list)) or len(in_dims) != n:
        raise ValueError(
            f"vmap: in_dims must be an int or have one entry per argument; got in_dims {in_dims!r} "
            f"for {n} arguments."
        )
    return tuple(in_dims)


def _has_tensor(arg: Any) -> bool:
    if isinstance(arg, (tuple, list)):
        return any(_has_tensor(a) for a in arg)
    if isinstance(arg, dict):
        return any(_has_tensor(a) for a in arg.values())
    return isinstance(arg, Tensor)


def _measure(name: str, arg: Any, dim: Any, sizes: dict[str, int]) -> None:
    """Note the size of the mapped dim of every Tensor in `arg`."""
    if dim is None:
        return
    if isinstance(arg, (tuple, list, dict)):
        for key, a in arg.items() if isinstance(arg, dict) else enumerate(arg):
            _measure(f"{name}[{key!r}]", a, _inner(dim, key), sizes)
        return
    if not isinstance(arg, Tensor):
        raise ValueError(
            f"vmap: only Tensors can be mapped; got {name} {type(arg).__name__} with in_dim {dim}. "
            "Give None for it in in_dims."
        )
    if not -arg._data.ndim <= dim < arg._data.ndim:
        raise IndexError(
            f"vmap: in_dims must be dims of the arguments; got {dim} for {name} of shape "
            f"{tuple(arg._data.shape)}."
        )
    sizes[name] = arg._data.shape[dim]


def _inner(dim: Any, key: Any) -> Any:
    return dim if isinstance(dim, int) else dim[key]


def _select(arg: Any, dim: Any, i: int) -> Any:
    if dim is None:
        return arg
    if isinstance(arg, dict):
        return {k: _select(a, _inner(dim, k), i) for k, a in arg.items()}
    if isinstance(arg, (tuple, list)):
        return type(arg)([_select(a, _inner(dim, k), i) for k, a in enumerate(arg)])
    return registry["select"](arg, dim, i)


def _stack(results: list[Any], dim: Any) -> Any:
    first = results[0]
    if isinstance(first, (tuple, list)):
        dims = dim if isinstance(dim, (tuple, list)) else (dim,) * len(first)
        if len(dims) != len(first):
            raise ValueError(
                f"vmap: out_dims must be an int or have one entry per output; got {dim!r} for "
                f"{len(first)} outputs."
            )
        return tuple(_stack([r[k] for r in results], d) for k, d in enumerate(dims))
    if isinstance(first, dict):
        return {k: _stack([r[k] for r in results], dim) for k in first}
    if not isinstance(first, Tensor):
        raise ValueError(
            f"vmap: the function must return Tensors; got {type(first).__name__}. Return a Tensor, "
            "or a tuple or dict of them."
        )
    if dim is None:
        raise ValueError(
            "vmap: every output is mapped, so out_dims must be ints; got None. Return what all "
            "examples share beside vmap."
        )
    return registry["stack"](results, dim)
