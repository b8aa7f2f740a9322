"""Chunks that threads share without the interpreter: each is done once, by whoever, every time."""

import signal
import threading
import time

import numpy as np
import pytest

from minigrad.kernels import jit, threads
from minigrad.kernels.team import mine, share

pytestmark = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
COUNTS = (0, 1, 2, 3, 7, 8, 100, 1001)
BIG = 1e9  # work for which threads are called


@jit.kernel
def count(team, chunks, seen, done):
    """Counts every chunk, and how many each thread did."""
    own = mine(team, done)
    for i in share(team, chunks):
        seen[i] += 1
        own[0] += 1


@jit.kernel
def note_first(team, chunks, first):
    """The chunk with which each thread begins."""
    own = mine(team, first)
    for i in share(team, chunks):
        own[0] = i if own[0] < 0 else own[0]


@pytest.fixture(params=[1, 2, 3, 4])
def some_threads(request):
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield request.param
    threads.set_num_threads(before)


def call(chunks):
    """Chunks that were not done once, and what the threads did."""
    seen, done = np.zeros(chunks, np.int64), np.zeros((threads.get_num_threads(), 16), np.int64)
    count.run(chunks, BIG, seen, done)
    return (seen != 1).sum(), done[:, 0]


def test_every_chunk_is_done_once(some_threads):
    for chunks in COUNTS:
        for _ in range(100):
            wrong, done = call(chunks)
            assert wrong == 0 and done.sum() == chunks


def test_large_calls_go_through_their_chunks_in_turn_forwards_and_backwards():
    before, begun = threads.get_num_threads(), []
    threads.set_num_threads(2)
    try:
        for _ in range(20):
            first = np.full((2, 16), -1)
            note_first.run(64, BIG, first)
            begun.append(int(first[0, 0]))
    finally:
        threads.set_num_threads(before)
    assert begun == [24, 0] * 10  # the caller has chunks 0 to 31, and takes a quarter of them first


def test_workers_help(some_threads):
    seen, done = np.zeros(64, np.int64), np.zeros((some_threads, 16), np.int64)
    calls = 0
    while calls < 100_000 and not (done[:, 0] > 0).all():  # one that sleeps needs a while to begin
        count.run(64, BIG, seen, done)
        calls += 1
    assert (done[:, 0] > 0).all()
    assert (seen == calls).all()


def test_workers_that_slept_find_the_next_call():
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    try:
        for pause in (0.0, 0.001, 0.01, 0.1):
            threading.Event().wait(pause)
            assert call(1001)[0] == 0
    finally:
        threads.set_num_threads(before)


def test_many_python_threads_may_call_at_once(some_threads):
    wrong = []

    def caller():
        for chunks in COUNTS * 20:
            wrong.append(call(chunks)[0])

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert len(wrong) == 4 * 20 * len(COUNTS) and not any(wrong)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_an_interrupt_leaves_the_threads_usable(some_threads):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for k in range(20):
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.0001 * k)
                while True:
                    call(1001)
            assert call(1001)[0] == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_calling_the_threads_is_quick():
    before, times = threads.get_num_threads(), []
    threads.set_num_threads(2)
    try:
        for _ in range(300):
            start = time.perf_counter()
            call(2)
            times.append(time.perf_counter() - start)
    finally:
        threads.set_num_threads(before)
    assert np.median(times) < 500e-6  # 8 us on an idle machine


def test_small_work_stays_in_the_caller():
    seen, done = np.zeros(50, np.int64), np.zeros((threads.get_num_threads(), 16), np.int64)
    count.run(50, 10.0, seen, done)
    assert (seen == 1).all() and done[0, 0] == 50


def test_work_space_has_a_row_for_each_thread(some_threads):
    shapes = []

    class Kernel(jit.Kernel):
        @property
        def dispatcher(self):
            return lambda team, chunks, *args: shapes.append(args[-1].shape)

    Kernel(count.function, keep=False).run(8, BIG, scratch=(100, np.dtype(np.float32)))
    assert shapes == [(some_threads, 112)] if some_threads > 1 else [(1, 100)]
