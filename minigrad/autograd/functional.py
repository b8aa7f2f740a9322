"""Products with, and rows of, Jacobians and Hessians: torch.autograd.functional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..differentiate import grad
from ..engine import enable_grad
from ..errors import GradientError, ShapeError
from ..op import registry
from ..tensor import Tensor, wrap
from .vmap import vmap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp", "vmap"]

Tensors = tuple[Tensor, ...]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Outputs of `func`, and `v` times its Jacobian (one backward pass).

    `v` has the outputs' shapes; it may be left out if there is one output with one element.
    """
    with enable_grad():
        xs = _leaves("vjp", inputs, create_graph)
        result, ys = _call("vjp", func, xs, strict)
        got = _back("vjp", ys, xs, _cotangents("vjp", v, ys), create_graph, strict)
    return _restore(result, ys, create_graph), _like(inputs, got, create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Outputs of `func`, and its Jacobian times `v` (two backward passes).

    u -> u·J is linear, and its own transposed gradient in the direction `v` is J·v. `v` has the
    inputs' shapes; it may be left out if there is one input with one element.
    """
    with enable_grad():
        xs = _leaves("jvp", inputs, create_graph)
        vs = _cotangents("jvp", v, xs)
        result, ys = _call("jvp", func, xs, strict)
        us = tuple(wrap(np.zeros_like(y._data)).requires_grad_() for y in ys)
        rows = _back("jvp", ys, xs, us, True, strict)
        got = _back("jvp", rows, us, vs, create_graph, False)
        _check_varies("jvp", got, strict and create_graph)
    return _restore(result, ys, create_graph), _like(result, got, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func`, one backward pass per output element.

    Returns
    -------
    Tensor of shape (*output, *input); for a tuple of outputs a tuple of such, and for a tuple of
    inputs a tuple (inside that) of one per input. `vectorize` changes nothing here.
    """
    if strategy != "reverse-mode":
        raise NotImplementedError(
            f"jacobian: strategy must be 'reverse-mode'; got {strategy!r}. Use jvp for columns."
        )
    with enable_grad():
        xs = _leaves("jacobian", inputs, create_graph)
        result, ys = _call("jacobian", func, xs, strict)
        blocks = tuple(_rows(y, xs, create_graph, strict) for y in ys)
    one_in, one_out = isinstance(inputs, Tensor), isinstance(result, Tensor)
    parts = tuple(b[0] if one_in else b for b in blocks)
    return parts[0] if one_out else parts


def _rows(y: Tensor, xs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """One block (*y, *x) per input: the gradients of all elements of `y`, stacked."""
    per_input: list[list[Tensor]] = [[] for _ in xs]
    for k in range(y._data.size):
        unit = np.zeros(y._data.size, y._data.dtype)
        unit[k] = 1
        seed = wrap(unit.reshape(y._data.shape))
        for rows, g in zip(per_input, _back("jacobian", (y,), xs, (seed,), create_graph, strict)):
            rows.append(g)
    blocks = []
    for rows, x in zip(per_input, xs):
        shape = (*y._data.shape, *x._data.shape)
        if create_graph and rows:
            blocks.append(registry["stack"](rows, 0).reshape(shape))
        else:
            blocks.append(wrap(np.array([r._data for r in rows], x._data.dtype).reshape(shape)))
    return tuple(blocks)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a `func` with one scalar output: (*input, *input), or a tuple of tuples."""
    one = isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Any:
        got = jacobian(_scalar("hessian", func), xs, create_graph=True, strict=strict)
        return got[0] if one else got

    return jacobian(
        gradient,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Output of a scalar `func`, and `v` times its Hessian. `v` has the inputs' shapes."""
    with enable_grad():
        xs = _leaves("vhp", inputs, create_graph)
        vs = _cotangents("vhp", v, xs)
        result, ys = _call("vhp", _scalar("vhp", func), xs, strict)
        slope = _back("vhp", ys, xs, (None,), True, strict)
        got = _back("vhp", slope, xs, vs, create_graph, strict)
    return _restore(result, ys, create_graph), _like(inputs, got, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Output of a scalar `func`, and its Hessian times `v`; as `vhp`, a Hessian being symmetric."""
    return vhp(func, inputs, v, create_graph, strict)


def _leaves(name: str, inputs: Any, create_graph: bool) -> Tensors:
    """The inputs as tensors to differentiate by: in their own graph only with `create_graph`."""
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    xs = []
    for i, t in enumerate(given):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{name}: inputs must be a Tensor or a tuple of them; got {type(t).__name__} at "
                f"place {i}."
            )
        linked = create_graph and t.requires_grad
        xs.append(t.reshape(t.shape) if linked else t.detach().requires_grad_())
    return tuple(xs)


def _call(name: str, func: Callable[..., Any], xs: Tensors, strict: bool) -> tuple[Any, Tensors]:
    result = func(*xs)
    ys = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    for i, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise TypeError(
                f"{name}: func must return a Tensor or a tuple of them; got {type(y).__name__} at "
                f"place {i}."
            )
        if strict and not y.requires_grad:
            raise GradientError(f"{name}: output {i} does not depend on the inputs (strict=True).")
    return result, ys


def _cotangents(name: str, v: Any, like: Tensors) -> Tensors:
    if v is None:
        if len(like) != 1 or like[0]._data.size != 1:
            raise GradientError(
                f"{name}: v may be left out only for one tensor with one element; got shapes "
                f"{', '.join(str(tuple(t.shape)) for t in like)}. Pass v of these shapes."
            )
        return (wrap(np.ones_like(like[0]._data)),)
    vs = tuple(v) if isinstance(v, (tuple, list)) else (v,)
    if len(vs) != len(like) or any(a.shape != b.shape for a, b in zip(vs, like)):
        raise ShapeError(
            f"{name}: v must have the shapes {', '.join(str(tuple(t.shape)) for t in like)}; got "
            f"{', '.join(str(tuple(t.shape)) for t in vs)}."
        )
    return vs


def _back(
    name: str, ys: Tensors, xs: Tensors, vs: Sequence[Any], create_graph: bool, strict: bool
) -> Tensors:
    """Gradients of <vs, ys> by `xs`; zeros where nothing depends, an error if `strict`."""
    live = [(y, v) for y, v in zip(ys, vs) if y.requires_grad]
    got: Sequence[Tensor | None] = [None] * len(xs)
    if live:
        got = grad(
            [y for y, _ in live],
            xs,
            [v for _, v in live],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    out = []
    for i, (g, x) in enumerate(zip(got, xs)):
        if g is None and strict:
            raise GradientError(f"{name}: the outputs do not depend on input {i} (strict=True).")
        out.append(wrap(np.zeros_like(x._data)) if g is None else g)
    _check_varies(name, out, strict and create_graph)
    return tuple(out)


def _check_varies(name: str, gradients: Sequence[Tensor], strict: bool) -> None:
    """Refuse gradients that are the same everywhere, if those of second order may not be zero."""
    for i, g in enumerate(gradients):
        if strict and not g.requires_grad:
            raise GradientError(
                f"{name}: the Jacobian is constant, so with create_graph its own gradient at place "
                f"{i} would be zero (strict=True). Leave strict out to get zeros."
            )


def _scalar(name: str, func: Callable[..., Any]) -> Callable[..., Tensor]:
    def checked(*xs: Tensor) -> Tensor:
        y = func(*xs)
        if not isinstance(y, Tensor) or y._data.size != 1:
            what = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise GradientError(
                f"{name}: func must return one Tensor with one element; got {what}. Sum it first."
            )
        return y.reshape(())

    return checked


def _like(given: Any, tensors: Tensors, create_graph: bool) -> Any:
    """One tensor or a tuple, as `given` was; without a graph unless asked for."""
    parts = tensors if create_graph else tuple(t.detach() for t in tensors)
    return parts if isinstance(given, (tuple, list)) else parts[0]


def _restore(result: Any, ys: Tensors, create_graph: bool) -> Any:
    return _like(result, ys, create_graph)
