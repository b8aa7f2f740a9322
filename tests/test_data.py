"""Data sets, samplers and collation. The loader itself is in test_data_loader.py."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad.errors import ShapeError
from minigrad.random import Generator
from minigrad.utils import data

Point = namedtuple("Point", "x y")


def generator(seed=0):
    return Generator().manual_seed(seed)


def rows(n, *shape):
    return minigrad.from_numpy(np.arange(n * max(1, int(np.prod(shape))), dtype=np.float32)
                               .reshape(n, *shape))


# data sets ---------------------------------------------------------------------------------------


def test_tensor_dataset_gives_rows_one_by_one_and_in_batches():
    x, y = rows(5, 2), minigrad.tensor([4, 3, 2, 1, 0])
    d = data.TensorDataset(x, y)
    assert len(d) == 5
    a, b = d[3]
    assert a.tolist() == [6, 7] and b.item() == 1 and b.shape == ()
    a, b = d.__getitems__([4, 0])
    assert a.tolist() == [[8, 9], [0, 1]] and b.tolist() == [0, 4]
    with pytest.raises(IndexError):
        d[5]


def test_batches_are_copies_that_leave_the_data_alone():
    x = rows(4)
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(x), 4)))
    batch.numpy()[...] = -1
    assert x.tolist() == [0, 1, 2, 3]


def test_tensor_dataset_names_the_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"Size mismatch between tensors.*\(5, 2\), \(4,\)"):
        data.TensorDataset(rows(5, 2), rows(4))
    with pytest.raises(TypeError, match="got ndarray at place 0"):
        data.TensorDataset(np.zeros(3))


def test_subset_and_concat_give_the_items_of_what_they_are_made_of():
    a, b = data.TensorDataset(rows(4)), data.TensorDataset(rows(3))
    both = a + b
    assert [both[i][0].item() for i in range(len(both))] == [0, 1, 2, 3, 0, 1, 2]
    assert both[-1][0].item() == 2
    picked = data.Subset(both, [6, 0, 3])
    assert [x.item() for (x,) in (picked[i] for i in range(3))] == [2, 0, 3]
    for loader in (data.DataLoader(picked, 3), data.DataLoader(data.Subset(a, [2, 1, 0]), 3)):
        ((x,),) = list(loader)
        assert sorted(x.tolist()) in ([0, 2, 3], [0, 1, 2])
    with pytest.raises(IndexError, match=r"must lie in \[-7, 7\); got 7"):
        both[7]
    with pytest.raises(ValueError, match="should not be an empty"):
        data.ConcatDataset([])


def test_stack_dataset_pairs_items():
    d = data.StackDataset(data.TensorDataset(rows(2)), [5, 6])
    assert d[1][0][0].item() == 1 and d[1][1] == 6
    d = data.StackDataset(image=[1, 2], label=[3, 4])
    assert d[0] == {"image": 1, "label": 3} and len(d) == 2
    with pytest.raises(ValueError, match="Size mismatch"):
        data.StackDataset([1], [1, 2])


@given(n=st.integers(0, 40), seed=st.integers(0, 9), parts=st.integers(1, 4))
def test_random_split_is_a_partition(n, seed, parts):
    cuts = np.sort(np.random.default_rng(seed).integers(0, n + 1, parts - 1))
    lengths = np.diff([0, *cuts, n]).tolist()
    if sum(lengths) == 1:
        return  # read as fractions
    split = data.random_split(range(n), lengths, generator(seed))
    assert [len(s) for s in split] == lengths
    assert sorted(i for s in split for i in s.indices) == list(range(n))


def test_random_split_by_fractions_rounds_as_pytorch_does():
    assert [len(s) for s in data.random_split(range(10), [0.3, 0.3, 0.4])] == [3, 3, 4]
    assert [len(s) for s in data.random_split(range(11), [0.5, 0.5])] == [6, 5]
    a = data.random_split(range(10), [0.5, 0.5], generator(1))
    b = data.random_split(range(10), [0.5, 0.5], generator(1))
    assert a[0].indices == b[0].indices
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        data.random_split(range(1), [0.5, 0.5])
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        data.random_split(range(10), [3, 3])
    with pytest.raises(ValueError, match="must not be negative"):
        data.random_split(range(10), [11, -1])


# samplers ----------------------------------------------------------------------------------------


def test_random_sampler_is_a_permutation_that_the_generator_decides():
    a = list(data.RandomSampler(range(20), generator=generator(3)))
    assert sorted(a) == list(range(20)) and a != list(range(20))
    assert a == list(data.RandomSampler(range(20), generator=generator(3)))
    minigrad.manual_seed(3)
    b = list(data.RandomSampler(range(20)))
    minigrad.manual_seed(3)
    assert b == list(data.RandomSampler(range(20)))


def test_random_sampler_with_num_samples():
    s = data.RandomSampler(range(5), num_samples=12)
    order = list(s)
    assert len(s) == len(order) == 12
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=50))
    assert len(drawn) == 50 and set(drawn) == {0, 1, 2}
    assert list(data.RandomSampler([])) == []


def test_weighted_sampler_draws_in_proportion():
    s = data.WeightedRandomSampler([1.0, 0.0, 3.0], 4000, generator=generator())
    counts = np.bincount(list(s), minlength=3)
    assert counts[1] == 0 and 2.4 < counts[2] / counts[0] < 3.7
    once = list(data.WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False))
    assert sorted(once) == [0, 2]


def test_subset_and_batch_samplers():
    assert sorted(data.SubsetRandomSampler([7, 3, 5])) == [3, 5, 7]
    seq = data.SequentialSampler(range(7))
    assert list(data.BatchSampler(seq, 3, False)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(data.BatchSampler(seq, 3, True)) == [[0, 1, 2], [3, 4, 5]]
    assert len(data.BatchSampler(seq, 3, False)) == 3 and len(data.BatchSampler(seq, 3, True)) == 2


@pytest.mark.parametrize("build, error, message", [
    (lambda: data.RandomSampler([1], num_samples=0), ValueError, "num_samples should be a pos"),
    (lambda: data.RandomSampler([1], replacement=1), TypeError, "replacement should be a boolean"),
    (lambda: list(data.RandomSampler([1], generator=3)), TypeError, "must be a minigrad.Generator"),
    (lambda: data.BatchSampler([1], 0, False), ValueError, "batch_size should be a positive"),
    (lambda: data.BatchSampler([1], 1, 0), ValueError, "drop_last should be a boolean"),
    (lambda: data.WeightedRandomSampler([[1.0]], 1), ValueError, "should be a 1d sequence"),
    (lambda: data.WeightedRandomSampler([-1.0, 2], 1), ValueError, "finite, not negative"),
    (lambda: data.WeightedRandomSampler([0.0], 1), ValueError, "not all 0"),
    (lambda: data.WeightedRandomSampler([1.0], 2, False), ValueError, "at most 1 items"),
])
def test_bad_sampler_is_a_clear_error(build, error, message):
    with pytest.raises(error, match=message):
        build()


# collation ---------------------------------------------------------------------------------------

SAMPLES = {
    "float": [1.5, 2.5], "int": [1, 2], "bool": [True, False], "str": ["a", "b"],
    "tuple": [(1, 2.0), (3, 4.0)], "list": [[1, 2], [3, 4]],
    "named": [Point(1, 2.0), Point(3, 4.0)],
    "dict": [{"a": 1, "b": [2, 3]}, {"a": 4, "b": [5, 6]}], "bytes": [b"x", b"y"],
    "ordered": [OrderedDict(a=1), OrderedDict(a=2)],
    "array": [np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)],
    "scalar": [np.float64(3), np.float64(4)], "ints": [np.int32(3), np.int32(4)],
    "nested": [((1, "a"), {"k": 2.0}), ((3, "b"), {"k": 4.0})],
}


def same(mine, theirs):
    if isinstance(mine, minigrad.Tensor):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
        assert mine.dtype == theirs.numpy().dtype
        return True
    if isinstance(mine, dict):
        return mine.keys() == theirs.keys() and all(same(mine[k], theirs[k]) for k in mine)
    if isinstance(mine, (list, tuple)):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return mine == theirs


@pytest.mark.parametrize("name", SAMPLES)
def test_default_collate_and_convert_agree_with_torch(name):
    torch_data = pytest.importorskip("torch.utils.data")
    samples = SAMPLES[name]
    mine, theirs = data.default_collate(samples), torch_data.default_collate(samples)
    assert type(mine) is type(theirs) or isinstance(mine, minigrad.Tensor)
    assert same(mine, theirs)
    mine, theirs = data.default_convert(samples[0]), torch_data.default_convert(samples[0])
    assert same(mine, theirs)


def test_collate_stacks_tensors_and_keeps_their_graph():
    a, b = minigrad.tensor([1.0, 2.0]).requires_grad_(), minigrad.tensor([3.0, 4.0])
    out = data.default_collate([a, b])
    assert out.tolist() == [[1, 2], [3, 4]] and out.requires_grad
    assert data.default_collate([b, b]).grad_fn is None


@pytest.mark.parametrize("batch, error, message", [
    ([np.zeros((3, 4)), np.zeros((3, 5))], ShapeError, r"\[3, 4\] at entry 0 and \[3, 5\] at ent"),
    ([(1, 2), (1,)], ShapeError, "equal size, but got 2 at entry 0 and 1 at entry 1"),
    ([{"a": 1}, {"b": 1}], KeyError, r"must have the keys \['a'\]; got \['b'\] at entry 1"),
    ([object()], TypeError, "batch must contain tensors, numpy arrays, numbers, dicts or lists"),
    ([np.array(["a"])], TypeError, "array of dtype"),
    ([None], TypeError, "NoneType"),
])
def test_collate_says_what_does_not_fit(batch, error, message):
    with pytest.raises(error, match=message):
        data.default_collate(batch)
