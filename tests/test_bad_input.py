"""Bad input ends in an error that teaches, or in PyTorch's defined result: never in anything else.

What single modules promise about errors is tested beside them; here stand the shared nets (texts of
Python and NumPy, sizes that overflow, numbers that are none) and what a fuzzer once found.
"""

from __future__ import annotations

import errno
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.utils.data import DataLoader
from minigrad.vision.transforms import functional as TF

x = minigrad.ones(3, 4)
images = minigrad.ones(1, 2, 4, 4)
filters = minigrad.ones(2, 3, 2, 2)
labels = minigrad.tensor([0, 1, 2])

BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # what nothing foresaw: the function and its arguments, not Python's bare complaint
    "no tensor": (
        lambda: F.tanhshrink(None),
        TypeError,
        r"tanhshrink: these arguments cannot be used; got input None\. The reason: .*'tanh'",
    ),
    "a dict as a number": (
        lambda: minigrad.full((2,), {}),
        TypeError,
        r"full: these arguments cannot be used; got size \(2,\), fill_value \{\}",
    ),
    "more than memory": (
        lambda: minigrad.zeros(10**9, 10**9),
        MemoryError,
        r"zeros: the result must fit in memory; got sizes \(1000000000, 1000000000\)",
    ),
    "more than an address": (
        lambda: minigrad.eye(2**40),
        ShapeError,
        r"eye: these arguments cannot be used; got n 1099511627776",
    ),
    "a layer too large": (
        lambda: nn.Linear(2**40, 2**20),
        MemoryError,
        r"Parameter: the result must fit in memory",
    ),
    "random size of text": (
        lambda: minigrad.rand("a"),
        TypeError,
        r"rand: sizes must be ints",
    ),
    # settings that must be numbers
    "text as slope": (
        lambda: F.leaky_relu(x, "a"),
        TypeError,
        r"leaky_relu: negative_slope must be a number; got negative_slope 'a'",
    ),
    "list as slope": (
        lambda: F.leaky_relu(x, [0.1, 0.2, 0.3, 0.4]),
        TypeError,
        r"leaky_relu: negative_slope must be a number; got negative_slope \[0\.1",
    ),
    "complex threshold": (
        lambda: F.threshold(x, 1j, 0.0),
        TypeError,
        r"threshold: threshold must be a number; got threshold 1j",
    ),
    "float as offset": (
        lambda: minigrad.diagonal(x, math.nan),
        TypeError,
        r"diagonal: offset must be an int; got offset nan",
    ),
    "ignored class by name": (
        lambda: F.cross_entropy(x, labels, ignore_index="a"),
        TypeError,
        r"cross_entropy: ignore_index must be an int; got ignore_index 'a'",
    ),
    # sizes
    "sizes from a dict": (
        lambda: minigrad.zeros({}),
        TypeError,
        r"zeros: sizes must be ints, or one sequence of ints; got \(\{\},\)",
    ),
    "a tensor as dtype": (
        lambda: minigrad.zeros(2, dtype=x),
        TypeError,
        r"dtype: must be one of float32.*; got tensor",
    ),
    "stride beyond 64 bits": (
        lambda: F.conv2d(images, filters[:, :2], stride=2**70),
        ShapeError,
        r"conv2d: stride must be at most 2\*\*40; got stride 1180591620717411303424",
    ),
    "transposed stride beyond memory": (
        lambda: F.conv_transpose2d(images, filters, stride=2**31),
        ShapeError,
        r"conv_transpose2d: these arguments cannot be used; .*stride 2147483648",
    ),
    "transposed into no channels": (
        lambda: F.conv_transpose2d(images, filters[:, :0]),
        ShapeError,
        r"conv_transpose2d: the result must have at least one pixel",
    ),
    "padding beyond 64 bits": (
        lambda: F.pad(x, (2**63, 0), mode="replicate"),
        ShapeError,
        r"pad: .*9223372036854775808",
    ),
    "counts up to 2**63": (  # numpy.bincount writes out of bounds there
        lambda: minigrad.bincount(minigrad.tensor([1, 2**63 - 1])),
        ShapeError,
        r"bincount: input must be small ints.*; got maximum 9223372036854775807",
    ),
    "sections without end": (
        lambda: minigrad.tensor_split(x, 2**31),
        ShapeError,
        r"tensor_split: number of sections must be at most 1048576; got 2147483648",
    ),
    "sections that do not divide": (
        lambda: minigrad.hsplit(x, 3),
        ShapeError,
        r"hsplit: the number of sections must divide the size 4 of dim 1; got 3\..*tensor_split",
    ),
    "differences less than none": (
        lambda: minigrad.diff(x, -1),
        ShapeError,
        r"diff: n must be an int that is not negative; got n -1",
    ),
    "repeats of another size": (
        lambda: minigrad.repeat_interleave(x, 2, 0, output_size=5),
        ShapeError,
        r"repeat_interleave: output_size must be the sum of repeats, 6; got output_size 5",
    ),
    # values
    "eps 0": (
        lambda: F.batch_norm(x, None, None, training=True, eps=0.0),
        ShapeError,
        r"batch_norm: eps must be positive when training; got eps 0\.0",
    ),
    "NaN as deviation": (
        lambda: minigrad.zeros(3).normal_(0, math.nan),
        RuntimeError,
        r"normal_: std must not be negative; got nan",
    ),
    "sparsity below 0": (
        lambda: nn.init.sparse_(minigrad.zeros(3, 3), -1),
        ShapeError,
        r"sparse_: sparsity must be between 0 and 1; got sparsity -1",
    ),
    "too many workers": (
        lambda: DataLoader([1], num_workers=2**31),
        ValueError,
        r"DataLoader: num_workers must be at most 1024; got num_workers 2147483648",
    ),
    "a layer of an array of channels": (
        lambda: nn.Conv2d(np.array([1, 2]), 3, 3),
        TypeError,
        r"Conv2d: in_channels must be an int; got array\(\[1, 2\]\)",
    ),
    "no probability": (
        lambda: nn.Dropout(None),  # type: ignore[arg-type]
        TypeError,
        r"Dropout: p must be a number; got p None",
    ),
    "a crop of no height": (
        lambda: TF.crop(minigrad.ones(3, 6, 6), 0, 0, None, 2),  # type: ignore[arg-type]
        TypeError,
        r"crop: these arguments cannot be used; got img \(3, 6, 6\) float32, top 0, .*height None",
    ),
    "parameters of text": (
        lambda: nn.utils.clip_grad_norm_("ab", 1.0),
        TypeError,
        r"clip_grad_norm_: these arguments cannot be used; got parameters 'ab', max_norm 1\.0",
    ),
    "dims as a list": (
        lambda: F.cosine_similarity(x, x, [0]),
        TypeError,
        r"cosine_similarity: dim must be an int; got dim \[0\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_an_error_that_teaches(name: str) -> None:
    call, kind, text = BAD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(kind, match="(?s)^" + text):
            call()


def test_an_unforeseen_error_keeps_its_cause_and_names_what_the_user_called() -> None:
    with pytest.raises(TypeError) as caught:
        F.tanhshrink(None)
    assert isinstance(caught.value.__cause__, AttributeError)
    with pytest.raises(TypeError, match=r"^conv2d\(\) missing 1 required positional argument"):
        F.conv2d(images)  # type: ignore[call-arg]


# results that PyTorch defines ------------------------------------------------------------------


def test_threshold_keeps_nan() -> None:
    y = F.threshold(minigrad.tensor([math.nan, 0.0, 2.0]), 1.0, 5.0)
    np.testing.assert_array_equal(y.numpy(), [math.nan, 5.0, 2.0])


def test_cosine_similarity_broadcasts_before_it_sums() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(1, 3, 4)), rng.normal(size=(3, 4))
    y = F.cosine_similarity(minigrad.tensor(a), minigrad.tensor(b), dim=1)
    norms = np.linalg.norm(a[0], axis=0) * np.linalg.norm(b, axis=0)
    np.testing.assert_allclose(y.numpy()[0], (a[0] * b).sum(0) / norms)


