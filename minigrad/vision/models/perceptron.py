"""Models without convolutions, to compare with: a linear classifier, a multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn

__all__ = ["linear", "mlp"]


def mlp(
    num_classes: int = 10, in_channels: int = 1, image_size: int = 28,
    hidden: Sequence[int] = (256, 128), dropout: float = 0.0,
) -> nn.Sequential:
    """Fully connected layers of `hidden` sizes with ReLU between, then the scores.

    Parameters
    ----------
    in_channels, image_size : int
        The input is (N, in_channels, image_size, image_size).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    size = in_channels * image_size * image_size
    for n in hidden:
        layers += [nn.Linear(size, n), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = n
    return nn.Sequential(*layers, nn.Linear(size, num_classes))


def linear(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> nn.Sequential:
    """One weighted sum of all pixels per class: the softmax classifier."""
    return mlp(num_classes, in_channels, image_size, ())
