"""Tensor: an ndarray and its place in the graph. Knows no op; ops install themselves as methods.

The array is `_data`. `_node` is the edge of the graph that made the tensor, None for a leaf; `_rg`
says whether gradients flow. What few tensors have (`_cell`, `_base`, hooks, a gradient) defaults to
the class's attribute, so that a plain result costs three stores.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import dtypes
from .engine import Node, Output
from .errors import ShapeError
from .installed import Installed
from .values import CPU, RemovableHandle, Size, device

__all__ = ["Cell", "Tensor", "check_dim", "edge_of", "wrap"]


class Cell:
    """Counts in-place changes to one buffer; shared by the tensors that view it."""

    __slots__ = ("version", "where")

    def __init__(self) -> None:
        self.version = 0
        self.where = ""


class Tensor(Installed):
    """A multi-dimensional array that can record what was done to it.

    Make one with `minigrad.tensor`, `zeros`, `randn`, `from_numpy`, ... . Calling the class
    itself does as PyTorch's: sizes give an uninitialised float tensor, a sequence its values.
    """

    __slots__ = ("__dict__", "__weakref__", "_data", "_node", "_rg")
    __array_ufunc__ = None  # ndarray + Tensor is decided by Tensor
    __array_priority__ = 1000

    _data: np.ndarray
    _node: Any
    _rg: bool
    _cell: Cell | None = None
    _base: Tensor | None = None  # the tensor of which this is a view
    _seen: int = 0  # version of the cell when this view was made
    _grad: Tensor | None = None
    _hooks: list[Callable[[Tensor], Any]] | None = None
    _inference: bool = False
    _retains: bool = False

    def __init__(self, *data: Any) -> None:
        if len(data) == 1 and not isinstance(data[0], int):
            from .convert import array_of

            array = array_of(data[0], dtypes.get_default_dtype())
        else:
            array = np.empty(data or (0,), dtypes.get_default_dtype())
        self._data, self._node, self._rg = array, None, False

    # what it is ------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """Sizes of all dims."""
        return Size(self._data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the elements."""
        return self._data.dtype

    @property
    def device(self) -> device:
        """Always `cpu`."""
        return CPU

    @property
    def ndim(self) -> int:
        """Number of dims."""
        return self._data.ndim

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._data.nbytes

    @property
    def is_cuda(self) -> bool:
        """Always False."""
        return False

    def size(self, dim: int | None = None) -> Any:
        """All sizes, or that of one dim."""
        return self.shape if dim is None else self._data.shape[check_dim("size", dim, self.ndim)]

    def dim(self) -> int:
        """Number of dims."""
        return self._data.ndim

    def numel(self) -> int:
        """Number of elements."""
        return self._data.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each dim, in elements."""
        steps = tuple(s // self._data.itemsize for s in self._data.strides)
        return steps if dim is None else steps[check_dim("stride", dim, self.ndim)]

    def is_contiguous(self) -> bool:
        """Whether elements lie in row-major order without gaps."""
        return self._data.flags.c_contiguous

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._data.ctypes.data

    def is_inference(self) -> bool:
        """Whether this tensor was made inside `inference_mode`."""
        return self._inference

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._data.dtype.kind == "f"

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-dim tensor: it holds one number; use .item() to get it.")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise TypeError(
                "iteration over a 0-dim tensor: it holds one number; use .item() to get it."
            )
        return iter([self[i] for i in range(len(self._data))])

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise RuntimeError(
                f"bool: only a tensor with one element is true or false; got shape {self.shape}. "
                "Use .any() or .all()."
            )
        return bool(self._data.reshape(()))

    def __repr__(self) -> str:
        from .printing import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self._data.ndim else repr(self)

    # values out ------------------------------------------------------------------------------

    def item(self) -> Any:
        """The one element as a Python number."""
        if self._data.size != 1:
            raise RuntimeError(
                f"item: the tensor must have one element; got shape {self.shape}. Use .tolist()."
            )
        return self._data.item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub":
            raise TypeError(f"index: only integer tensors can be an index; got dtype {self.dtype}.")
        return int(self.item())

    def tolist(self) -> Any:
        """Nested Python lists of numbers (a number for a 0-dim tensor)."""
        return self._data.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The elements as an ndarray that shares memory with this tensor."""
        if self._rg and not force:
            raise RuntimeError(
                "numpy: this tensor requires grad, and what NumPy computes is not recorded. Use "
                "tensor.detach().numpy()."
            )
        if self._node is not None:
            self._share_cell()  # the buffer is seen from outside now
        return self._data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        if self._rg:
            raise BufferError("__dlpack__: this tensor requires grad. Export tensor.detach().")
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

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
        new = _rebuild(type(self), self._data.copy(), self._rg)
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
        return self._node.node if self._node.__class__ is Output else self._node

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
        return wrap(self._data)

    @data.setter
    def data(self, value: Any) -> None:
        self._data = value._data if isinstance(value, Tensor) else np.asarray(value, self.dtype)

    def detach(self) -> Tensor:
        """The same memory without a graph; in-place changes through it are noticed."""
        out = wrap(self._data)
        out._cell = self._share_cell()
        return out

    def detach_(self) -> Tensor:
        """Cut this tensor from its graph, in place."""
        self._node, self._rg, self._base = None, False, None
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in `.grad` as `backward` passes."""
        if not self._rg:
            raise RuntimeError("retain_grad: this tensor does not require grad.")
        if self._node is None or self._retains:
            return
        self._retains = True
        me = weakref.ref(self)

        def keep(g: Tensor) -> None:
            if (t := me()) is not None:
                t._grad = wrap(g._data.copy()) if t._grad is None else t._grad + g

        self.register_hook(keep)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook(gradient)` when the gradient is complete; what it returns replaces it."""
        if not self._rg:
            raise RuntimeError("register_hook: this tensor does not require grad.")
        _refresh(self)
        entry: Any
        if self._node is None:
            if self._hooks is None:
                self._hooks = []
            hooks, entry = self._hooks, hook
        else:
            node = self.grad_fn
            assert node is not None
            if node.hooks is None:
                node.hooks = []
            hooks, entry = node.hooks, (self.output_nr, hook)  # type: ignore[assignment]
        hooks.append(entry)
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
        return "nothing recorded" if node is None else node.name

    def _add_in_place(self, g: Tensor) -> None:
        """Add `g`, of the same shape and dtype, to a buffer that the walk owns."""
        np.add(self._data, g._data, out=self._data)

    def _share_cell(self) -> Cell:
        """The counter of in-place changes, made on first need."""
        if self._cell is None:
            self._cell = Cell()
        return self._cell


