"""PyTorch's `linalg` namespace, as far as networks need it. Defined in ops/distance.py."""

from .ops.distance import linalg_norm as norm
from .ops.distance import vector_norm

__all__ = ["norm", "vector_norm"]
