"""DataLoader: same batches with any number of threads, errors, clean ends, exact resumption."""

from __future__ import annotations

import _thread
import gc
import os
import threading
import time
import traceback

import numpy as np
import pytest

import minigrad
from minigrad.random import Generator, default_generator, get_rng_state, set_rng_state
from minigrad.utils import data


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("minigrad-loader")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    end = time.monotonic() + 5
    while loader_threads() and time.monotonic() < end:
        for t in loader_threads():
            t.join(0.05)
    assert not loader_threads()


class Items(data.Dataset):
    """Item i is i and a number drawn as a random transform would."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i, float(default_generator.numpy().random())


class Stream(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))


def listed(loader):
    return [[part.tolist() for part in batch] for batch in loader]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_come_in_order_whatever_the_number_of_workers(workers, drop_last):
    x = minigrad.from_numpy(np.arange(11))
    loader = data.DataLoader(
        data.TensorDataset(x), 4, num_workers=workers, drop_last=drop_last
    )
    want = [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9, 10]]][: 2 if drop_last else 3]
    assert listed(loader) == want == listed(loader)
    assert len(loader) == len(want)
    assert isinstance(next(iter(loader)), list)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_order_and_random_transforms_do_not_depend_on_workers(workers):
    runs = []
    for n in (0, workers):
        minigrad.manual_seed(5)
        loader = data.DataLoader(Items(23), 4, shuffle=True, num_workers=n)
        runs.append([listed(loader), listed(loader)])
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]  # another order in the second epoch


def test_own_generator_decides_alone():
    runs = []
    for seed in (0, 1):
        minigrad.manual_seed(seed)
        own = Generator().manual_seed(7)
        runs.append(listed(data.DataLoader(Items(9), 2, shuffle=True, generator=own)))
    assert runs[0] == runs[1]


def test_single_items_and_own_collation():
    assert [x.item() for (x,) in data.DataLoader(
        data.TensorDataset(minigrad.tensor([1, 2])), None)] == [1, 2]
    loader = data.DataLoader(
        data.TensorDataset(minigrad.tensor([1, 2, 3])), 2, collate_fn=lambda b: len(b)
    )
    assert list(loader) == [2, 1]
    assert list(data.DataLoader([5, 6, 7], 2, collate_fn=sum)) == [11, 7]
    assert [b.tolist() for b in data.DataLoader([5, 6, 7], 2)] == [[5, 6], [7]]


def test_batch_sampler_and_sampler_decide_the_items():
    d = data.TensorDataset(minigrad.from_numpy(np.arange(6)))
    assert listed(data.DataLoader(d, batch_sampler=[[5, 0], [3]])) == [[[5, 0]], [[3]]]
    assert listed(data.DataLoader(d, 2, sampler=[4, 2, 0])) == [[[4, 2]], [[0]]]


def test_getitems_may_return_samples_a_batch_or_nothing():
    calls = []

    class Whole(data.Dataset):
        answer = None

        def __len__(self):
            return 3

        def __getitem__(self, i):
            calls.append(i)
            return (i, -i)

        def __getitems__(self, indices):
            if self.answer is NotImplementedError:
                raise NotImplementedError
            return self.answer

    d = Whole()
    loader = data.DataLoader(d, 3)
    for answer in (None, NotImplementedError):
        d.answer = answer
        assert listed(loader) == [[[0, 1, 2], [0, -1, -2]]]
    assert calls == [0, 1, 2] * 2
    d.answer = [(7, 8), (9, 10)]
    assert listed(loader) == [[[7, 9], [8, 10]]]
    d.answer = (np.array([1, 2]), minigrad.tensor([3, 4]))
    assert listed(loader) == [[[1, 2], [3, 4]]]
    assert len(calls) == 6
    assert list(data.DataLoader(d, 3, collate_fn=list)) == [[(0, 0), (1, -1), (2, -2)]]


def test_in_memory_data_is_sliced_by_batch():
    class Counting(data.TensorDataset):
        def __getitem__(self, i):
            raise AssertionError("fetched one by one")

    d = Counting(minigrad.from_numpy(np.arange(10)))
    nested = data.Subset(data.Subset(d, range(1, 10)), [8, 0, 4])
    assert listed(data.DataLoader(nested, 2)) == [[[9, 1]], [[5]]]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [3, None])
def test_streams_are_read_to_their_end(workers, batch_size):
    loader = data.DataLoader(Stream(10), batch_size, num_workers=workers)
    got = [np.ravel(np.asarray(b)).tolist() for b in loader]
    assert sorted(i for batch in got for i in batch) == list(range(10))
    if batch_size and workers:
        assert got == [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]


def test_stream_with_fewer_items_than_workers_and_empty_sets():
    assert sorted(int(b) for b in data.DataLoader(Stream(1), None, num_workers=3)) == [0]
    assert list(data.DataLoader(Stream(0), 2, num_workers=2)) == []
    assert list(data.DataLoader([], 2, shuffle=True, num_workers=2)) == []
    assert list(data.DataLoader([], 2)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_error_in_the_data_set_reaches_the_consumer_with_its_traceback(workers):
    class Bad(Items):
        def __getitem__(self, i):
            if i == 5:
                raise KeyError("image 5 is broken")
            return i

    loader = data.DataLoader(Bad(8), 2, num_workers=workers)
    seen = []
    with pytest.raises(KeyError, match="image 5 is broken") as caught:
        for batch in loader:
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    assert "__getitem__" in "".join(traceback.format_exception(
        caught.type, caught.value, caught.tb))


@pytest.mark.parametrize("workers", [0, 1])
def test_stop_iteration_from_the_data_set_does_not_end_the_epoch_in_silence(workers):
    class Bad(Items):
        def __getitem__(self, i):
            raise StopIteration

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(data.DataLoader(Bad(4), 2, num_workers=workers))


def test_error_in_worker_init_reaches_the_consumer():
    def init(worker):
        raise ValueError(f"no licence for worker {worker}")

    with pytest.raises(ValueError, match="no licence for worker 0"):
        list(data.DataLoader(Items(4), 2, num_workers=2, worker_init_fn=init))


def test_workers_know_themselves():
    seen = []

    def init(worker):
        info = data.get_worker_info()
        seen.append((worker, info.id, info.num_workers, info.dataset, info.seed))

    d = Items(4)
    list(data.DataLoader(d, 1, num_workers=2, worker_init_fn=init))
    assert sorted(s[:3] for s in seen) == [(0, 0, 2), (1, 1, 2)]
    assert all(s[3] is d for s in seen) and seen[0][4] != seen[1][4]
    assert data.get_worker_info() is None


def test_prefetching_is_bounded():
    fetched = []

    class Noting(Items):
        def __getitem__(self, i):
            fetched.append(i)
            return i

    it = iter(data.DataLoader(Noting(100), 1, num_workers=2, prefetch_factor=3))
    for _ in range(3):
        next(it)
    it._close()
    for t in loader_threads():
        t.join(5)
    assert len(fetched) <= 3 + 2 * 3 + 1


def test_leaving_the_loop_ends_the_threads():
    for _ in data.DataLoader(Items(1000), 1, num_workers=2):
        break


def test_persistent_workers_stay_until_the_loader_goes():
    loader = data.DataLoader(Items(6), 2, num_workers=2, persistent_workers=True)
    list(loader)
    before = set(loader_threads())
    assert len(before) == 2
    list(loader)
    assert set(loader_threads()) == before
    del loader


def test_timeout_is_an_error_that_names_it():
    release = threading.Event()

    class Slow(Items):
        def __getitem__(self, i):
            release.wait(10)
            return i

    try:
        with pytest.raises(RuntimeError, match=r"timed out after 0\.05 seconds"):
            next(iter(data.DataLoader(Slow(3), 1, num_workers=1, timeout=0.05)))
    finally:
        release.set()


def test_interrupt_while_waiting_reaches_the_caller_and_ends_the_threads():
    release = threading.Event()

    class Blocked(Items):
        def __getitem__(self, i):
            release.wait(10)
            return i

    it = iter(data.DataLoader(Blocked(50), 1, num_workers=2))
    timer = threading.Timer(0.1, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(it)
    finally:
        release.set()
        timer.join()
    with pytest.raises(StopIteration):
        next(it)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_iteration_carried_into_a_fork_is_an_error_not_a_hang():
    it = iter(data.DataLoader(Items(50), 1, num_workers=1))
    next(it)
    child = os.fork()
    if child == 0:
        try:
            next(it)
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


# resuming ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("stop", [0, 1, 3, 6])
@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_loader_gives_the_rest_of_the_epoch_and_the_next_ones(own, stop, workers):
    def make(n):
        given = Generator().manual_seed(3) if own else None
        return data.DataLoader(Items(11), 2, shuffle=True, num_workers=n, generator=given)

    minigrad.manual_seed(1)
    loader = make(workers)
    list(loader)
    it = iter(loader)
    for _ in range(stop):
        next(it)
    state, rng = loader.state_dict(), get_rng_state()
    want = [listed(it), listed(loader)]
    minigrad.manual_seed(99)
    again = make(2 - workers)  # the number of workers may change
    again.load_state_dict(state)
    set_rng_state(rng)
    if state["start"] is not None:
        assert again.state_dict()["yielded"] == stop
    assert [listed(again), listed(again)] == want


def test_resumed_stream_skips_what_was_read():
    loader = data.DataLoader(Stream(10), 3)
    it = iter(loader)
    next(it)
    state = loader.state_dict()
    again = data.DataLoader(Stream(10), 3)
    again.load_state_dict(state)
    assert [b.tolist() for b in again] == [[3, 4, 5], [6, 7, 8], [9]]


def test_state_between_epochs_begins_a_new_one():
    loader = data.DataLoader(Items(4), 2)
    assert loader.state_dict()["start"] is None
    list(loader)
    assert loader.state_dict()["start"] is None
    with pytest.raises(ValueError, match=r"expected what loader\.state_dict"):
        loader.load_state_dict({"epoch": 1})


@pytest.mark.parametrize("options, error, message", [
    ({"batch_size": 0}, ValueError, "batch_size should be a positive"),
    ({"batch_size": 2.0}, ValueError, "batch_size should be a positive"),
    ({"num_workers": -1}, ValueError, "num_workers option should be non-negative"),
    ({"num_workers": 1.5}, TypeError, "num_workers must be an int"),
    ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, ValueError, "prefetch_factor option could only be specified"),
    ({"prefetch_factor": -2, "num_workers": 1}, ValueError, "should be non-negative"),
    ({"persistent_workers": True}, ValueError, "needs num_workers > 0"),
    ({"sampler": [0], "shuffle": True}, ValueError, "mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "drop_last": True}, ValueError, "batch_sampler option is mutually"),
    ({"batch_size": None, "drop_last": True}, ValueError, "disables auto-batching"),
    ({"generator": 0, "shuffle": True}, TypeError, "must be a minigrad.Generator"),
])
def test_bad_loader_is_a_clear_error(options, error, message):
    with pytest.raises(error, match=message):
        data.DataLoader(Items(3), **options)


def test_streams_and_other_things_are_refused_where_they_do_not_fit():
    with pytest.raises(ValueError, match="expected unspecified shuffle option"):
        data.DataLoader(Stream(3), shuffle=True)
    with pytest.raises(TypeError, match="dataset must have __getitem__"):
        data.DataLoader(iter([1]))
    loader = data.DataLoader(Items(3))
    with pytest.raises(ValueError, match="should not be set after"):
        loader.batch_size = 4
