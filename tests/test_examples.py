"""The examples, run as a user runs them: each in a process of its own, warnings being errors."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
safetensors = pytest.importorskip("safetensors.numpy")

ROOT = Path(__file__).parent.parent
PICTURES = ["activations.png", "confusion.png", "curves.png", "filters.png", "network.png"]


def command(script, *options):
    return [sys.executable, "-W", "error", str(ROOT / "examples" / script), *map(str, options)]


def run(script, *options, cwd=None):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(script, *options), capture_output=True, text=True, timeout=300, env=env, cwd=cwd
    )


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_train_learns_and_leaves_checkpoint_metrics_and_pictures(tmp_path):
    done = run("train.py", "--model", "linear", "--epochs", 1, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stderr and "left" in done.stderr
    assert "Ankle boot" in done.stdout and "Parameters: 7,850" in done.stdout
    folder = tmp_path / "run"
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [*PICTURES, "checkpoint.safetensors", "metrics.jsonl"]
    )
    for name in PICTURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG"), name
    last = rows(folder)[-1]
    assert last["epoch"] == 1 and last["test_accuracy"] > 0.7
    weights = safetensors.load_file(folder / "checkpoint.safetensors")  # any reader will do
    assert (10, 784) in {v.shape for v in weights.values()}


def weights_of(folder):
    return minigrad.load(folder / "checkpoint.safetensors")["model"]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_train_stopped_by_ctrl_c_goes_on_bit_for_bit(tmp_path):
    options = ["--model", "linear", "--epochs", 3, "--batch-size", 20]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = run("train.py", *options, "--out", whole)
    assert done.returncode == 0, done.stderr

    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command("train.py", *options, "--out", parts), env=env, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )
    try:
        metrics = parts / "metrics.jsonl"
        while not (metrics.exists() and metrics.stat().st_size):  # until it trains
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.02)
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"--resume {parts}" in said
    step = minigrad.load(parts / "checkpoint.safetensors")["scheduler"]["last_epoch"]
    assert step % 500 > 0  # in the middle of an epoch

    done = run("train.py", "--resume", parts)
    assert done.returncode == 0, done.stderr
    a, b = weights_of(whole), weights_of(parts)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name].numpy(), b[name].numpy(), err_msg=name)
    assert rows(whole)[-1]["test_loss"] == rows(parts)[-1]["test_loss"]
    steps = [r["step"] for r in rows(parts)]
    assert steps == sorted(steps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "lenett"], "invalid choice: 'lenett'"),
        (["--epochs", "0"], "--epochs: must be a positive int; got '0'"),
        (["--epochs", "many"], "--epochs: must be a positive int; got 'many'"),
        (["--seed", "-1"], "--seed: must be in [0, 2**63); got -1"),
        (["--lr", "nan"], "--lr: must be a positive float; got 'nan'"),
        (["--data", "nowhere"], "--data: there is no folder nowhere"),
        (["--resume", "nowhere"], "--resume: there is no nowhere/checkpoint.safetensors"),
        (["--resume", "broken"], "--resume: load: broken/checkpoint.safetensors"),
        (["--resume", "foreign"], "was not written by this script"),
        (["--resume", "foreign", "--batch-size", "8"], "leave out --batch-size"),
        (["--out", "a_file"], "a_file"),
        (["--out", "foreign"], "foreign holds a run already; go on with it by --resume foreign"),
    ],
)
def test_train_says_in_one_line_what_is_wrong(options, message, tmp_path):
    (tmp_path / "a_file").write_text("")
    for name in ("broken", "foreign"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "checkpoint.safetensors").write_bytes(b"not this")
    minigrad.save_checkpoint(tmp_path / "foreign" / "checkpoint.safetensors", epoch=1)
    done = run("train.py", *options, cwd=tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_custom_op_checks_its_ops_trains_a_layer_and_reports_the_bug():
    done = run("custom_op.py")
    assert done.returncode == 0, done.stderr
    for line in ("swish: 72", "bilateral: 26", "k_sparse: 72"):
        assert f"check_op: {line} elements agree." in done.stdout
    first, last = map(float, re.search(r"falls from (\S+) to (\S+)\n", done.stdout).groups())
    assert last < first / 2

    page = (ROOT / "docs" / "custom_ops.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)[1]
    said = done.stdout.split("a wrong rule:\n\n")[1].replace(f"{ROOT}{os.sep}", "")
    assert rounded(shown) == rounded(said)


def test_roofline_prints_the_table_and_draws_it(tmp_path):
    options = ["--steps", 2, "--batch-size", 8, "--trace", tmp_path / "trace.json"]
    done = run("roofline.py", *options, "--out", tmp_path / "roofline.png")
    assert done.returncode == 0, done.stderr
    for column in ("GFLOP/s", "GB/s", "of peak", "algorithm", "conv2d_weight_grad", "data"):
        assert column in done.stdout
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def rounded(text):
    """The words as they are, decimals to five digits: the last ones are the processor's."""
    return re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.5g}", text)


def test_page_on_custom_ops_shows_the_ops_of_the_example():
    page = (ROOT / "docs" / "custom_ops.md").read_text(encoding="utf-8")
    code = (ROOT / "examples" / "custom_op.py").read_text(encoding="utf-8")
    for rule in re.findall(r"^\w+\.gradient\([^#\n]*\)", code, re.MULTILINE):
        assert rule in page
    for name in ("_bilateral", "_bilateral_grad", "bilateral", "Bilateral", "train", "k_sparse"):
        found = re.search(rf"^(def|class) {name}\b.*?\n(?=[@#\w])", code, re.DOTALL | re.MULTILINE)
        assert found[0].rstrip() in page, name
