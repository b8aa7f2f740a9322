"""Train a network on images, and see what it learned.

    python examples/train.py                        # the images that ship with minigrad, no network
    python examples/train.py --dataset mnist --model lenet
    python examples/train.py --resume runs/...      # go on after Ctrl-C, as if never stopped

Everything about a run lies in its folder: the checkpoint (weights, optimiser, random state), the
metrics as JSON lines, and pictures. Ctrl-C finishes the batch at hand, saves, and leaves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import CHECKPOINT, Run, command_line, report

import minigrad
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.utils.data import DataLoader
from minigrad.vision import datasets, models, transforms

DATASETS: dict[str, Any] = {  # the class; mean and std of its pixels; channels; size
    "fashion-mnist-mini": (datasets.FashionMNISTMini, (0.286,), (0.353,), 1, 28),
    "mnist": (datasets.MNIST, (0.1307,), (0.3081,), 1, 28),
    "fashion-mnist": (datasets.FashionMNIST, (0.286,), (0.353,), 1, 28),
    "cifar10": (datasets.CIFAR10, (0.491, 0.482, 0.447), (0.247, 0.243, 0.262), 3, 32),
}
MODELS: dict[str, Callable[[int, int, int], nn.Module]] = {  # of classes, channels, size
    "linear": models.linear,
    "mlp": models.mlp,
    "lenet": models.lenet5,
    "vgg-small": lambda classes, channels, size: models.vgg_small(classes, channels, width=10),
    "resnet20": lambda classes, channels, size: models.resnet20(classes, channels),
}
OPTIMIZERS: dict[str, Any] = {  # the class; its other settings; the highest rate of the schedule
    "sgd": (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}, 0.1),
    "adam": (optim.Adam, {}, 0.005),
    "adamw": (optim.AdamW, {"weight_decay": 0.01}, 0.005),
}
GENTLE = {"linear": 0.2, "mlp": 0.2, "lenet": 0.5}  # share of that rate: no batch norm in these
SUITS = {  # model, epochs
    "fashion-mnist-mini": ("vgg-small", 5), "mnist": ("lenet", 3),
    "fashion-mnist": ("vgg-small", 8), "cifar10": ("resnet20", 30),
}
DEFAULTS = {"dataset": "fashion-mnist-mini", "batch_size": 64, "optimizer": "sgd", "seed": 0}


def load(name: str, folder: Path | None, train: bool) -> Any:
    """The training or test images, normalised; in training also moved and mirrored at random."""
    cls, mean, std, _, size = DATASETS[name]
    steps: list[Any] = [transforms.ToTensor(), transforms.Normalize(mean, std)]
    if train and name == "cifar10":
        steps.insert(0, transforms.RandomCrop(size, padding=4))
    if train and name != "mnist":  # a mirrored shoe is a shoe, a mirrored digit is none
        steps.insert(0, transforms.RandomHorizontalFlip())
    transform = transforms.Compose(steps)
    if cls is datasets.FashionMNISTMini:
        return cls(train=train, transform=transform)
    return cls(folder, train=train, transform=transform, download=True)


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


def main() -> int:
    """Train, test, report; the exit code."""
    args = command_line(__doc__, DATASETS, MODELS, OPTIMIZERS)
    for name, value in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    model_name, epochs = SUITS[args.dataset]
    args.model = args.model or model_name
    args.epochs = args.epochs or epochs
    args.lr = args.lr or OPTIMIZERS[args.optimizer][2] * GENTLE.get(args.model, 1.0)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    args.out = args.out or Path("runs") / f"{args.dataset}-{args.model}-{stamp}"
    args.out.mkdir(parents=True, exist_ok=True)
    if args.threads:
        minigrad.set_num_threads(args.threads)
    minigrad.manual_seed(args.seed)

    try:
        images, test_images = (load(args.dataset, args.data, train) for train in (True, False))
    except (RuntimeError, ValueError) as e:  # a file is damaged, or cannot be fetched
        sys.exit(f"train.py: error: {e}")
    loader = DataLoader(images, args.batch_size, shuffle=True, num_workers=1)
    test_loader = DataLoader(test_images, 250)

    *_, channels, size = DATASETS[args.dataset]
    model = MODELS[args.model](len(images.classes), channels, size)
    print(minigrad.summary(model, (channels, size, size)))

    cls, settings, _ = OPTIMIZERS[args.optimizer]
    optimizer = cls(model.parameters(), lr=args.lr, **settings)
    steps = len(loader)
    total = steps * args.epochs
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=total)

    state = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    kept = ("dataset", "model", "epochs", "batch_size", "lr", "optimizer", "seed")
    extra = {k: getattr(args, k) for k in kept}
    if args.resume is not None:
        minigrad.load_checkpoint(args.resume / CHECKPOINT, **state)

    run = Run(args.out, len(images), args.epochs, steps, scheduler.last_epoch)
    while run.done < total:
        train(model, loader, optimizer, scheduler, run)
        minigrad.save_checkpoint(
            args.out / CHECKPOINT, **state, epoch=run.done // steps, extra=extra
        )
        if run.stopped and run.done < total:
            run.close()
            print(f"stopped after {run.done / steps:.2f} epochs; go on with --resume {args.out}")
            return 130
        loss, labels, found = test(model, test_loader)
        run.tested(loss, (labels == found).float().mean().item())
    run.close()

    _, labels, found = test(model, test_loader)
    report(args.out, model, test_images[0][0], labels, found, images.classes)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as e:  # no such folder, no network, a full disk
        sys.exit(f"train.py: error: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
