"""That what is timed runs, and that results are read and shown right. No figure is judged here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minigrad

sys.path.append(str(Path(__file__).parent.parent))  # benchmarks is not installed
layers = pytest.importorskip("benchmarks.layers")
models = pytest.importorskip("benchmarks.models")

from benchmarks import results, study, table  # noqa: E402
from benchmarks.contestants import Contestant  # noqa: E402
from benchmarks.networks import NETWORKS  # noqa: E402
from benchmarks.overhead import overhead  # noqa: E402
from benchmarks.results import Result  # noqa: E402
from benchmarks.table import replace_between  # noqa: E402

OURS = Contestant("minigrad", minigrad)


@pytest.mark.parametrize("case", layers.CASES, ids=lambda c: f"{c.group}: {c.name}")
def test_layer_runs(case):
    step = layers.forward_step if case.infer else layers.training_step
    step(OURS, replace(case, shape=(1, *case.shape[1:])))()


def test_cases_cover_the_goals_and_have_names_of_their_own():
    names = [(c.group, c.name) for c in layers.CASES]
    assert len(set(names)) == len(names)
    assert {g for g, _ in names} == {
        "conv3x3",
        "conv-other",
        "pool-norm-linear",
        "inference-layer",
        "float64",
    }
    assert {g for g, _ in names} < set(results.GOALS)
    assert sum(g == "float64" for g, _ in names) == 8
    assert sum(g == "inference-layer" for g, _ in names) == 66


@pytest.mark.parametrize("net", NETWORKS, ids=lambda n: n.name)
def test_network_trains_and_infers(net):
    small = replace(net, image=(net.image[0], *(min(s, 64) for s in net.image[1:])))
    models.training_step(OURS, small, 2)()
    models.inference(OURS, small, 2)()


def test_flops_count_multiply_adds_of_each_pass():
    by_name = {(c.group, c.name): c for c in layers.CASES}
    conv = by_name["conv3x3", "conv 3x3 64,16,32,K16"]
    assert layers._flops(conv) == 3 * 2 * 64 * 16 * 16 * 9 * 32 * 32
    first = by_name["conv-other", "conv 3x3 64,3,32,K32 (input without gradient)"]
    assert layers._flops(first) == 2 * 2 * 64 * 3 * 32 * 9 * 32 * 32
    once = by_name["inference-layer", "transposed 4x4 s2 64,64,8,K32, batch 8"]
    assert layers._flops(once) == 2 * 8 * 64 * 32 * 16 * 8 * 8
    linear = by_name["pool-norm-linear", "linear 64,512->1000"]
    assert layers._flops(linear) == 3 * 2 * 64 * 512 * 1000
    assert layers._flops(by_name["pool-norm-linear", "relu 64,32,28"]) is None


def test_overhead_has_a_row_for_each_small_step():
    found = overhead([OURS], lambda group, name: group == "small", budget=0.0)
    assert [r.group for r in found] == ["small", "small"]
    assert all(r.values["minigrad"] > 0 for r in found)


def made(name, ours, eager, last, group="train"):
    return Result(group, name, {"minigrad": ours, "eager": eager, "channels_last": last})


def test_ratio_is_ours_over_the_best_of_pytorch():
    assert made("a", 1.0, 4.0, 2.0).ratio == 0.5
    assert Result("train", "a", {"minigrad": 1.0}).ratio is None
    assert Result("train", "a", {"minigrad": 2e-3}, flops=4e6).gflops == 2.0


def test_compiled_pytorch_has_a_ratio_of_its_own():
    r = made("a", 1.0, 4.0, 2.0)
    r.values["compile"] = 0.5
    assert r.ratio == 0.5 and r.to_compiled == 2.0
    head, row = results.show([r]).splitlines()
    assert " ".join(head.split()) == "minigrad eager channels_last compile ratio to compile"
    assert row.split()[-2:] == ["0.50", "2.00"]


def test_summary_gives_mean_and_worst_against_the_goal():
    text = results.summary([made("a", 1.0, 4.0, 4.0), made("b", 1.0, 1.0, 2.0)])
    assert text == ("train: geometric mean 0.50 (goal 0.50), worst 1.00 (limit 0.70) in b")


def test_a_file_keeps_all_runs_and_the_last_figure_of_a_case(tmp_path):
    path = tmp_path / "now.json"
    results.add_run(path, {"date": "1"}, [made("a", 1.0, 2.0, 2.0), made("b", 1.0, 2.0, 2.0)])
    results.add_run(path, {"date": "2"}, [made("a", 3.0, 2.0, 2.0)])
    runs, cases = results.load(path)
    assert [r["date"] for r in runs] == ["1", "2"]
    assert cases["train", "a"].values["minigrad"] == 3.0
    assert cases["train", "b"] == made("b", 1.0, 2.0, 2.0)


def test_table_shows_before_and_now_against_the_goals(tmp_path):
    before, now, page = (tmp_path / n for n in ("before.json", "now.json", "page.md"))
    run = {"date": "2026-01-02 03:04", "machine": "M", "threads": 2, "versions": {"torch": "2"}}
    add = results.add_run
    add(before, {**run, "command": "c"}, [made("a", 3e-3, 2e-3, 4e-3), made("b", 2e-3, 2e-3, 4e-3)])
    faster = [made("a", 1e-3, 2e-3, 4e-3), made("b", 1e-3, 1e-3, 2e-3)]
    add(now, {**run, "command": "d --only b"}, faster)
    add(
        now,
        {**run, "command": "e"},
        [
            Result(
                "start", "LeNet, cold", {"minigrad": 5.0}, "s", notes={"limit": 8.0, "variants": 6}
            )
        ],
    )
    page.write_text("top\n<!-- results -->\nreplaced\n<!-- end of results -->\nbottom\n")
    table.main([str(before), str(now), "--into", str(page)])
    text = page.read_text()
    top = "top\n<!-- results -->\n\nBefore: 2026-01-02, M, 2 threads, torch 2. `c`.\n"
    assert text.startswith(top)
    assert "Now: 2026-01-02, M, 2 threads, torch 2. `d`, `e`." in text
    assert "step | 0.50 | 1.22 | **0.71** | 0.70 | 1.50 | **1.00** | b | 1 of 2 |" in text
    assert "| a | 3.00 ms | 1.00 ms | 2.00 ms | 4.00 ms | 1.50 | 0.50 |" in text
    assert "| LeNet, cold | 8.0 s |  | 5.00 s |  | 6 |" in text
    assert text.endswith("</details>\n\n<!-- end of results -->\nbottom\n")
    assert "replaced" not in text


def test_study_compares_algorithms_with_seeds(tmp_path: Path) -> None:
    def run(algorithm: str, seed: int, loss: float, accuracy: float) -> dict[str, Any]:
        epochs = [{"loss": 1.0, "accuracy": 0.5}, {"loss": 0.5, "accuracy": accuracy}]
        return {
            "algorithm": algorithm, "seed": seed, "curve": [2.0, loss, 1.0, loss], "epochs": epochs
        }  # fmt: skip

    runs = [
        run("direct", 0, 0.3, 0.80), run("winograd", 0, 0.4, 0.81), run("direct", 1, 0.5, 0.84)
    ]  # fmt: skip
    table = study.show(runs).splitlines()
    assert table[2:5] == [
        "| 0 | direct | 0.300, 0.300 | 0.500 | 80.00% |",
        "| 0 | winograd | 0.400, 0.400 | 0.500 | 81.00% |",
        "| 1 | direct | 0.500, 0.500 | 0.500 | 84.00% |",
    ]
    assert "same seed | 0.0500 (mean over the curve) | | 1.00% |" in table[5]
    assert "same algorithm | 0.1000 (mean over the curve) | | 4.00% |" in table[6]
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- study -->\nold\n<!-- end of study -->\nb\n")
    replace_between(page, "study", "new")
    assert page.read_text() == "a\n<!-- study -->\n\nnew\n\n<!-- end of study -->\nb\n"
    with pytest.raises(ValueError, match="has no lines"):
        replace_between(page, "other", "new")
