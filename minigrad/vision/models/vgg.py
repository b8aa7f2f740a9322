"""A small VGG: 3×3 convolutions in blocks, depth doubled as pooling halves the image."""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn
from ...tensor import Tensor

__all__ = ["VGG", "vgg_small"]


class VGG(nn.Module):
    """Blocks of [3×3 convolution, batch norm, ReLU] and 2×2 max-pooling; then mean, then scores.

    After Simonyan & Zisserman 2014, with batch norm, and a mean over space in place of the large
    fully connected layers.

    Parameters
    ----------
    blocks : sequence of (int, ...)
        The number of filters of each convolution, block by block.
    """

    def __init__(
        self, blocks: Sequence[Sequence[int]], num_classes: int = 10, in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        depth = in_channels
        for block in blocks:
            for filters in block:
                layers += [
                    nn.Conv2d(depth, filters, 3, padding=1, bias=False),
                    nn.BatchNorm2d(filters),
                    nn.ReLU(inplace=True),
                ]
                depth = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(depth, num_classes)
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes); H and W at least 2 per block."""
        return self.classifier(self.avgpool(self.features(x)))


def vgg_small(
    num_classes: int = 10, in_channels: int = 3, width: int = 32, dropout: float = 0.0
) -> VGG:
    """Six convolutions in three blocks of `width`, 2 · `width` and 4 · `width` filters.

    288 746 parameters by default; any image of at least 8 × 8 pixels.
    """
    blocks = [(width, width), (2 * width, 2 * width), (4 * width, 4 * width)]
    return VGG(blocks, num_classes, in_channels, dropout)
