"""Image data sets, as in torchvision.datasets, and one that ships with the package."""

from __future__ import annotations

from .cifar import CIFAR10, CIFAR100
from .mini import FashionMNISTMini
from .mnist import MNIST, FashionMNIST
from .vision import VisionDataset

__all__ = ["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "FashionMNISTMini", "VisionDataset"]
