"""Layers and whole training steps, written once for every library with PyTorch's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from .measure import Result, in_turn

__all__ = ["layers", "models"]

Step = Callable[[], Any]


def layers(libraries: dict[str, ModuleType], batch: int = 64) -> list[Result]:
    """Milliseconds for forward and backward of one layer, in training mode, float32."""
    cases: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
        "conv 3x3, 3->16, 32x32": (lambda nn: nn.Conv2d(3, 16, 3, padding=1), (3, 32, 32)),
        "conv 3x3, 16->16, 32x32": (lambda nn: nn.Conv2d(16, 16, 3, padding=1), (16, 32, 32)),
        "conv 3x3, 32->32, 16x16": (lambda nn: nn.Conv2d(32, 32, 3, padding=1), (32, 16, 16)),
        "conv 3x3, 64->64, 8x8": (lambda nn: nn.Conv2d(64, 64, 3, padding=1), (64, 8, 8)),
        "conv 3x3 / 2, 16->32": (lambda nn: nn.Conv2d(16, 32, 3, 2, 1), (16, 32, 32)),
        "conv 5x5, 6->16, 14x14": (lambda nn: nn.Conv2d(6, 16, 5), (6, 14, 14)),
        "conv 1x1, 64->64, 16x16": (lambda nn: nn.Conv2d(64, 64, 1), (64, 16, 16)),
        "max pool 2x2, 32, 28x28": (lambda nn: nn.MaxPool2d(2), (32, 28, 28)),
        "avg pool 2x2, 32, 28x28": (lambda nn: nn.AvgPool2d(2), (32, 28, 28)),
        "batch norm, 32, 28x28": (lambda nn: nn.BatchNorm2d(32), (32, 28, 28)),
        "relu, 32, 28x28": (lambda nn: nn.ReLU(), (32, 28, 28)),
        "linear 3136->128": (lambda nn: nn.Linear(3136, 128), (3136,)),
    }
    results = []
    for name, (make, shape) in cases.items():
        size = (batch, *shape)
        contestants = {n: _layer_step(lib, make(lib.nn), size) for n, lib in libraries.items()}
        results.append(Result(name, in_turn(contestants), notes={"batch": batch}))
    return results


def _layer_step(lib: ModuleType, layer: Any, shape: tuple[int, ...]) -> Step:
    rng = np.random.default_rng(0)
    x = lib.tensor(rng.standard_normal(shape, dtype=np.float32), requires_grad=True)
    y = layer(x)
    g = lib.tensor(rng.standard_normal(tuple(y.shape), dtype=np.float32))

    def step() -> None:
        x.grad = None
        for p in layer.parameters():
            p.grad = None
        layer(x).backward(g)

    return step


def models(libraries: dict[str, ModuleType], batch: int = 128) -> list[Result]:
    """Milliseconds for a training step of a whole network: forward, loss, backward, update."""
    results = []
    for name, (make, shape) in NETWORKS.items():
        size = (batch, *shape)
        contestants = {n: _train_step(lib, make(lib), size) for n, lib in libraries.items()}
        seconds = in_turn(contestants, budget=8)
        rate = {n: round(batch / t) for n, t in seconds.items()}
        results.append(Result(name, seconds, notes={"batch": batch, "images/s": rate}))
    return results


def _train_step(lib: ModuleType, model: Any, shape: tuple[int, ...]) -> Step:
    rng = np.random.default_rng(0)
    x = lib.tensor(rng.standard_normal(shape, dtype=np.float32))
    target = lib.tensor(rng.integers(0, 10, shape[0]))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()

    return step


def lenet(lib: ModuleType) -> Any:
    """LeNet-5's layout with ReLU and max pooling, for 28x28 images."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def vgg(lib: ModuleType) -> Any:
    """Three stages of convolution, normalisation, ReLU and pooling, for 28x28 images."""
    nn = lib.nn

    def stages() -> Iterator[Any]:
        for a, b in ((1, 16), (16, 32), (32, 64)):
            yield from (nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
                        nn.MaxPool2d(2))

    return nn.Sequential(*stages(), nn.Flatten(), nn.Linear(576, 10))


def resnet20(lib: ModuleType) -> Any:
    """The CIFAR network of He et al. (2016), section 4.2, with 1x1 convolutions as projections."""
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, a: int, b: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
                nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b),
            )
            self.skip = nn.Identity() if a == b else nn.Conv2d(a, b, 1, stride, bias=False)

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.skip(x))

    blocks = [
        Block(a if k == 0 else b, b, 2 if k == 0 and a != b else 1)
        for a, b in ((16, 16), (16, 32), (32, 64)) for k in range(3)
    ]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )


NETWORKS: dict[str, tuple[Callable[[ModuleType], Any], tuple[int, ...]]] = {
    "LeNet, 28x28": (lenet, (1, 28, 28)),
    "small VGG, 28x28": (vgg, (1, 28, 28)),
    "ResNet-20, 32x32": (resnet20, (3, 32, 32)),
}
