"""The error function, which NumPy lacks, over whole arrays. No Tensor and no user checks here.

Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
Math. Comp. 23 (1969) 631-637, with the coefficients of his program CALERF: near 0 for erf(x) / x,
on [0.46875, 4] for exp(x²) erfc(x), beyond 4 for x exp(x²) erfc(x). Errors stay below 1e-15.
Large arrays go through the C library's erf, compiled into one pass.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.jit import dense, kernel, use_jit
from minigrad.kernels.team import share

Array = NDArray[np.floating]

CHUNK = 1024  # elements for one call of the kernel
SMALL = 2048  # elements below which NumPy's passes cost less than the first compile is worth

__all__ = ["erf", "erf_reference", "erfc", "erfc_reference"]

_NEAR_TOP = (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
             3.77485237685302021e2, 3.20937758913846947e3)  # fmt: skip
_NEAR_LOW = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
             2.84423683343917062e3)  # fmt: skip
_MID_TOP = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
            6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
            1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3)  # fmt: skip
_MID_LOW = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
            1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
            3.43936767414372164e3, 1.23033935480374942e3)  # fmt: skip
_FAR_TOP = (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
            1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4)  # fmt: skip
_FAR_LOW = (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
            6.05183413124413191e-2, 2.33520497626869185e-3)  # fmt: skip


def _ratio(x: Array, top: tuple[float, ...], low: tuple[float, ...]) -> Array:
    """Quotient of two polynomials, by Horner's rule in two buffers."""
    p, q = x * top[0], x * low[0]
    for poly, factors in ((p, top), (q, low)):
        for c in factors[1:-1]:
            poly += c
            poly *= x
        poly += factors[-1]
    p /= q
    return p


def _tail(a: Array) -> Array:
    """erfc(a) for a > 0.46875."""
    mid = a <= 4
    out = np.empty_like(a)
    out[mid] = _ratio(a[mid], _MID_TOP, _MID_LOW)
    far = a[~mid]
    z = 1 / (far * far)
    out[~mid] = (1 / math.sqrt(math.pi) - z * _ratio(z, _FAR_TOP, _FAR_LOW)) / far
    # exp(-a²) by an exact square of a's leading bits, so that its error is not that of a² · eps
    head = np.trunc(a * 16) / 16
    return out * np.exp(-head * head) * np.exp(-(a - head) * (a + head))


def erf(x: Array) -> Array:
    """erf of every element, in the dtype of `x` (any shape); computed in float64."""
    if x.size > SMALL and use_jit(x):
        x = dense(x)
        flat, out = x.reshape(-1), np.empty(x.shape, x.dtype)
        to = out.reshape(-1)
        _erf.run(-(-x.size // CHUNK), 8.0 * x.size, flat, to)
        return out
    v = np.asarray(x, np.float64)
    a = np.abs(v)
    out = np.empty_like(v)
    near = ~(a > 0.46875)
    n = v[near]
    out[near] = n * _ratio(n * n, _NEAR_TOP, _NEAR_LOW)
    rest = v[~near]
    out[~near] = np.copysign(1 - _tail(np.minimum(np.abs(rest), 30.0)), rest)
    return out.astype(x.dtype)


@kernel
def _erf(team, chunks, x, out):
    for chunk in share(team, chunks):
        for i in range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(x))):
            out[i] = math.erf(x[i])


def erfc(x: Array) -> Array:
    """1 - erf of every element, in the dtype of `x`, without cancellation."""
    v = np.asarray(x, np.float64)
    out = np.empty_like(v)
    near = ~(np.abs(v) > 0.46875)
    n = v[near]
    out[near] = 1 - n * _ratio(n * n, _NEAR_TOP, _NEAR_LOW)
    rest = v[~near]
    tail = _tail(np.minimum(np.abs(rest), 30.0))
    out[~near] = np.where(rest < 0, 2 - tail, tail)
    return out.astype(x.dtype)


def erf_reference(x: Array) -> Array:
    """`erf` by the C library, element by element."""
    return np.array([math.erf(v) for v in np.ravel(x)], x.dtype).reshape(np.shape(x))


def erfc_reference(x: Array) -> Array:
    """`erfc` by the C library, element by element."""
    return np.array([math.erfc(v) for v in np.ravel(x)], x.dtype).reshape(np.shape(x))
