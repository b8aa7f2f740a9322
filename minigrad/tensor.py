"""Tensor: an ndarray and its place in the graph. Knows no op; ops install themselves as methods.

The array is `_data`. `_node` is the edge of the graph that made the tensor, None for a leaf; `_rg`
says whether gradients flow; `_cell` is there once something else can see or has changed the
buffer. What few tensors have (`_base`, hooks, a gradient) defaults to the class's attribute, so
that a plain result costs four stores.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .described import Described, check_dim
from .engine import Node, Output, mode
from .errors import ShapeError
from .values import RemovableHandle

__all__ = ["Cell", "Detached", "Tensor", "check_dim", "edge_of", "wrap"]


class Cell:
    """Counts in-place changes to one buffer; shared by the tensors that view it."""

    __slots__ = ("version", "where")

    def __init__(self) -> None:
        self.version = 0
        self.where = ""


class Detached(Node):
    """Edge of a tensor that a user's rule detached while it was recorded: see minigrad.trace."""

    __slots__ = ()

    def pullback(self, g: Any, wanted: Any) -> Any:
        return ()


class Tensor(Described):
    """A multi-dimensional array that can record what was done to it.

    Make one with `minigrad.tensor`, `zeros`, `randn`, `from_numpy`, ... . Calling the class
    itself does as PyTorch's: sizes give an uninitialised float tensor, a sequence its values.
    """

    __slots__ = ("__dict__", "__weakref__", "_cell", "_data", "_node", "_rg")
    __array_ufunc__ = None  # ndarray + Tensor is decided by Tensor
    __array_priority__ = 1000

    _data: np.ndarray
    _node: Any
    _rg: bool
    _cell: Cell | None
    _base: Tensor | None = None  # the tensor of which this is a view
    _seen: int = 0  # version of the cell when this view was made
    _grad: Tensor | None = None
    _hooks: list[Callable[[Tensor], Any]] | None = None
    _inference: bool = False
    _retains: tuple[int, Any] | None = None  # the hook that retain_grad put on the node

    def __init__(self, *data: Any) -> None:
        if len(data) == 1 and not isinstance(data[0], int):
            from .convert import array_of

            array = array_of(data[0], dtypes.get_default_dtype())
        else:
            array = np.empty(data or (0,), dtypes.get_default_dtype())
        self._data, self._node, self._rg, self._cell = array, None, False, None

    def __reduce__(self) -> Any:
        if self._node is not None:
            raise RuntimeError("pickle: only leaves can be stored; use tensor.detach() first.")
        return _rebuild, (type(self), self._data, self._rg)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError(
                "deepcopy: only tensors that were created by the user (leaves) can be copied "
                f"deeply; this one was made by {self._node_name()}. Use tensor.detach().clone()."
            )
        new = _rebuild(type(self), self.numpy(force=True).copy(), self._rg)
        memo[id(self)] = new
        if self._grad is not None:
            new._grad = wrap(self._grad._data.copy())
        return new

    # its place in the graph ------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow into this tensor. Can be set on leaves."""
        _refresh(self)
        return self._rg

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node.__class__ is Detached and mode.trace is not None:
            if value:
                mode.trace.as_leaf(self)
            return
        if self._node is not None:
            if not value:
                raise RuntimeError(
                    "requires_grad: only a leaf's flag can change; this tensor was made by "
                    f"{self._node_name()}. Use tensor.detach() for one without a graph."
                )
            return
        if value and self._data.dtype.kind != "f":
            raise RuntimeError(
                f"requires_grad: only floating tensors can have gradients; got dtype {self.dtype}. "
                "Use tensor.float()."
            )
        if value and self._inference:
            raise RuntimeError(
                "requires_grad: this tensor was made inside inference_mode; use "
                "tensor.clone() outside."
            )
        self._rg = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return self."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the user made this tensor, or nothing recorded leads to it."""
        _refresh(self)
        return self._node is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the graph that made this tensor."""
        _refresh(self)
        node = self._node.node if self._node.__class__ is Output else self._node
        return None if node is None else node.shown()

    @property
    def output_nr(self) -> int:
        """Which result of its node this tensor is."""
        return self._node.index if self._node.__class__ is Output else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient collected by `backward`, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: must be a Tensor or None; got {type(value).__name__}.")
            if value._data.shape != self._data.shape:
                raise ShapeError(
                    f"grad: must have the tensor's shape {tuple(self._data.shape)}; "
                    f"got {tuple(value._data.shape)}."
                )
            if value._data.dtype != self._data.dtype:
                raise RuntimeError(
                    f"grad: must have the tensor's dtype {self.dtype}; got {value.dtype}."
                )
        self._grad = value

    @property
    def _version(self) -> int:
        """How often the buffer was changed in place."""
        return 0 if self._cell is None else self._cell.version

    @property
    def data(self) -> Tensor:
        """The same memory without a graph; changes through it are not tracked."""
        if self._node is not None:
            self._share_cell()  # the buffer is seen from outside now
        return self._followed(wrap(self._data))

    @data.setter
    def data(self, value: Any) -> None:
        tensor = isinstance(value, Tensor)
        self._data = value.numpy(force=True) if tensor else np.asarray(value, self.dtype)

    def detach(self) -> Tensor:
        """The same memory without a graph; in-place changes through it are noticed."""
        out = wrap(self._data)
        out._cell = self._share_cell()
        return self._followed(out)

    def _followed(self, out: Tensor) -> Tensor:
        if self._rg and mode.trace is not None:
            mode.trace.detached(out)
        return out

    def detach_(self) -> Tensor:
        """Cut this tensor from its graph, in place."""
        self._base, flows = None, self._rg
        self._node, self._rg = None, False
        return mode.trace.detached(self) if flows and mode.trace is not None else self

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in `.grad` as `backward` passes."""
        if not self._rg:
            raise RuntimeError("retain_grad: this tensor does not require grad.")
        node = self.grad_fn
        if node is None or self._retains:
            return
        me = weakref.ref(self)

        def keep(g: Tensor) -> None:
            if (t := me()) is not None:
                new = g if g._rg else wrap(g._data.copy())
                t._grad = new if t._grad is None else t._grad + new

        self._retains = (self.output_nr, keep)
        if node.hooks is None:
            node.hooks = []
        node.hooks.append(self._retains)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook(gradient)` when the gradient is complete; what it returns replaces it."""
        if not self._rg:
            raise RuntimeError("register_hook: this tensor does not require grad.")
        _refresh(self)
        entry: Any
        hooks: list[Any]
        if self._node is None:
            if self._hooks is None:
                self._hooks = []
            hooks, entry = self._hooks, hook
        else:
            node = self.grad_fn
            assert node is not None
            if node.hooks is None:
                node.hooks = []
            hooks, entry = node.hooks, (self.output_nr, hook)
        kept: Any = self._retains  # goes last: it keeps what all other hooks have made
        hooks.insert(hooks.index(kept) if kept in hooks else len(hooks), entry)
        return RemovableHandle(lambda: hooks.remove(entry) if entry in hooks else None)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor with respect to every leaf to the leaf's `.grad`.

        Parameters
        ----------
        gradient : Tensor of this tensor's shape
            The cotangent to start from; may be left out for a scalar.
        retain_graph : bool
            Keep the graph for another pass. Default: the value of `create_graph`.
        create_graph : bool
            Record the pass itself, for gradients of gradients.
        inputs : sequence of Tensor
            Only these collect gradients.
        """
        from .differentiate import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    # internals -------------------------------------------------------------------------------

    def _node_name(self) -> str:
        node = self.grad_fn
        return "nothing recorded" if node is None else node.name()

    def _share_cell(self) -> Cell:
        """The counter of in-place changes, made on first need.

        The node that made this tensor is told, since it may have kept the buffer.
        """
        cell = self._cell
        if cell is None:
            cell = self._cell = Cell()
            edge = self._node
            if edge.__class__ is Output:
                edge.node.watch(edge.index, cell)
            elif edge is not None:
                edge.watch(0, cell)
        return cell


def _rebuild(cls: type[Tensor], data: np.ndarray, requires_grad: bool) -> Tensor:
    new = cls.__new__(cls)
    new._data, new._node, new._rg, new._cell = data, None, requires_grad, None
    return new


def wrap(array: np.ndarray) -> Tensor:
    """`array` as a Tensor that shares its memory and has no graph."""
    t = Tensor.__new__(Tensor)
    t._data, t._node, t._rg, t._cell = array, None, False, None
    return t


def _refresh(t: Tensor) -> None:
    """Bring a view's place in the graph up to date after its buffer was changed in place."""
    if t._base is not None and t._cell is not None and t._seen != t._cell.version:
        from .inplace import refresh_view

        refresh_view(t)


def edge_of(t: Tensor) -> Any:
    """Where a cotangent of `t` goes: its node, itself if it is a leaf, None if it needs none."""
    _refresh(t)
    return (t._node or t) if t._rg else None
