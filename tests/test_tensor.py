"""Tensor as a container: what goes in and out, Python's protocols, and NumPy's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.testing.strategies import arrays


def test_floats_become_float32_and_ints_int64() -> None:
    assert mg.tensor([1.0]).dtype == mg.float32
    assert mg.tensor([1]).dtype == mg.int64
    assert mg.tensor([True]).dtype == mg.bool
    assert mg.tensor(np.zeros(2)).dtype == mg.float64
    assert mg.tensor([1, 2.5]).dtype == mg.float32
    assert mg.tensor([[1.0], [2.0]], dtype=mg.int32).dtype == mg.int32


def test_tensor_copies_and_from_numpy_shares() -> None:
    a = np.zeros(3)
    copied, shared, as_is = mg.tensor(a), mg.from_numpy(a), mg.as_tensor(a)
    a[0] = 7
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == as_is.tolist() == [7, 0, 0]
    assert mg.as_tensor(shared) is shared


def test_numpy_shares_memory() -> None:
    x = mg.tensor([1.0, 2.0])
    x.numpy()[0] = 9
    assert x.tolist() == [9.0, 2.0]


def test_numpy_of_a_tensor_that_requires_grad_says_detach() -> None:
    x = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"numpy: .*requires grad.*detach\(\)\.numpy\(\)"):
        x.numpy()
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(x)
    assert x.numpy(force=True).tolist() == [1.0]
    with mg.no_grad():  # inside the forward of an autograd.Function, say
        assert x.numpy().tolist() == [1.0]


@pytest.mark.parametrize(
    "data", ["text", {"a": 1}, None, [1, "a"], [[1, 2], [3]], [object()], 1j, [1 + 2j]]
)
def test_data_that_is_not_numbers_is_refused(data: object) -> None:
    with pytest.raises((TypeError, ValueError), match="tensor: "):
        mg.tensor(data)


def test_array_protocol_converts_and_copies() -> None:
    x = mg.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x._data)
    assert not np.shares_memory(np.array(x), x._data)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError):
        np.asarray(x, dtype=np.float64, copy=False)
    assert np.sum(np.asarray(x)) == 3.0


def test_dlpack_goes_out_and_shares_memory() -> None:
    x = mg.tensor([1.0, 2.0])
    a = np.from_dlpack(x)
    assert a.tolist() == [1.0, 2.0]
    assert np.shares_memory(a, x._data)
    with pytest.raises(BufferError, match=r"detach\(\)"):
        np.from_dlpack(mg.tensor([1.0], requires_grad=True))


def test_dlpack_reaches_torch() -> None:
    torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
    x = mg.tensor([[1.0, 2.0]])
    t = torch.from_dlpack(x)
    t[0, 0] = 5
    assert x.tolist() == [[5.0, 2.0]]


def test_detach_and_data_share_memory_and_clone_does_not() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert np.shares_memory(x.detach()._data, x._data)
    assert np.shares_memory(x.data._data, x._data)
    assert not np.shares_memory(x.clone()._data, x._data)
    assert not x.detach().requires_grad and not x.data.requires_grad
    assert x.clone().requires_grad and not x.clone().is_leaf


def test_detach_in_place_makes_a_leaf() -> None:
    y = mg.tensor([1.0], requires_grad=True) * 2
    y.detach_()
    assert y.is_leaf and not y.requires_grad


def test_deepcopy_of_a_leaf_copies_values_and_gradient() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy({"a": x, "b": x})
    assert y["a"] is y["b"] and y["a"] is not x
    assert y["a"].requires_grad and y["a"].grad.tolist() == [3.0, 3.0]
    assert not np.shares_memory(y["a"]._data, x._data)
    assert not np.shares_memory(y["a"].grad._data, x.grad._data)


def test_deepcopy_of_a_result_says_detach() -> None:
    with pytest.raises(RuntimeError, match=r"deepcopy: .*MulBackward0.*detach\(\)\.clone\(\)"):
        copy.deepcopy(mg.tensor([1.0], requires_grad=True) * 2)


@given(arrays())
def test_pickle_keeps_values_dtype_and_flag(a: np.ndarray) -> None:
    x = mg.tensor(a, requires_grad=True)
    y = pickle.loads(pickle.dumps(x))
    np.testing.assert_array_equal(y.detach().numpy(), a)
    assert y.dtype == x.dtype and y.requires_grad and y.is_leaf


def test_pickle_of_a_result_says_detach() -> None:
    with pytest.raises(RuntimeError, match=r"pickle: .*detach\(\)"):
        pickle.dumps(mg.tensor([1.0], requires_grad=True) * 2)


def test_one_element_converts_to_python_numbers() -> None:
    x = mg.tensor([2.5])
    assert (float(x), int(x), bool(x), x.item()) == (2.5, 2, True, 2.5)
    assert [10, 11, 12][mg.tensor(1)] == 11
    assert list(range(3))[mg.tensor(2)] == 2
    assert f"{mg.tensor(2.5):.2f}" == "2.50"


def test_several_elements_do_not() -> None:
    x = mg.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"bool: .*Size\(\[2\]\).*\.any\(\) or \.all\(\)"):
        bool(x)
    with pytest.raises(RuntimeError, match=r"item: .*one element.*tolist"):
        x.item()
    with pytest.raises(RuntimeError):
        float(x)
    with pytest.raises(TypeError, match="index: only integer"):
        [1, 2][mg.tensor(1.0)]


def test_len_iter_and_contains_go_along_the_first_dim() -> None:
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2
    first, second = x
    assert first.tolist() == [1.0, 2.0] and second.requires_grad
    assert 3.0 in x
    assert 5.0 not in x
    with pytest.raises(TypeError, match="0-dim"):
        len(mg.tensor(1.0))
    with pytest.raises(TypeError, match="0-dim"):
        iter(mg.tensor(1.0))


def test_hash_is_identity_and_equality_is_by_element() -> None:
    x, y = mg.tensor([1.0, 2.0]), mg.tensor([1.0, 3.0])
    assert (x == y).tolist() == [True, False]
    assert {x: "x", y: "y"}[x] == "x"
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711


def test_shape_is_a_tuple_with_numel() -> None:
    x = mg.zeros(2, 3)
    assert x.shape == (2, 3) and isinstance(x.shape, tuple)
    assert x.shape.numel() == x.numel() == 6
    assert (x.size(0), x.size(-1), x.dim(), x.ndim) == (2, 3, 2, 2)
    assert repr(x.shape) == "minigrad.Size([2, 3])"
    with pytest.raises(IndexError, match=r"size: dim must be in \[-2, 1\]; got dim 2"):
        x.size(2)


def test_stride_counts_elements() -> None:
    x = mg.zeros(2, 3)
    assert x.stride() == (3, 1)
    assert x.t().stride() == (1, 3)
    assert not x.t().is_contiguous() and x.t().contiguous().is_contiguous()


def test_only_the_cpu_exists() -> None:
    x = mg.zeros(2)
    assert str(x.device) == "cpu" and x.device == mg.device("cpu") and not x.is_cuda
    assert x.cpu().tolist() == x.to("cpu").tolist() == x.tolist()
    assert not mg.cuda.is_available()
    with pytest.raises(RuntimeError, match=r"CPU only; got 'cuda'.*cuda\.is_available"):
        x.to("cuda")


def test_gradient_must_fit_the_tensor() -> None:
    x = mg.zeros(2)
    with pytest.raises(TypeError, match="grad: must be a Tensor or None; got float"):
        x.grad = 1.0
    with pytest.raises(ValueError, match=r"shape \(2,\); got \(3,\)"):
        x.grad = mg.zeros(3)
    with pytest.raises(RuntimeError, match="float32; got float64"):
        x.grad = mg.zeros(2, dtype=mg.float64)
    x.grad = mg.ones(2)
    x.grad = None
    assert x.grad is None


def test_flag_of_a_result_cannot_be_taken_away() -> None:
    y = mg.tensor([1.0], requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=r"only a leaf's flag.*MulBackward0.*detach\(\)"):
        y.requires_grad = False


def test_class_called_as_in_torch() -> None:
    assert mg.Tensor(2, 3).shape == (2, 3)
    assert mg.Tensor([1, 2]).dtype == mg.float32
    assert isinstance(mg.Tensor([1.0]), mg.Tensor) and mg.is_tensor(mg.Tensor())


@pytest.mark.parametrize(
    "name", ["float16", "float32", "float64", "int8", "int16", "int32", "uint8"]
)
def test_supported_dtypes_round_trip(name: str) -> None:
    a = np.arange(3).astype(name)
    x = mg.tensor(a)
    assert x.dtype == getattr(mg, name) == np.dtype(name)
    assert x.numpy().dtype == a.dtype


def test_unsupported_dtypes_are_refused_by_name() -> None:
    for data in (np.zeros(2, np.uint16), np.zeros(2, np.complex64)):
        with pytest.raises(TypeError, match=f"{data.dtype}|numbers"):
            mg.tensor(data)
    with pytest.raises(TypeError, match="must be one of float32"):
        mg.zeros(2, dtype="float128x")
