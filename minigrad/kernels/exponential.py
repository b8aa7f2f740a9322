"""exp as plain arithmetic, which a loop that calls it can compute for a whole vector at once.

    exp(x) = 2^n · exp(r),  n = round(x / log 2),  |r| ≤ log(2) / 2

The C library's exp takes one number at a time. For exp(r): S. L. Moshier, Cephes, expf.c (a
polynomial) and exp.c (a quotient of two); errors stay below two units in the last place. Results
below the smallest normal number are 0, those beyond 1/√2 of the largest are infinity. Nothing may
be reordered here: log 2 is subtracted in two parts, the first of which has so few digits that its
multiples are exact.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.jit import exact_helper

__all__ = ["exp32", "exp64"]

_F, _I = np.float32, np.int32
_LOG2E = 1.4426950408889634


@exact_helper
def exp32(x):
    """exp of a float32."""
    low, high = _F(-87.3), _F(88.37)
    t = x if x > low else low  # NaN too
    t = t if t < high else high
    n = np.floor(t * _F(_LOG2E) + _F(0.5))
    r = (t - n * _F(0.693359375)) - n * _F(-2.12194440e-4)
    p = _F(1.9875691500e-4) * r + _F(1.3981999507e-3)
    p = p * r + _F(8.3334519073e-3)
    p = p * r + _F(4.1665795894e-2)
    p = p * r + _F(1.6666665459e-1)
    p = p * r + _F(5.0000001201e-1)
    p = p * (r * r) + r + _F(1.0)
    y = p * _I((_I(n) + 127) << 23).view(_F)
    y = y if x < high else _F(np.inf)
    return y if x > low else (_F(0.0) if x <= low else x)


@exact_helper
def exp64(x):
    """exp of a float64."""
    low, high = -708.3, 709.43
    t = x if x > low else low
    t = t if t < high else high
    n = np.floor(t * _LOG2E + 0.5)
    r = (t - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    q = r * r
    p = r * ((1.26177193074810590878e-4 * q + 3.02994407707441961300e-2) * q + 1.0)
    d = (3.00198505138664455042e-6 * q + 2.52448340349684104192e-3) * q
    d = (d + 2.27265548208155028766e-1) * q + 2.0
    y = (1.0 + 2.0 * (p / (d - p))) * np.int64((np.int64(_I(n)) + 1023) << 52).view(np.float64)
    y = y if x < high else np.inf
    return y if x > low else (0.0 if x <= low else x)
