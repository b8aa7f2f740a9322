"""What surrounds training: the command line, progress, metrics, Ctrl-C, pictures. See train.py."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

import minigrad
from minigrad import nn, viz

CHECKPOINT = "checkpoint.safetensors"
FREE = ("resume", "data", "threads")  # what may change when a run goes on


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def positive(kind: Any) -> Any:
    """A number of this kind above zero, for argparse."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be a positive {kind.__name__}; got {text!r}")
        return value

    return convert


def command_line(
    about: str | None, datasets: Iterable[str], models: Iterable[str], optimizers: Iterable[str]
) -> argparse.Namespace:
    """What the user typed; options that were left out are None. Of a resumed run, its own."""
    p = Parser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dataset", choices=datasets, help="default: fashion-mnist-mini")
    p.add_argument("--model", choices=models, help="default: what suits the data set")
    p.add_argument("--epochs", type=positive(int), help="default: what suits the data set")
    p.add_argument("--batch-size", type=positive(int), help="default: 64")
    p.add_argument("--lr", type=positive(float), help="the highest of the one-cycle schedule")
    p.add_argument("--optimizer", choices=optimizers, help="default: sgd")
    p.add_argument("--seed", type=int, help="default: 0")
    p.add_argument("--threads", type=positive(int), help="default: all that this process may use")
    p.add_argument("--data", type=Path, help="folder of the data sets; default: the user's cache")
    p.add_argument("--out", type=Path, help="folder of the run; default: runs/...")
    p.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    args = p.parse_args()
    if args.seed is not None and not 0 <= args.seed < 2**63:
        p.error(f"--seed: must be in [0, 2**63); got {args.seed}")
    if args.data is not None and not args.data.is_dir():
        p.error(f"--data: there is no folder {args.data}")
    if args.out is not None and (args.out / CHECKPOINT).exists():
        p.error(f"--out: {args.out} holds a run already; go on with it by --resume {args.out}")
    if args.resume is None:
        return args
    for name, value in vars(args).items():
        if value is not None and name not in FREE:
            option = name.replace("_", "-")
            p.error(f"--resume goes on with the run's own options; leave out --{option}")
    file = args.resume / CHECKPOINT
    if not file.is_file():
        p.error(f"--resume: there is no {file}")
    try:
        stored = minigrad.load_checkpoint(file)["extra"]
    except ValueError as e:
        p.error(f"--resume: {e}")
    if not isinstance(stored, dict) or "dataset" not in stored:
        p.error(f"--resume: {file} was not written by this script")
    return argparse.Namespace(**{**vars(args), **stored, "out": args.resume})


class Run:
    """The progress bar, the metrics file, and whether Ctrl-C was pressed.

    `done` counts the batches so far, of `steps` per epoch.
    """

    def __init__(self, folder: Path, images: int, epochs: int, steps: int, done: int) -> None:
        self.epochs, self.steps, self.done = epochs, steps, done
        self.stopped = False
        self.loss = self.right = self.seen = 0.0  # since the last row of the metrics
        self.path = folder / "metrics.jsonl"
        rows = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        with self.path.open("w", encoding="utf-8") as file:  # without what the checkpoint lacks
            file.writelines(row + "\n" for row in rows if json.loads(row)["step"] <= done)
        self.began = time.perf_counter()
        self.bar = tqdm(
            total=images * epochs, initial=min(done * images // steps, images * epochs),
            unit=" images", unit_scale=True, mininterval=0.2 if sys.stderr.isatty() else 5,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {postfix[0]}{rate_fmt}, {remaining} left",
            postfix=[""],
        )
        signal.signal(signal.SIGINT, self.interrupt)

    def interrupt(self, *_: object) -> None:
        """Leave after this batch; the second Ctrl-C leaves at once."""
        self.stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def close(self) -> None:
        """Training is over."""
        self.bar.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def write(self, **row: Any) -> None:
        """Add a row to the metrics."""
        row = {"step": self.done, "epoch": round(self.done / self.steps, 4), **row}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def step(self, loss: float, right: int, n: int, lr: float) -> None:
        """Count a batch of n images; a row of the metrics for every 20th of an epoch."""
        self.done += 1
        self.loss += loss * n
        self.right += right
        self.seen += n
        loss, accuracy = self.loss / self.seen, self.right / self.seen
        epoch = (self.done - 1) // self.steps + 1
        self.bar.set_description(f"epoch {epoch} of {self.epochs}", refresh=False)
        self.bar.postfix[0] = f"loss {loss:.3f}, accuracy {100 * accuracy:.1f} %, "
        self.bar.update(n)
        if self.done % max(self.steps // 20, 1) == 0 or self.done % self.steps == 0:
            self.write(train_loss=loss, train_accuracy=accuracy, lr=lr)
            self.loss = self.right = self.seen = 0.0

    def tested(self, loss: float, accuracy: float) -> None:
        """Note the results of an epoch."""
        seconds = round(time.perf_counter() - self.began, 2)
        self.write(test_loss=loss, test_accuracy=accuracy, seconds=seconds)
        epoch = self.done // self.steps
        self.bar.write(f"epoch {epoch}: test loss {loss:.3f}, test accuracy {accuracy:.2%}")


def report(folder: Path, model: nn.Module, image: Any, labels: Any, found: Any, names: Any) -> None:
    """Accuracy per class on the terminal, and pictures in the run's folder."""
    for k, name in enumerate(names):
        of_class = found[labels == k]
        if len(of_class):
            print(f"{name:>12} {(of_class == k).float().mean().item():7.1%}")
    print(f"{'all':>12} {(labels == found).float().mean().item():7.1%}")

    viz.training_curves(folder / "metrics.jsonl").savefig(folder / "curves.png")
    viz.confusion_matrix(labels, found, classes=names).figure.savefig(folder / "confusion.png")
    viz.volumes(model, image.shape).figure.savefig(folder / "network.png")
    viz.feature_maps(model, image, classes=names).savefig(folder / "activations.png")
    first = next(m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    weight = first.weight
    if isinstance(first, nn.Linear):  # what a linear layer looks for is an image as well
        weight = weight.reshape(-1, *image.shape)[:64]
    viz.filters(weight).figure.savefig(folder / "filters.png")
    print(f"checkpoint, metrics and pictures are in {folder}")
