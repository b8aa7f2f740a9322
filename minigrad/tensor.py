"""Tensor: an ndarray and its place in the graph. Knows no op; ops install themselves as methods.

The array is `_data`. `_node` is the edge of the graph that made the tensor, None for a leaf; `_rg`
says whether gradients flow. What few tensors have (`_cell`, `_base`, hooks, a gradient) defaults to
the class's attribute, so that a plain result costs three stores.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import dtypes
from .engine import Node, Output, walk
from .errors import GradientError, ShapeError

__all__ = ["Cell", "RemovableHandle", "Size", "Tensor", "as_tensor", "backward", "device", "from_numpy",
           "grad", "is_tensor", "tensor", "wrap"]

_ndarray = np.ndarray


class Cell:
    """Counts in-place changes to one buffer; shared by the tensors that view it."""

    __slots__ = ("version", "where")

    def __init__(self) -> None:
        self.version = 0
        self.where = ""


class device:
    """Where a tensor lives. There is one device, `cpu`."""

    __slots__ = ("index", "type")

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        name = type.type if isinstance(type, device) else type
        if not isinstance(name, str) or name.split(":")[0] != "cpu":
            raise RuntimeError(
                f"device: minigrad computes on the CPU only; got {name!r}. Use device('cpu'), or "
                "device('cuda' if minigrad.cuda.is_available() else 'cpu') to run anywhere."
            )
        self.type = "cpu"
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return "cpu"


CPU = device()


class Size(tuple):  # type: ignore[type-arg]
    """A shape: a tuple that also counts its elements."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"minigrad.Size({list(self)})"


