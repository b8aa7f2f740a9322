"""The compiled loops of softmax and cross-entropy, a chunk is one row. No policy here.

A row is read three times and stays in L1: for its largest element, for the sum of exponentials,
for the result. exp is inlined and vectorised; it bounds all of them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from minigrad.kernels.exponential import exp32, exp64
from minigrad.kernels.flow import loop
from minigrad.kernels.jit import Kernel, fill, intrinsic, kernel
from minigrad.kernels.simd import Lanes, at
from minigrad.kernels.team import share

__all__ = ["by_dtype"]


@intrinsic
def _top(typingctx, row):
    """Largest element, of NaNs aside; there must be one."""

    def codegen(context: Any, b: Any, signature: Any, args: Any) -> Any:
        from numba.core import cgutils

        array = cgutils.create_struct_proxy(signature.args[0])(context, b, value=args[0])
        pointer, n = array.data, array.nitems
        whole = Lanes(b, pointer)
        result = cgutils.alloca_once(b, whole.scalar)
        enough = b.icmp_signed(">=", n, n.type(whole.width))

        def by(v: Lanes) -> None:
            last = b.sub(n, n.type(v.width))

            def larger(i: Any, found: list[Any]) -> list[Any]:
                i = b.select(b.icmp_signed("<", i, last), i, last)  # the last ones overlap
                value = v.load(at(b, pointer, i))
                return [b.select(b.fcmp_ordered(">", value, found[0]), value, found[0])]

            (best,) = loop(b, n, v.width, [v.load(pointer)], larger)
            top = b.extract_element(best, v.ir.IntType(32)(0))
            for k in range(1, v.width):
                other = b.extract_element(best, v.ir.IntType(32)(k))
                top = b.select(b.fcmp_ordered(">", other, top), other, top)
            b.store(top, result)

        with b.if_else(enough) as (then, other):
            with then:
                by(whole)
            with other:
                by(Lanes(b, pointer, 1))
        return b.load(result)

    return row.dtype(row), codegen


def _rows(exp: Kernel) -> SimpleNamespace:
    """The loops over one dtype."""

    @kernel
    def softmax(team, chunks, x, log, y):
        """y = the softmax of the rows of x, or its logarithm."""
        for r in share(team, chunks):
            row, to = x[r], y[r]
            top, total = _top(row), x.dtype.type(0)
            for k in range(len(row)):
                e = exp(row[k] - top)
                to[k] = e
                total += e
            if log:
                rest = np.log(total)
                for k in range(len(row)):
                    to[k] = (row[k] - top) - rest
            else:
                scale = 1 / total
                for k in range(len(row)):
                    to[k] *= scale

    @kernel
    def softmax_grad(team, chunks, g, y, log, gx):
        """Gradient of `softmax` from its result."""
        for r in share(team, chunks):
            gs, ys, to = g[r], y[r], gx[r]
            total = y.dtype.type(0)
            if log:
                for k in range(len(gs)):
                    total += gs[k]
                for k in range(len(gs)):
                    to[k] = gs[k] - exp(ys[k]) * total
            else:
                for k in range(len(gs)):
                    total += gs[k] * ys[k]
                for k in range(len(gs)):
                    to[k] = ys[k] * (gs[k] - total)

    @kernel
    def cross_entropy(team, chunks, x, classes, weights, loss):
        """loss[r] = −weights[r] · log softmax(x[r])[classes[r]]; 0 where the weight is 0."""
        for r in share(team, chunks):
            row, total = x[r], x.dtype.type(0)
            if weights[r] == 0:
                loss[r] = 0
                continue
            top = _top(row)
            for k in range(len(row)):
                total += exp(row[k] - top)
            loss[r] = (np.log(total) - (row[classes[r]] - top)) * weights[r]

    @kernel
    def cross_entropy_grad(team, chunks, x, classes, scale, target, gx):
        """gx[r] = scale[r] · softmax(x[r]), less target[r] at the row's class."""
        for r in share(team, chunks):
            row, to = x[r], gx[r]
            if scale[r] == 0 and target[r] == 0:
                fill(to, 0)
                continue
            top, total = _top(row), x.dtype.type(0)
            for k in range(len(row)):
                e = exp(row[k] - top)
                to[k] = e
                total += e
            a = scale[r] / total
            for k in range(len(row)):
                to[k] *= a
            to[classes[r]] -= target[r]

    return SimpleNamespace(
        softmax=softmax, softmax_grad=softmax_grad,
        cross_entropy=cross_entropy, cross_entropy_grad=cross_entropy_grad,
    )  # fmt: skip


by_dtype = {np.dtype(np.float32): _rows(exp32), np.dtype(np.float64): _rows(exp64)}
