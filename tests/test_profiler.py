"""minigrad.profiler: what is counted, how it nests, and that nothing is left behind."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.engine import Node
from minigrad.kernels import conv
from minigrad.op import Array, op
from minigrad.optim import SGD
from minigrad.profiler import Peak, ProfilerActivity, costs, hooks, profile, record_function


@op
def doubled(input: Array):
    return input * 2


doubled.gradient("input", lambda g: g * 2)


@op(promote="float")
def tripled(input: Array):
    return input * 3


tripled.gradient("input", lambda g: g * 3)


def rows(prof, **options):
    return {(r.key, r.backward): r for r in prof.key_averages(**options)}


def small_net():
    minigrad.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5)
    )


def test_profile_counts_every_op_of_both_passes():
    model, x = small_net(), minigrad.ones(2, 3, 4, 4)
    with profile() as prof:
        for _ in range(3):
            model(x).sum().backward()
    found = rows(prof)
    for key, backward in (
        ("convolution", False), ("relu", False), ("linear", False), ("sum", False),
        ("conv2d_weight_grad", True), ("ConvolutionBackward0", True), ("ReluBackward0", True),
        ("LinearBackward0", True),
    ):
        assert found[key, backward].count == 3, key
    assert ("conv2d_input_grad", True) not in found  # the image wants no gradient
    # 2 images, 4 filters, 2x2 places, 3 channels, 3x3 taps, two operations each, three calls
    assert found["convolution", False].flops == 2 * 4 * 2 * 2 * 3 * 9 * 2 * 3
    assert found["conv2d_weight_grad", True].flops == found["convolution", False].flops
    assert found["linear", False].flops == 2 * 5 * 16 * 2 * 3


def test_elementwise_ops_count_bytes_of_what_they_read_and_write():
    a, b = minigrad.ones(100, dtype=minigrad.float64), minigrad.ones(100, dtype=minigrad.float64)
    with profile() as prof:
        _ = a + b
        _ = a * 2.0
        _ = a.reshape(10, 10)
    found = rows(prof)
    assert found["add", False].bytes == 3 * 800 and found["add", False].flops == 0
    assert found["mul", False].bytes == 2 * 800
    assert found["reshape", False].bytes == 0  # a view moves nothing


def test_profile_sees_ops_of_users():
    x = minigrad.ones(3, requires_grad=True)
    with profile() as prof:
        tripled(doubled(x)).sum().backward()
    found = rows(prof)
    assert found["doubled", False].count == found["tripled", False].count == 1
    assert found["DoubledBackward0", True].count == found["TripledBackward0", True].count == 1


def test_results_are_the_same_while_profiled():
    x = minigrad.ones(2, 3, 4, 4)
    grads = []
    for running in (False, True):
        model = small_net()
        if running:
            with profile():
                model(x).sum().backward()
        else:
            model(x).sum().backward()
        grads.append([p.grad.numpy() for p in model.parameters()])
    for one, other in zip(*grads):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_left_in_place_after_a_profile():
    def hooked():
        forwards = [getattr(owner, name) for _, owner, name in hooks._forwards()]
        pullbacks = [vars(c).get("pullback") for c in hooks._family(Node)]
        return [*forwards, *pullbacks, SGD.step, conv.choose]

    gc.collect()  # the ops of other tests
    before = hooked()
    assert len(before) > 400
    with pytest.raises(ZeroDivisionError), profile():
        assert not all(a is b for a, b in zip(before, hooked()))
        _ = 1 / 0
    after = hooked()
    assert len(before) == len(after) and all(a is b for a, b in zip(before, after))


def test_import_minigrad_does_not_load_the_profiler():
    code = "import sys, minigrad; assert 'minigrad.profiler' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_self_time_is_total_without_what_is_inside():
    x = minigrad.ones(8, 8, requires_grad=True)
    with profile() as prof, record_function("outer"):
        (x @ x).sum().backward()
    events = {id(e): e for e in prof.events()}
    (outer,) = [e for e in events.values() if e.name == "outer"]
    inside = [e for e in events.values() if e.parent is outer]
    assert {e.name for e in inside} >= {"matmul", "sum", "MatmulBackward0"}
    for e in events.values():
        assert e.self_time == e.time - sum(c.time for c in events.values() if c.parent is e)
        assert 0 <= e.self_time <= e.time
        if e.parent is not None:
            assert e.parent.start <= e.start and e.end <= e.parent.end
    total = prof.key_averages()
    assert total.self_cpu_time_total == pytest.approx(outer.time / 1e3)


def test_record_function_decorates_and_is_silent_without_a_profile():
    @record_function("named")
    def work():
        return minigrad.ones(2) + 1

    work()
    with profile() as prof:
        work()
        work()
    assert rows(prof)["named", False].count == 2
    assert rows(prof)["add", False].count == 2


def test_record_function_that_outlives_its_profile_ends_quietly():
    prof = profile(activities=[ProfilerActivity.CPU])
    prof.start()
    with record_function("long"):
        prof.stop()
    with profile() as second:
        _ = minigrad.ones(2) + 1
    assert ("long", False) not in rows(second)


def test_algorithm_of_a_convolution_is_shown():
    model = nn.Conv2d(2, 2, 3)
    with profile() as prof:
        model(minigrad.ones(1, 2, 5, 5))
    algorithm = rows(prof)["convolution", False].algorithm
    assert algorithm in conv.ALGORITHMS["conv2d"]
    assert algorithm in prof.key_averages().table()


def test_optimizer_step_counts_parameters_gradients_and_state():
    p = nn.Parameter(minigrad.ones(100))
    p.grad = minigrad.ones(100)
    for momentum, passes in ((0.0, 3), (0.9, 5)):
        optimizer = SGD([p], lr=0.1, momentum=momentum)
        with profile() as prof:
            optimizer.step()
        row = rows(prof)["Optimizer.step#SGD.step", False]
        assert row.count == 1 and row.bytes == passes * 400


def test_each_thread_nests_by_itself():
    x = minigrad.ones(4, 4, requires_grad=True)
    together = threading.Barrier(2)

    def work():
        together.wait()
        for _ in range(20):
            with record_function("part"):
                (x @ x).sum().backward()

    with profile() as prof:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    events = prof.events()
    parts = [e for e in events if e.name == "part"]
    assert len(parts) == 40 and len({e.thread for e in parts}) == 2
    assert all(e.parent is None for e in parts)
    assert all(e.parent.thread == e.thread for e in events if e.parent is not None)
    for part in parts:
        inside = [e for e in events if e.parent is part]
        assert [e.name for e in inside].count("matmul") == 1


def test_chrome_trace_is_what_the_viewers_read(tmp_path):
    model = small_net()
    with profile() as prof:
        model(minigrad.ones(2, 3, 4, 4)).sum().backward()
    prof.export_chrome_trace(tmp_path / "trace.json")
    told = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [t for t in told if t["ph"] == "X"]
    assert len(spans) == len(prof.events())
    for span in spans:
        assert span["ts"] >= 0 and span["dur"] >= 0
        assert isinstance(span["pid"], int) and isinstance(span["tid"], int)
    (span,) = [s for s in spans if s["name"] == "convolution"]
    assert span["args"]["input shapes"][0] == [2, 3, 4, 4] and span["args"]["GFLOP/s"] > 0
    assert {t["args"]["name"] for t in told if t["ph"] == "M"} == {"minigrad", "MainThread"}


def test_table_has_sorted_rows_up_to_a_limit():
    model = small_net()
    with profile() as prof:
        for _ in range(2):
            model(minigrad.ones(2, 3, 4, 4)).sum().backward()
    averages = prof.key_averages()
    lines = averages.table(sort_by="cpu_time_total", row_limit=3).splitlines()
    assert lines[0].split()[:4] == ["name", "pass", "self", "self"]
    assert "GFLOP/s" in lines[0] and "of peak" in lines[0]
    longest = sorted(averages, key=lambda r: -r.cpu_time_total)[:3]
    assert [line.split()[0] for line in lines[2:5]] == [r.key for r in longest]
    assert lines[5] == lines[1] and "outside these rows" in lines[6] and "peak:" in lines[7]
    assert len(averages.table(row_limit=-1).splitlines()) == len(averages) + 5
    by_shape = prof.key_averages(group_by_input_shape=True)
    assert "[[2, 3, 4, 4], [4, 3, 3, 3], [4]]" in by_shape.table()


@pytest.mark.parametrize("groups", [1, 2])
def test_flops_of_a_product_and_of_its_adjoints_agree(groups):
    x, w, y = (2, 4, 9, 9), (6, 4 // groups, 3, 3), (2, 6, 4, 4)
    taps = sum(
        2
        for n in range(2) for f in range(6) for i in range(16)
        for c in range(4 // groups) for u in range(9)
    )
    assert costs.flops_of("convolution", (x, w), (y,)) == taps
    assert costs.flops_of("conv2d_input_grad", (y, w), (x,)) == taps
    assert costs.flops_of("conv2d_weight_grad", (y, x), (w,)) == taps
    assert costs.flops_of("matmul", ((3, 5), (5, 7)), ((3, 7),)) == 2 * 3 * 5 * 7
    linear = 2 * 3 * 5 * 7  # (3, 5) · (7, 5)ᵀ -> (3, 7)
    assert costs.flops_of("linear", ((3, 5), (7, 5), (7,)), ((3, 7),)) == linear
    assert costs.flops_of("linear_input_grad", ((3, 7), (7, 5)), ((3, 5),)) == linear
    assert costs.flops_of("linear_weight_grad", ((3, 7), (3, 5)), ((7, 5),)) == linear
    assert costs.flops_of("LinearBackward0", ((3, 7),), ((3, 5), (7, 5), (7,))) == 2 * linear
    assert costs.flops_of("add", ((3,), (3,)), ((3,),)) == 0


def test_roofline_is_the_slower_of_both_limits():
    machine = Peak(flops=100.0, bandwidth=10.0)
    assert machine.seconds(200.0, 10.0) == 2.0
    assert machine.seconds(50.0, 30.0) == 3.0
    assert costs.peak().flops > 0 and costs.peak() is costs.peak()


def test_misuse_is_explained():
    prof = profile()
    with pytest.raises(RuntimeError, match="key_averages: the profile must have stopped; it never"):
        prof.key_averages()
    with profile() as running:
        with pytest.raises(RuntimeError, match="another profile is running; got a second start"):
            prof.start()
        with pytest.raises(RuntimeError, match=r"must have stopped; it is running. Call it after"):
            running.export_chrome_trace("nowhere")
    with pytest.raises(ValueError, match=r"sort_by must be one of self_cpu_time_total, .*'speed'"):
        running.key_averages().table(sort_by="speed")
