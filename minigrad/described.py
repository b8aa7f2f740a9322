"""What a Tensor tells of its array: sizes, layout, and the values as Python and NumPy see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import mode
from .installed import Installed
from .values import CPU, Size, device, layout, strided

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Described", "check_dim"]


class Described(Installed):
    """The part of Tensor that only reads its array."""

    __slots__ = ()

    _data: np.ndarray
    _node: Any
    _rg: bool
    _inference: bool

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

    @property
    def is_cpu(self) -> bool:
        """Always True."""
        return True

    @property
    def layout(self) -> layout:
        """Always `strided`."""
        return strided

    def size(self, dim: int | None = None) -> Any:
        """All sizes, or that of one dim."""
        return self.shape if dim is None else self._data.shape[check_dim("size", dim, self.ndim)]

    def dim(self) -> int:
        """Number of dims."""
        return self._data.ndim

    ndimension = dim

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

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether elements lie in row-major order without gaps, whatever format is asked for."""
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

    def is_nonzero(self) -> bool:
        """Whether the one element is not zero."""
        return bool(self)

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self._data.dtype.kind in "if"

    def get_device(self) -> int:
        """Always -1, as for every tensor on the CPU."""
        return -1

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

        return tensor_repr(self)  # type: ignore[arg-type] # a Tensor is the only kind

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if spec and not self._data.ndim else repr(self)

    # values out ------------------------------------------------------------------------------

    def item(self) -> Any:
        """The one element as a Python number."""
        if self._data.size != 1:
            raise RuntimeError(
                f"item: the tensor must have one element; got shape {self.shape}. Use .tolist()."
            )
        if self._rg and mode.trace is not None:
            mode.trace.leaves()
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
        if self._rg and mode.trace is not None:
            mode.trace.leaves()
        return self._data.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The elements as an ndarray that shares memory with this tensor."""
        if self._rg and mode.trace is not None:
            mode.trace.leaves()
        elif self._rg and not force and mode.recording:
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
        if self._rg and mode.trace is not None:
            mode.trace.leaves()
        elif self._rg:
            raise BufferError("__dlpack__: this tensor requires grad. Export tensor.detach().")
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()


def check_dim(op: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; IndexError outside [-ndim, ndim)."""
    n = max(ndim, 1)
    if isinstance(dim, (bool, float)) or not hasattr(dim, "__index__"):
        raise TypeError(f"{op}: dim must be an int; got {dim!r}.")
    if not -n <= dim < n:
        raise IndexError(f"{op}: dim must be in [{-n}, {n - 1}]; got dim {dim} for {ndim} dims.")
    return dim % n
