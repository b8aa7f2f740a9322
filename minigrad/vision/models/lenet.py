"""LeNet-5: two convolutions with pooling, then three fully connected layers."""

from __future__ import annotations

from ... import nn
from ...tensor import Tensor

__all__ = ["LeNet5", "lenet5"]


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998, section II.B), with ReLU and max-pooling for tanh and averaging.

    The second convolution sees all maps of the first, not the paper's table of some.

    Parameters
    ----------
    image_size : 28 or 32
        28 is padded to the paper's 32 by the first convolution.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> None:
        super().__init__()
        if image_size not in (28, 32):
            raise ValueError(f"lenet5: image_size must be 28 or 32; got image_size {image_size}.")
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=(32 - image_size) // 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, image_size, image_size) -> (N, num_classes)."""
        return self.classifier(self.features(x))


def lenet5(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> LeNet5:
    """LeNet-5, 61 706 parameters with one input channel and ten classes."""
    return LeNet5(num_classes, in_channels, image_size)
