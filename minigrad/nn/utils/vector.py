"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...complaints import taught
from ...engine import no_grad
from ...errors import ShapeError
from ...inplace import bump
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


@taught
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after the other, in a (total,) tensor."""
    from ...ops.join import cat

    return cat([p.reshape(-1) for p in parameters])


@taught
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set the parameters, in place, to the elements of `vec`.

    Raises
    ------
    TypeError
        `vec` is not a Tensor.
    ShapeError
        It does not hold exactly as many elements as the parameters.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: vec must be a Tensor; got {type(vec).__name__}.")
    parameters = list(parameters)
    total = sum(p.numel() for p in parameters)
    if vec.shape != (total,):
        raise ShapeError(
            f"vector_to_parameters: vec must be ({total},), the size of all parameters; "
            f"got shape {tuple(vec.shape)}."
        )
    start = 0
    for p in parameters:
        stop = start + p.numel()
        np.copyto(p._data, vec._data[start:stop].reshape(p.shape), casting="unsafe")
        start = stop
        with no_grad():
            bump(p, "vector_to_parameters")
