"""ConvNets to start from, untrained. Nothing is defined here."""

from .lenet import LeNet5, lenet5
from .perceptron import linear, mlp
from .resnet import BasicBlock, ResNet, resnet18, resnet34
from .resnet_cifar import CifarResNet, resnet20, resnet32, resnet44, resnet56
from .vgg import VGG, vgg_small

__all__ = [
    "VGG",
    "BasicBlock",
    "CifarResNet",
    "LeNet5",
    "ResNet",
    "lenet5",
    "linear",
    "mlp",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet56",
    "vgg_small",
]
