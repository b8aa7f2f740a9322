"""Does Winograd's rounding cost accuracy? ResNet-20 on CIFAR-10, by it and by direct convolution.

    python -m benchmarks.study --data DIR --json study.json    # an hour; what is there is not run
    python -m benchmarks.study --data DIR --json study.json --algorithm direct --seed 0    # a part
    python -m benchmarks.study --json study.json --into docs/performance.md    # the table alone

Runs of one seed begin with the same weights and see the same images in the same order, cropped and
mirrored alike. What is asked is whether the algorithms differ by more than seeds do.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import Any

import minigrad
from minigrad import optim
from minigrad.nn import functional as F
from minigrad.utils.data import DataLoader
from minigrad.vision import datasets, transforms

from .networks import resnet20
from .table import replace_between

ALGORITHMS = ("direct", "winograd")
CURVE = 100  # steps that a point of the loss curve is the mean of
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)


def train(algorithm: str, seed: int, epochs: int, data: Path) -> dict[str, Any]:
    """One run: the loss curve in training, and after each epoch the test images' loss, accuracy."""
    minigrad.set_conv_algorithm(algorithm)
    minigrad.manual_seed(seed)
    to_input = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moved = [transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=4)]
    images = datasets.CIFAR10(data, True, transforms.Compose([*moved, *to_input]))
    loader = DataLoader(images, 64, shuffle=True)
    tests = DataLoader(datasets.CIFAR10(data, False, transforms.Compose(to_input)), 250)
    model = resnet20(minigrad)
    optimizer = optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=epochs * len(loader))
    losses: list[float] = []
    after: list[dict[str, float]] = []
    for epoch in range(epochs):
        start = time.perf_counter()
        model.train()
        for x, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        seconds = time.perf_counter() - start
        after.append({**test(model, tests), "seconds": seconds})
        print(f"{algorithm}, seed {seed}, epoch {epoch + 1}: {after[-1]}", flush=True)
    curve = [statistics.fmean(losses[k : k + CURVE]) for k in range(0, len(losses), CURVE)]
    return {"algorithm": algorithm, "seed": seed, "curve": curve, "epochs": after}


@minigrad.no_grad()
def test(model: Any, loader: DataLoader) -> dict[str, float]:
    """Mean loss and accuracy on the test images."""
    model.eval()
    loss, right, count = 0.0, 0, 0
    for x, labels in loader:
        scores = model(x)
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        right += (scores.argmax(1) == labels).sum().item()
        count += len(labels)
    return {"loss": loss / count, "accuracy": right / count}


def show(runs: list[dict[str, Any]]) -> str:
    """Per seed and algorithm the end of each run, and how far apart runs are."""
    by = {(r["algorithm"], r["seed"]): r for r in runs}
    seeds = sorted({r["seed"] for r in runs})
    lines = [
        "| seed | algorithm | training loss at the end of each epoch | test loss | accuracy |",
        "|--:|---|---|--:|--:|",
    ]
    for seed, algorithm in itertools.product(seeds, ALGORITHMS):
        if (run := by.get((algorithm, seed))) is None:
            continue
        curve, last = run["curve"], run["epochs"][-1]
        step = len(curve) / len(run["epochs"])
        ends = [curve[round((k + 1) * step) - 1] for k in range(len(run["epochs"]))]
        lines.append(
            f"| {seed} | {algorithm} | {', '.join(f'{v:.3f}' for v in ends)} |"
            f" {last['loss']:.3f} | {last['accuracy']:.2%} |"
        )
    final = {key: run["epochs"][-1]["accuracy"] for key, run in by.items()}
    curves = {key: run["curve"] for key, run in by.items()}
    algorithms = [("direct", s, "winograd", s) for s in seeds]
    others = [(a, s, a, t) for a in ALGORITHMS for s, t in itertools.combinations(seeds, 2)]
    for text, pairs in (("the two algorithms, same seed", algorithms),
                        ("two seeds, same algorithm", others)):  # fmt: skip
        known = [(p[:2], p[2:]) for p in pairs if p[:2] in by and p[2:] in by]
        if known:
            points = statistics.fmean(abs(final[a] - final[b]) for a, b in known)
            apart = statistics.fmean(
                abs(u - v) for a, b in known for u, v in zip(curves[a], curves[b], strict=True)
            )
            lines.append(
                f"| | difference of {text} | {apart:.4f} (mean over the curve) | | {points:.2%} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Train what the file does not have yet, then print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--data", type=Path, help="folder with CIFAR-10; without it, no training")
    parser.add_argument("--algorithm", choices=ALGORITHMS, action="append")
    parser.add_argument("--seed", type=int, action="append", help="default: 0, 1 and 2")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--into", type=Path, help="a file to put the table into")
    args = parser.parse_args()
    if args.threads:
        minigrad.set_num_threads(args.threads)
    wanted = itertools.product(args.seed or range(3), args.algorithm or ALGORITHMS)
    for seed, algorithm in wanted if args.data else ():
        runs = _load(args.json)
        known = [(r["algorithm"], r["seed"], len(r["epochs"])) for r in runs]
        if (algorithm, seed, args.epochs) in known:
            continue
        run = train(algorithm, seed, args.epochs, args.data)
        args.json.write_text(json.dumps([*_load(args.json), run], indent=1), encoding="utf-8")
    table = show([r for r in _load(args.json) if len(r["epochs"]) == args.epochs])
    print(table)
    if args.into:
        try:
            replace_between(args.into, "study", table)
        except ValueError as error:
            parser.error(str(error))


def _load(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


if __name__ == "__main__":
    main()