def test_gradients_beside_small_integers_do_not_wrap_around() -> None:
    big = minigrad.tensor([200], dtype=minigrad.uint8)
    b = minigrad.tensor([2.0], requires_grad=True)
    minigrad.atan2(big, b).sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), [-200 / (200**2 + 4)], rtol=1e-6)
    logits = minigrad.tensor([0.5], requires_grad=True)
    rare = minigrad.tensor([0], dtype=minigrad.uint8)
    loss = F.binary_cross_entropy_with_logits(logits, minigrad.ones(1), pos_weight=rare)
    assert loss.item() == 0


def test_differences_beyond_the_size_are_empty_at_once() -> None:
    assert minigrad.diff(x, 10**18).shape == (3, 0)


def test_numpy_numbers_are_numbers() -> None:
    assert minigrad.add(np.float64(2), x).dtype == minigrad.float32
    slope = minigrad.tensor(0.5)
    assert F.leaky_relu(-x, slope)[0, 0].item() == -0.5
    assert F.leaky_relu(-x, np.float32(0.5))[0, 0].item() == -0.5


@pytest.mark.parametrize("stride", [5, 700])
def test_transposed_convolution_by_far_strides_is_zero_between(stride: int) -> None:
    y = F.conv_transpose2d(images, filters, stride=stride)
    assert y.shape[2] == 3 * stride + 2
    assert y.sum().item() == images.numel() * 3 * 4
    assert (y[:, :, 2:stride] == 0).all()


# disks and interrupts --------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_image(tmp_path, monkeypatch) -> None:
    pytest.importorskip("PIL")
    from minigrad import _files
    from minigrad.vision.utils import save_image

    path = tmp_path / "a.png"
    save_image(minigrad.zeros(3, 4, 4), path)
    before = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(OSError, match=re.escape(f"save_image: could not write {path}: No space")):
        save_image(minigrad.ones(3, 4, 4), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
