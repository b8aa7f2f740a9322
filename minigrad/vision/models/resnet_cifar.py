"""Residual networks for 32×32 images: resnet20 and its deeper siblings. Larger ones: resnet.py."""

from __future__ import annotations

from ... import nn
from ...nn import functional as F
from ...tensor import Tensor

__all__ = ["CifarResNet", "resnet20", "resnet32", "resnet44", "resnet56"]


class Shortcut(nn.Module):
    """Every `stride`-th pixel, channels of zeros added: option A of He et al., no parameters."""

    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = planes - in_planes

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + extra, H/stride, W/stride)."""
        x = x[:, :, :: self.stride, :: self.stride]
        before = self.extra // 2
        return F.pad(x, (0, 0, 0, 0, before, self.extra - before))

    def extra_repr(self) -> str:
        """The settings."""
        return f"stride={self.stride}, extra={self.extra}"


class Block(nn.Module):
    """Two 3×3 convolutions with batch norm, added to the input."""

    def __init__(self, in_planes: int, planes: int, stride: int, option: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_planes != planes:
            self.shortcut = Shortcut(in_planes, planes, stride) if option == "A" else nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, planes, H/stride, W/stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """6n + 2 layers in three stages of 16, 32 and 64 filters (He et al. 2016, section 4.2).

    Parameters
    ----------
    n : int
        Blocks per stage.
    shortcut : 'A' or 'B'
        Where depth grows: zeros (the paper's choice for CIFAR-10), or a learned 1×1 convolution.
    """

    def __init__(
        self, n: int, num_classes: int = 10, in_channels: int = 3, shortcut: str = "A"
    ) -> None:
        super().__init__()
        if shortcut not in ("A", "B"):
            raise ValueError(f"resnet: shortcut must be 'A' or 'B'; got shortcut {shortcut!r}.")
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = self._stage(16, 16, n, 1, shortcut)
        self.layer2 = self._stage(16, 32, n, 2, shortcut)
        self.layer3 = self._stage(32, 64, n, 2, shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")

    @staticmethod
    def _stage(in_planes: int, planes: int, n: int, stride: int, shortcut: str) -> nn.Sequential:
        first = Block(in_planes, planes, stride, shortcut)
        return nn.Sequential(first, *[Block(planes, planes, 1, shortcut) for _ in range(n - 1)])

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


def resnet20(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """20 layers, 269 722 parameters (0.27 M, as in the paper's table 6)."""
    return CifarResNet(3, num_classes, in_channels, shortcut)


def resnet32(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """32 layers, 0.46 M parameters."""
    return CifarResNet(5, num_classes, in_channels, shortcut)


def resnet44(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """44 layers, 0.66 M parameters."""
    return CifarResNet(7, num_classes, in_channels, shortcut)


def resnet56(num_classes: int = 10, in_channels: int = 3, shortcut: str = "A") -> CifarResNet:
    """56 layers, 0.85 M parameters."""
    return CifarResNet(9, num_classes, in_channels, shortcut)
