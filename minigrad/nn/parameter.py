"""Parameter: a Tensor that a Module lists among what it learns. Nothing else lives here."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..convert import as_tensor
from ..tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A leaf that a Module registers when it is assigned as an attribute.

    Parameters
    ----------
    data : Tensor or ndarray
        The values; memory is shared, the graph of `data` is not.
    requires_grad : bool
        Whether `backward` collects a gradient for it.

    Raises
    ------
    RuntimeError
        `requires_grad` with values that are not floating.
    """

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        if data is None:
            data = np.empty(0, dtypes.get_default_dtype())
        if not isinstance(data, (Tensor, np.ndarray)):
            raise TypeError(
                f"Parameter: data must be a Tensor or an ndarray; got {type(data).__name__}. "
                "Use Parameter(minigrad.tensor(...))."
            )
        self._data, self._node = as_tensor(data)._data, None
        self._rg, self._cell = False, None
        if requires_grad:
            self.requires_grad = True

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
