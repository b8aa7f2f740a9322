"""The networks that are timed, written once for every library with PyTorch's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["NETWORKS", "Network"]


@dataclass
class Network:
    """How a network is made, the shape of its images, and how many are trained on at once."""

    name: str
    make: Callable[[ModuleType], Any]
    image: tuple[int, int, int]
    batch: int = 64


def lenet(lib: ModuleType) -> Any:
    """LeNet-5's layout with ReLU and max pooling, for 28x28 images."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def vgg(lib: ModuleType) -> Any:
    """Three stages of two 3x3 convolutions and a pooling (VGG, 2015), for 32x32 images."""
    nn = lib.nn

    def stages() -> Iterator[Any]:
        for a, b in ((3, 32), (32, 64), (64, 128)):
            yield from (*_conv(nn, a, b, 3), nn.ReLU(), *_conv(nn, b, b, 3), nn.ReLU())
            yield nn.MaxPool2d(2)

    return nn.Sequential(*stages(), nn.Flatten(), nn.Linear(2048, 10))


def separable(lib: ModuleType) -> Any:
    """Depthwise 3x3 and pointwise convolutions in turn (MobileNet, 2017), for 32x32 images."""
    nn = lib.nn

    def stages() -> Iterator[Any]:
        yield from (*_conv(nn, 3, 32, 3), nn.ReLU())
        for a, b, stride in ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2)):
            yield from (*_conv(nn, a, a, 3, stride, groups=a), nn.ReLU())
            yield from (*_conv(nn, a, b, 1), nn.ReLU())

    return nn.Sequential(*stages(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


def resnet20(lib: ModuleType) -> Any:
    """The CIFAR network of He et al. (2016), section 4.2, with 1x1 convolutions as projections."""
    nn = lib.nn
    return nn.Sequential(
        *_conv(nn, 3, 16, 3), nn.ReLU(),
        *_stage(nn, 16, 16, 3), *_stage(nn, 16, 32, 3), *_stage(nn, 32, 64, 3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )


def resnet18(lib: ModuleType) -> Any:
    """The ImageNet network of He et al. (2016), table 1, for 224x224 images."""
    nn = lib.nn
    return nn.Sequential(
        *_conv(nn, 3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *_stage(nn, 64, 64, 2), *_stage(nn, 64, 128, 2),
        *_stage(nn, 128, 256, 2), *_stage(nn, 256, 512, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )


def _conv(nn: Any, a: int, b: int, k: int, stride: int = 1, groups: int = 1) -> tuple[Any, Any]:
    conv = nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(b)


def _stage(nn: Any, a: int, b: int, blocks: int) -> list[Any]:
    """Residual blocks, the first of which halves the image if it changes the channels."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, a: int, b: int) -> None:
            super().__init__()
            stride = 1 if a == b else 2
            self.body = nn.Sequential(
                *_conv(nn, a, b, 3, stride), nn.ReLU(), *_conv(nn, b, b, 3)
            )
            self.skip = nn.Identity() if a == b else nn.Sequential(*_conv(nn, a, b, 1, stride))

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.skip(x))

    return [Block(a if k == 0 else b, b) for k in range(blocks)]


NETWORKS = [
    Network("LeNet", lenet, (1, 28, 28)),
    Network("ResNet-20", resnet20, (3, 32, 32)),
    Network("VGG-small", vgg, (3, 32, 32)),
    Network("separable", separable, (3, 32, 32)),
    Network("ResNet-18", resnet18, (3, 224, 224), batch=8),
]
