"""Train a network on images, and see what it learned.

    python examples/train.py                        # the images that ship with minigrad, no network
    python examples/train.py --dataset mnist --model lenet
    python examples/train.py --resume runs/...      # go on after Ctrl-C, as if never stopped

Everything about a run lies in its folder: the checkpoint (weights, optimiser, random state), the
metrics as JSON lines, and pictures. Ctrl-C finishes the batch at hand, saves, and leaves.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

import minigrad
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.utils.data import DataLoader
from minigrad.vision import datasets, models, transforms

# dataset: class, mean and std of its pixels, channels, size, default model, default epochs
DATASETS: dict[str, tuple[Any, tuple[float, ...], tuple[float, ...], int, int, str, int]] = {
    "fashion-mnist-mini": (datasets.FashionMNISTMini, (0.286,), (0.353,), 1, 28, "vgg-small", 4),
    "mnist": (datasets.MNIST, (0.1307,), (0.3081,), 1, 28, "lenet", 3),
    "fashion-mnist": (datasets.FashionMNIST, (0.286,), (0.353,), 1, 28, "vgg-small", 8),
    "cifar10": (datasets.CIFAR10, (0.491, 0.482, 0.447), (0.247, 0.243, 0.262), 3, 32, "resnet20",
                30),
}
MODELS = {  # of (classes, channels, size)
    "linear": models.linear,
    "mlp": models.mlp,
    "lenet": models.lenet5,
    "vgg-small": lambda classes, channels, size: models.vgg_small(classes, channels, width=12),
    "resnet20": lambda classes, channels, size: models.resnet20(classes, channels),
}
OPTIMIZERS = {  # the class, its other settings, and the highest learning rate of the schedule
    "sgd": (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}, 0.1),
    "adam": (optim.Adam, {}, 0.005),
    "adamw": (optim.AdamW, {"weight_decay": 0.01}, 0.005),
}
GENTLE = {"linear": 0.2, "mlp": 0.2, "lenet": 0.5}  # share of that rate: they have no batch norm


def load(args: argparse.Namespace, train: bool) -> Any:
    """The training or test images, each batch normalised (and in training, shifted and flipped)."""
    cls, mean, std, _, size, _, _ = DATASETS[args.dataset]
    steps: list[Any] = []
    if train and args.dataset == "cifar10":
        steps += [transforms.RandomCrop(size, padding=4)]
    if train and args.dataset != "mnist":  # a mirrored digit is none, a mirrored shoe is one
        steps += [transforms.RandomHorizontalFlip()]
    transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])
    if cls is datasets.FashionMNISTMini:
        return cls(train=train, transform=transform)
    return cls(args.data, train=train, transform=transform, download=True)


def train(model: nn.Module, loader: DataLoader, optimizer: Any, scheduler: Any, run: Run) -> None:
    """One epoch, or what is left of it."""
    model.train()
    for images, labels in loader:
        scores = model(images)
        loss = F.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        right = (scores.argmax(1) == labels).sum().item()
        run.step(loss.item(), right, len(labels), scheduler.get_last_lr()[0])
        if run.stopped:
            break


@minigrad.no_grad()
def test(model: nn.Module, loader: DataLoader) -> tuple[float, minigrad.Tensor, minigrad.Tensor]:
    """Mean loss, and for every image the true and the predicted class."""
    model.eval()
    loss, labels, found = 0.0, [], []
    for images, target in loader:
        scores = model(images)
        loss += F.cross_entropy(scores, target, reduction="sum").item()
        labels.append(target)
        found.append(scores.argmax(1))
    return loss / len(loader.dataset), minigrad.cat(labels), minigrad.cat(found)


class Run:
    """The progress bar, the metrics file, and whether Ctrl-C was pressed."""

    def __init__(self, folder: Path, images: int, epochs: int, steps: int, done: int) -> None:
        self.images, self.steps, self.done = images, steps, done
        self.stopped = False
        self.loss = self.right = self.seen = 0.0  # since the last row of the metrics
        self.path = folder / "metrics.jsonl"
        rows = self.rows()
        with self.path.open("w", encoding="utf-8") as file:  # what came after the checkpoint
            file.writelines(json.dumps(r) + "\n" for r in rows if r["step"] <= done)
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

    def rows(self) -> list[dict[str, Any]]:
        """The metrics so far."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def write(self, **row: Any) -> None:
        """Add a row to the metrics."""
        row = {"step": self.done, "epoch": round(self.done / self.steps, 4), **row}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def step(self, loss: float, right: int, n: int, lr: float) -> None:
        """Count a batch; a row of the metrics for every 20th of an epoch."""
        self.done += 1
        self.loss += loss * n
        self.right += right
        self.seen += n
        loss, accuracy = self.loss / self.seen, self.right / self.seen
        self.bar.set_description(f"epoch {(self.done - 1) // self.steps + 1}", refresh=False)
        self.bar.postfix[0] = f"loss {loss:.3f}, accuracy {100 * accuracy:.1f} %, "
        self.bar.update(n)
        if self.done % max(self.steps // 20, 1) == 0 or self.done % self.steps == 0:
            self.write(train_loss=loss, train_accuracy=accuracy, lr=lr)
            self.loss = self.right = self.seen = 0.0


def pictures(
    folder: Path, model: nn.Module, image: Any, labels: Any, found: Any, classes: Any
) -> None:
    """What can be seen of the run, as PNG files in its folder."""
    from minigrad import viz

    viz.training_curves(folder / "metrics.jsonl").savefig(folder / "curves.png")
    viz.confusion_matrix(labels, found, classes=classes).figure.savefig(folder / "confusion.png")
    viz.volumes(model, image.shape).figure.savefig(folder / "network.png")
    viz.feature_maps(model, image, classes=classes).savefig(folder / "activations.png")
    first = next(m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    weight = first.weight
    if isinstance(first, nn.Linear):  # what a linear layer looks for is an image as well
        weight = weight.reshape(-1, *image.shape)[:64]
    viz.filters(weight).figure.savefig(folder / "filters.png")


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


def options() -> argparse.Namespace:
    """The command line, with defaults for the data set and model; of a resumed run, its own."""
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dataset", choices=DATASETS, default="fashion-mnist-mini")
    p.add_argument("--model", choices=MODELS)
    p.add_argument("--epochs", type=positive(int))
    p.add_argument("--batch-size", type=positive(int), default=64)
    p.add_argument("--lr", type=positive(float), help="the highest of the one-cycle schedule")
    p.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=positive(int), help="default: all that this process may use")
    p.add_argument("--data", type=Path, help="folder of the data sets; default: the user's cache")
    p.add_argument("--out", type=Path, help="folder of the run; default: runs/...")
    p.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    args = p.parse_args()
    if args.data is not None and not args.data.is_dir():
        p.error(f"--data: there is no folder {args.data}")
    if args.resume is not None:
        free = ("resume", "data", "threads")
        given = [a for a in vars(args) if a not in free and getattr(args, a) != p.get_default(a)]
        if given:
            option = given[0].replace("_", "-")
            p.error(f"--resume goes on with the run's own options; leave out --{option}")
        file = args.resume / "checkpoint.safetensors"
        if not file.is_file():
            p.error(f"--resume: there is no {file}")
        stored = minigrad.load(file)["extra"]
        return argparse.Namespace(**{**vars(args), **stored, "out": args.resume})
    *_, model, epochs = DATASETS[args.dataset]
    args.model = args.model or model
    args.epochs = args.epochs or epochs
    args.lr = args.lr or OPTIMIZERS[args.optimizer][2] * GENTLE.get(args.model, 1.0)
    name = f"{args.dataset}-{args.model}-{time.strftime('%Y%m%d-%H%M%S')}"
    args.out = args.out or Path("runs") / name
    if (args.out / "checkpoint.safetensors").exists():
        p.error(f"--out: {args.out} holds a run already; go on with it by --resume {args.out}")
    return args


def main() -> int:
    """Train, test, draw; the exit code."""
    args = options()
    if args.threads:
        minigrad.set_num_threads(args.threads)
    minigrad.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)

    images = load(args, train=True)
    loader = DataLoader(images, args.batch_size, shuffle=True, num_workers=1)
    test_loader = DataLoader(load(args, train=False), 250)
    _, _, _, channels, size, _, _ = DATASETS[args.dataset]
    model = MODELS[args.model](len(images.classes), channels, size)
    print(minigrad.summary(model, (channels, size, size)))

    cls, settings, _ = OPTIMIZERS[args.optimizer]
    optimizer = cls(model.parameters(), lr=args.lr, **settings)
    steps = len(loader)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=steps * args.epochs)

    state = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    file = args.out / "checkpoint.safetensors"
    kept = ("dataset", "model", "epochs", "batch_size", "lr", "optimizer", "seed")
    extra = {k: getattr(args, k) for k in kept}
    if args.resume is not None:
        minigrad.load_checkpoint(file, **state)

    run = Run(args.out, len(images), args.epochs, steps, scheduler.last_epoch)
    while run.done < steps * args.epochs:
        train(model, loader, optimizer, scheduler, run)
        epoch = run.done // steps
        minigrad.save_checkpoint(file, **state, epoch=epoch, extra=extra)
        if run.stopped and run.done < steps * args.epochs:
            run.bar.close()
            print(f"stopped in epoch {run.done / steps:.2f}; go on with --resume {args.out}")
            return 130
        loss, labels, found = test(model, test_loader)
        accuracy = (labels == found).float().mean().item()
        run.write(test_loss=loss, test_accuracy=accuracy,
                  seconds=round(time.perf_counter() - run.began, 2))
        run.bar.write(f"epoch {epoch}: test loss {loss:.3f}, test accuracy {100 * accuracy:.2f} %")
    run.bar.close()

    loss, labels, found = test(model, test_loader)
    for k, name in enumerate(images.classes):
        print(f"{name:>12} {100 * (found[labels == k] == k).float().mean().item():6.1f} %")
    print(f"{'all':>12} {100 * (labels == found).float().mean().item():6.1f} %")
    pictures(args.out, model, test_loader.dataset[0][0], labels, found, images.classes)
    print(f"checkpoint, metrics and pictures are in {args.out}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as e:  # no such folder, no network, a full disk
        sys.exit(f"train.py: error: {e}")
