"""What the tensor ops say to wrong shapes, dims, dtypes, indices and modes."""

from __future__ import annotations

import math
from typing import Any

import pytest

import minigrad as mg
from minigrad import tensor

INF = math.inf
F = mg.ones(2, 3)
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: F + mg.ones(2), ValueError, r"add: shapes .* \(2, 3\), other \(2,\)"),
    (lambda: F + "a", TypeError, "add: other must be a Tensor or a number; got str"),
    (lambda: F.sum(2), IndexError, r"sum: dim must be in \[-2, 1\]; got dim 2"),
    (lambda: F.sum((0, 0)), ValueError, r"sum: each dim may appear once; got dim \(0, 0\)"),
    (lambda: F.sum(1.5), TypeError, "sum: dim must be an int"),
    (lambda: tensor([1]).mean(), RuntimeError, "mean: could not infer output dtype"),
    (lambda: F.clamp(), RuntimeError, "at least one of min and max must be given"),
    (lambda: F.div(2, rounding_mode="up"), ValueError, "None, 'floor' or 'trunc'; got 'up'"),
    (lambda: F & F, TypeError, "bitwise_and: tensors must be bool or integer; got float32"),
    (lambda: F.view(4, 2), ValueError, r"view: .* same number of elements; got shape \(4, 2\)"),
    (lambda: F.reshape(-1, -1), ValueError, "only one size can be inferred"),
    (lambda: F.reshape(-2, 3), ValueError, "sizes must be at least 0"),
    (lambda: mg.zeros(0).reshape(0, -1), ValueError, "cannot infer -1 of 0 elements"),
    (lambda: F.permute(0), ValueError, "must name every dim once"),
    (lambda: F.permute(0, 0), ValueError, "each dim may appear once"),
    (lambda: F.expand(3, 3), ValueError, r"expand: .* got size \(3, 3\) for input \(2, 3\)"),
    (lambda: F.expand(-1, 2, 3), ValueError, "expand: sizes must equal"),
    (lambda: F.narrow(1, 2, 2), ValueError, "start . length must not pass the size 3 of dim 1"),
    (lambda: F.select(0, 2), IndexError, "select: index 2 is out of range for dim 0 with size 2"),
    (lambda: F.as_strided((3, 3), (2, 1)), ValueError, "which reach element 6"),
    (lambda: F.diagonal(0, 1, 1), ValueError, "dim1 and dim2 must differ"),
    (lambda: F.unflatten(1, (2, 2)), ValueError, "unflatten: the new shape"),
    (lambda: F.split(0), ValueError, "split_size must be positive"),
    (lambda: F.split([1, 3], 1), ValueError, "add up to 3, the size of dim 1"),
    (lambda: F.chunk(0), ValueError, "chunks must be at least 1"),
    (lambda: mg.cat([]), ValueError, "needs at least one tensor"),
    (lambda: mg.cat(F), TypeError, "tensors must be a list or tuple of Tensors"),
    (lambda: mg.cat([F, mg.ones(3, 2)]), ValueError, "sizes must be equal except in dim 0"),
    (lambda: mg.stack([F, mg.ones(3)]), ValueError, "all tensors must have one shape"),
    (lambda: F.repeat(2), ValueError, "one number >= 0 per dim"),
    (lambda: F @ F, ValueError, r"matmul: .* got input \(2, 3\), other \(2, 3\)"),
    (lambda: F @ F.T.double(), RuntimeError, "matmul: tensors must have one dtype"),
    (lambda: F.mm(mg.ones(3)), ValueError, "mm: needs 2-dim input and 2-dim mat2"),
    (lambda: mg.ones(2, 1, 1).bmm(mg.ones(3, 1, 1)), ValueError, "one batch size"),
    (lambda: mg.nn.functional.linear(F, mg.ones(4, 2)), ValueError, r"linear: .* weight \(4, 2\)"),
    (lambda: mg.nn.functional.linear(F, mg.ones(4, 3), mg.ones(3)), ValueError, "bias must have"),
    (lambda: mg.einsum("ij,jk->ik", F, F), ValueError, "label 'j' has sizes 3 and 2"),
    (lambda: mg.einsum("ij->k", F), ValueError, "stand in no term"),
    (lambda: mg.einsum("i", F), ValueError, "must name every dim"),
    (lambda: mg.einsum("ij,jk", F), ValueError, "2 terms need as many operands"),
    (lambda: F.gather(0, tensor([[2]])), IndexError, "gather: index 2 is out of range for dim 0"),
    (lambda: F.gather(0, tensor([[-1]])), IndexError, "gather: index -1 is out of range"),
    (lambda: F.gather(0, tensor([0])), ValueError, "as many dims as input"),
    (lambda: F.gather(0, F), TypeError, "index must be an int64 tensor; got dtype float32"),
    (lambda: F.scatter(0, tensor([[9]]), 1.0), IndexError, "scatter: index 9 is out of range"),
    (lambda: F.scatter_add(0, tensor([[0, 0, 0, 0]]), F), ValueError, "must not be larger"),
    (lambda: F.index_select(1, tensor([3])), IndexError, "index 3 is out of range for dim 1"),
    (lambda: F.index_add(0, tensor([0]), F), ValueError, r"expected \(1, 3\)"),
    (lambda: F.take(tensor([6])), IndexError, "index 6 is out of range for a tensor of 6"),
    (lambda: F.masked_fill(F, 1.0), RuntimeError, "mask must be a bool tensor; got dtype float32"),
    (lambda: mg.where(F, F, F), RuntimeError, "condition must be a bool tensor"),
    (lambda: F.topk(4), ValueError, r"k must be in \[0, 3\]"),
    (lambda: F.kthvalue(0), ValueError, r"k must be in \[1, 3\]"),
    (lambda: F.copy_(mg.ones(4)), ValueError, "expand"),
    (lambda: F.fill_(F), RuntimeError, "a number or a 0-dim tensor"),
    (lambda: mg.zeros(-1), ValueError, r"zeros: sizes must not be negative; got \(-1,\)"),
    (lambda: mg.zeros("a"), TypeError, "sizes must be ints"),
    (lambda: mg.arange(0, 1, 0), ValueError, "step must not be 0"),
    (lambda: mg.arange(1, 0), ValueError, "direction of step"),
    (lambda: mg.arange(INF), ValueError, "end must be finite"),
    (lambda: mg.linspace(0, 1, -1), ValueError, "steps must not be negative"),
    (lambda: mg.zeros(2, dtype=mg.int64, requires_grad=True), RuntimeError, "only floating"),
    (lambda: mg.linalg.norm(F, 2, dim=(0, 1)), NotImplementedError, "singular values"),
    (lambda: mg.isclose(F, F.double()), RuntimeError, "one dtype; got float32 and float64"),
    (lambda: mg.scatter(F, 0, tensor([[0]]), 1.0, reduce="multiply"), NotImplementedError, "'add'"),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(ERRORS)))
def test_bad_arguments_are_explained(k: int) -> None:
    call, error, text = ERRORS[k]
    with pytest.raises(error, match=text):
        call()


def test_shape_errors_are_caught_as_torchs_runtime_error_too() -> None:
    with pytest.raises(RuntimeError):
        F @ F