class RemovableHandle:
    """Returned when a hook is registered; `remove()` takes the hook out again."""

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo: Callable[[], None] | None = undo

    def remove(self) -> None:
        """Take the hook out. A second call does nothing."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Tensor:
    """A multi-dimensional array that can record what was done to it.

    Make one with `minigrad.tensor`, `zeros`, `randn`, `from_numpy`, ... . Calling the class
    itself does as PyTorch's: sizes give an uninitialised float tensor, a sequence its values as floats.
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
            array = _array_of(data[0], dtypes.get_default_dtype())
        else:
            array = np.empty(data or (0,), dtypes.get_default_dtype())
        self._data, self._node, self._rg = array, None, False

    if TYPE_CHECKING:  # what ops install

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

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

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._data.dtype.kind == "f"

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-dim tensor: it holds one number; use .item() to get it.")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise TypeError("iteration over a 0-dim tensor: it holds one number; use .item() to get it.")
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
                "deepcopy: only tensors that were created by the user (leaves) can be copied deeply; "
                f"this one was made by {self._node_name()}. Use tensor.detach().clone()."
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
                "requires_grad: this tensor was made inside inference_mode; use tensor.clone() outside."
            )
        self._rg = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return self."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the user made this tensor, or nothing recorded leads to it."""
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
        """Call `hook(gradient)` when this tensor's gradient is complete; what it returns replaces it."""
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
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
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


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def check_dim(op: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; IndexError outside [-ndim, ndim)."""
    n = max(ndim, 1)
    if isinstance(dim, (bool, float)) or not hasattr(dim, "__index__"):
        raise TypeError(f"{op}: dim must be an int; got {dim!r}.")
    if not -n <= dim < n:
        raise IndexError(f"{op}: dim must be in [{-n}, {n - 1}]; got dim {dim} for {ndim} dims.")
    return dim % n


def _refuse(what: str, data: Any) -> NoReturn:
    raise TypeError(
        f"{what}: data must be a number, nested sequences of numbers, an ndarray or a Tensor; "
        f"got {type(data).__name__}."
    )


def _array_of(data: Any, dtype: Any, copy: bool = True) -> np.ndarray:
    """What the user typed as an ndarray of a supported dtype."""
    if dtype is not None:
        dtype = dtypes.to_dtype(dtype)
    if isinstance(data, Tensor):
        data = data._data
    from_array = isinstance(data, (_ndarray, np.generic)) or hasattr(data, "__array_interface__")
    if not from_array:
        if isinstance(data, (str, bytes, dict, set)) or data is None:
            _refuse("tensor", data)
        data = _unwrap_nested(data)
    try:
        array = np.array(data, dtype=dtype, copy=True if copy else None)
    except (ValueError, TypeError, OverflowError) as e:
        raise type(e)(f"tensor: rows must have equal lengths and hold numbers; {e}.") from None
    if array.dtype.kind not in "fiub":
        _refuse("tensor", data if array.ndim == 0 else array.flat[0] if array.size else data)
    if dtype is None:
        if from_array:
            array = array.astype(dtypes.to_dtype(array.dtype), copy=False)
        elif array.dtype.kind == "f" and not _has_float64_leaf(data):
            array = array.astype(dtypes.get_default_dtype(), copy=False)
        elif array.dtype.kind in "iu":
            array = array.astype(dtypes.int64, copy=False)
    return array


def _unwrap_nested(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data._data
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple, Tensor)):
        return [_unwrap_nested(d) for d in data]
    return data


def _has_float64_leaf(data: Any) -> bool:
    """Whether the first leaf of nested sequences is an array, whose dtype then counts."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, _ndarray)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new leaf holding a copy of `data`: a number, nested sequences, an ndarray or a Tensor.

    Python floats become the default dtype, ints int64; arrays keep their dtype.
    """
    if device is not None:
        globals()["device"](device)
    out = wrap(_array_of(data, dtype))
    if requires_grad:
        out.requires_grad = True
    return out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor, sharing memory where it can."""
    if isinstance(data, Tensor) and (dtype is None or data.dtype == dtypes.to_dtype(dtype)):
        return data
    if isinstance(data, Tensor):
        return data.to(dtype)
    return wrap(_array_of(data, dtype, copy=False))


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A Tensor that shares memory with `ndarray`: changing one changes the other."""
    if not isinstance(ndarray, _ndarray):
        raise TypeError(f"from_numpy: expected an ndarray; got {type(ndarray).__name__}. Use tensor().")
    if dtypes.to_dtype(ndarray.dtype) != ndarray.dtype:
        raise TypeError("from_numpy: the array's byte order is not this machine's. Use tensor().")
    return wrap(ndarray)


# walking the graph -------------------------------------------------------------------------------


def _refresh(t: Tensor) -> None:
    """Bring a view's place in the graph up to date after its buffer was changed in place."""
    if t._base is not None and t._cell is not None and t._seen != t._cell.version:
        from .inplace import refresh_view

        refresh_view(t)


def edge_of(t: Tensor) -> Any:
    """Where a cotangent of `t` goes: its node, itself if it is a leaf, None if it needs none."""
    _refresh(t)
    return (t._node or t) if t._rg else None


def _starts(name: str, tensors: Sequence[Tensor], seeds: Any) -> list[tuple[Any, Tensor]]:
    """Edge and cotangent of each tensor to start from."""
    if seeds is None or isinstance(seeds, (Tensor, _ndarray, int, float)):
        seeds = [seeds] * len(tensors) if seeds is None else [seeds]
    if len(seeds) != len(tensors):
        raise GradientError(
            f"{name}: needs one gradient per tensor; got {len(tensors)} tensors and {len(seeds)} gradients."
        )
    starts = []
    for t, g in zip(tensors, seeds):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected Tensors; got {type(t).__name__}.")
        edge = edge_of(t)
        if edge is None:
            why = (
                "it was computed inside no_grad, detached, or from tensors without requires_grad"
                if t.is_floating_point()
                else f"its dtype is {t.dtype}, and only floating tensors have gradients"
            )
            raise GradientError(
                f"{name}: the tensor does not require grad and has no grad_fn: {why}. Set "
                "requires_grad=True on the parameters before the forward pass."
            )
        if g is None:
            if t._data.size != 1:
                raise GradientError(
                    f"{name}: grad can be implicitly created only for scalar outputs; got shape "
                    f"{tuple(t._data.shape)}. Reduce it first, as in y.sum().backward(), or pass its "
                    "cotangent, as in y.backward(minigrad.ones_like(y))."
                )
            g = wrap(np.ones_like(t._data))
        g = as_tensor(g)
        if g._data.shape != t._data.shape:
            raise ShapeError(
                f"{name}: the gradient must have the tensor's shape {tuple(t._data.shape)}; "
                f"got {tuple(g._data.shape)}."
            )
        if g._data.dtype != t._data.dtype:
            g = g.to(t._data.dtype)
        starts.append((edge, g))
    return starts


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, inputs: Any = None,
) -> None:
    """Add the gradient of the sum of `tensors` (times `grad_tensors`) to the `.grad` of leaves.

    See `Tensor.backward` for the arguments.
    """
    targets = None
    if inputs is not None:
        inputs = _as_list(inputs)
        if not inputs:
            raise GradientError("backward: `inputs` is empty; leave it out to reach every leaf.")
        targets = [edge_of(t) for t in inputs]
        if any(e is None for e in targets):
            raise GradientError("backward: every one of `inputs` must require grad.")
    starts = _starts("backward", _as_list(tensors), grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    found = walk(starts, targets, keep, create_graph)
    del starts
    if inputs is not None:
        for t, edge in zip(inputs, targets or ()):
            if t._node is not None and edge in found:
                g = found.pop(edge)
                _accumulate(t, g, create_graph)
    while found:
        leaf, g = found.popitem()
        if isinstance(leaf, Tensor):
            _accumulate(leaf, g, create_graph)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs` (times `grad_outputs`) with respect to `inputs`.

    Touches no `.grad`. An input that does not take part gives an error, None with
    `allow_unused`, or zeros with `materialize_grads`.
    """
    if is_grads_batched:
        raise NotImplementedError(
            "grad: is_grads_batched is not supported. Call grad once per cotangent."
        )
    tensors = _as_list(inputs)
    edges = []
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"grad: inputs must be Tensors; got {type(t).__name__} at place {i}.")
        edge = edge_of(t)
        if edge is None:
            raise GradientError(
                f"grad: every input must require grad; input {i} of shape {tuple(t._data.shape)} does "
                "not. Set requires_grad=True on it before the forward pass."
            )
        edges.append(edge)
    keep = create_graph if retain_graph is None else retain_graph
    found = walk(_starts("grad", _as_list(outputs), grad_outputs), edges, keep, create_graph)
    result: list[Tensor | None] = []
    for i, (t, edge) in enumerate(zip(tensors, edges)):
        g = found.get(edge)
        if g is not None and edge is t:
            g = _run_hooks(t, g)
        if g is None and materialize_grads:
            g = wrap(np.zeros_like(t._data))
        if g is None and not allow_unused:
            raise GradientError(
                f"grad: input {i} of shape {tuple(t._data.shape)} was not used in the graph of the "
                "outputs. Pass allow_unused=True to get None for it."
            )
        result.append(g)
    return tuple(result)


def _run_hooks(leaf: Tensor, g: Tensor) -> Tensor:
    for hook in list(leaf._hooks or ()):
        new = hook(g)
        g = g if new is None else new
    return g


def _accumulate(leaf: Tensor, g: Tensor, recorded: bool) -> None:
    """Add `g` to the leaf's gradient, taking over its buffer if nothing else refers to it."""
    hooked = bool(leaf._hooks)  # a hook may have kept what it was given
    if hooked:
        g = _run_hooks(leaf, g)
    if leaf._grad is None:
        own = recorded or (not hooked and _sole(g))
        leaf._grad = g if own else wrap(np.array(g._data, order="C"))
    elif recorded:
        leaf._grad = leaf._grad + g
    else:
        np.add(leaf._grad._data, g._data, out=leaf._grad._data)
        if leaf._grad._cell is not None:
            leaf._grad._cell.version += 1
    for hook in list(leaf.__dict__.get("_post_hooks", ())):
        hook(leaf)


def _sole(g: Tensor) -> bool:
    """Whether `g` and its buffer are referred to by the call chain of `_accumulate` alone."""
    a = g._data
    if a.base is not None or not a.flags.c_contiguous or not a.flags.writeable:
        return False
    t, d = sys.getrefcount(g), sys.getrefcount(a)
    return t <= _SOLE[0] and d <= _SOLE[1]


def _calibrate() -> tuple[int, int]:
    """The counts that a tensor has in `_sole` when only `backward`'s loop holds it.

    Counts depend on the interpreter's version, so they are read from a tensor that is known
    to be held by nothing else, along the same chain of calls.
    """
    seen: list[tuple[int, int]] = []

    def sole(g: Tensor) -> bool:
        a = g._data
        seen.append((sys.getrefcount(g), sys.getrefcount(a)))
        return False

    def accumulate(leaf: Any, g: Tensor, recorded: bool) -> None:
        sole(g)

    found = {"leaf": wrap(np.zeros(1))}
    while found:
        leaf, g = found.popitem()
        accumulate(leaf, g, False)
    return seen[0]


_SOLE = _calibrate()
