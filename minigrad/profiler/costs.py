"""What ops cost by their definition, and what the machine could do: FLOPs, bytes, and the peaks.

A roofline: of `flops` operations on `bytes` of memory no program takes less than
max(flops / peak FLOP/s, bytes / peak bytes/s) seconds (Williams, Waterman, Patterson 2009).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..kernels.elementwise import copy
from ..kernels.jit import get_num_threads

__all__ = ["Peak", "flops_of", "peak"]

Shapes = tuple[tuple[int, ...], ...]


def _product(i: Shapes, o: Shapes) -> float:
    return 2.0 * math.prod(o[0]) * i[0][-1] if i[0] else 0.0  # (..., K) · (K, ...)


def _per_place(places: tuple[int, ...], filters: tuple[int, ...]) -> float:
    """Multiply-adds: each number of (N, F, OH, OW) meets one filter (C/groups, KH, KW)."""
    return 2.0 * math.prod(places) * math.prod(filters[1:])


def _linear_backward(i: Shapes, o: Shapes) -> float:
    """Of a cotangent (..., O): its products with weight, (..., I), and input, (O, I)."""
    return sum(2.0 * math.prod(i[0]) * s[-1] for s in o if len(s) > 1)


# By op, and by node where a backward step runs on arrays, without ops: (input shapes,
# output shapes) -> operations.
FLOPS: dict[str, Callable[[Shapes, Shapes], float]] = {
    "convolution": lambda i, o: _per_place(o[0], i[1]),
    "conv2d_input_grad": lambda i, o: _per_place(i[0], i[1]),
    "conv2d_weight_grad": lambda i, o: _per_place(i[0], o[0]),
    "linear": _product,
    "linear_input_grad": _product,
    "linear_weight_grad": _linear_backward,
    "LinearBackward0": _linear_backward,
    "matmul": _product,
}


def flops_of(op: str, inputs: Shapes, outputs: Shapes) -> float:
    """Operations of one call; 0 for ops that are not products."""
    count = FLOPS.get(op)
    return count(inputs, outputs) if count is not None and inputs and outputs else 0.0


@dataclass(frozen=True)
class Peak:
    """What the machine reaches in the best case, on the threads that kernels use."""

    flops: float  # per second
    bandwidth: float  # bytes per second, read and written together

    def seconds(self, flops: float, nbytes: float) -> float:
        """The least time for so much work."""
        return max(flops / self.flops, nbytes / self.bandwidth)


def peak(dtype: str = "float32") -> Peak:
    """The machine's peaks, measured once: a large matrix product, and copying a large array.

    Arrays that stay in the caches can be faster than this bandwidth, and an algorithm that needs
    fewer operations than the definition (Winograd) faster than these FLOP/s.
    """
    return _peak(dtype, get_num_threads())


@lru_cache(maxsize=8)
def _peak(dtype: str, threads: int) -> Peak:
    n = 1024
    a = np.ones((n, n), dtype)
    source = np.ones(1 << 24, np.float32)  # 64 MB: larger than caches
    target = np.zeros_like(source)
    product = _best(lambda: a @ a)
    moved = _best(lambda: copy(source, target))
    return Peak(2 * n**3 / product, 2 * source.nbytes / moved)


def _best(call: Callable[[], object], repeats: int = 8) -> float:
    """The least seconds of a few calls."""
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