def _rebuild(cls: type[Tensor], data: np.ndarray, requires_grad: bool) -> Tensor:
    new = cls.__new__(cls)
    new._data, new._node, new._rg = data, None, requires_grad
    return new


def wrap(array: np.ndarray) -> Tensor:
    """`array` as a Tensor that shares its memory and has no graph."""
    t = Tensor.__new__(Tensor)
    t._data, t._node, t._rg = array, None, False
    return t


def check_dim(op: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; IndexError outside [-ndim, ndim)."""
    n = max(ndim, 1)
    if isinstance(dim, (bool, float)) or not hasattr(dim, "__index__"):
        raise TypeError(f"{op}: dim must be an int; got {dim!r}.")
    if not -n <= dim < n:
        raise IndexError(f"{op}: dim must be in [{-n}, {n - 1}]; got dim {dim} for {ndim} dims.")
    return dim % n


def _refresh(t: Tensor) -> None:
    """Bring a view's place in the graph up to date after its buffer was changed in place."""
    if t._base is not None and t._cell is not None and t._seen != t._cell.version:
        from .inplace import refresh_view

        refresh_view(t)


def edge_of(t: Tensor) -> Any:
    """Where a cotangent of `t` goes: its node, itself if it is a leaf, None if it needs none."""
    _refresh(t)
    return (t._node or t) if t._rg else None


def __getattr__(name: str) -> Any:  # names that moved; goes away
    if name.startswith("__"):
        raise AttributeError(name)
    from . import convert, differentiate, values

    for m in (convert, differentiate, values):
        if name in m.__all__:
            return getattr(m, name)
    raise AttributeError(name)
