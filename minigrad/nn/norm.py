"""Normalisation layers: batch, layer, group, instance, local response. The maths is in the ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ops.norm import batch_norm_relu
from ..tensor import Tensor, wrap
from . import functional as F
from . import init
from ._checks import check_dims, divides, positive, size
from .linear import empty_parameter
from .module import Module

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm",
    "LocalResponseNorm", "RMSNorm",
]


class _Affine(Module):
    """A layer with an optional weight of ones and bias of zeros."""

    def _make(
        self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: Any
    ) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            made = empty_parameter(*shape, dtype=dtype, device=device) if wanted else None
            self.register_parameter(name, made)

    def reset_parameters(self) -> None:
        """Set the weight to ones and the bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _Tracking(_Affine):
    """What batch and instance norm share: statistics per channel that follow the data."""

    shapes: ClassVar[dict[int, str]] = {}

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool,
        track_running_stats: bool, bias: bool, device: Any, dtype: Any,
    ) -> None:
        super().__init__()
        self.num_features = size(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum, self.affine = eps, momentum, affine
        self.track_running_stats = track_running_stats
        self._make((self.num_features,), affine, affine and bias, device, dtype)
        if track_running_stats:
            zeros = empty_parameter(self.num_features, dtype=dtype).detach()
            self.register_buffer("running_mean", zeros)
            self.register_buffer("running_var", wrap(np.empty_like(zeros._data)))
            self.register_buffer("num_batches_tracked", wrap(np.array(0)))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the data seen: mean 0, variance 1."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Set weight and bias to ones and zeros, and forget the data seen."""
        self.reset_running_stats()
        super().reset_parameters()

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Tracking):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
        affine: bool = True, track_running_stats: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias, device, dtype
        )

    def forward(self, input: Tensor, *, relu: bool = False) -> Tensor:
        """The same shape. `relu` cuts the result off at 0 in the same pass."""
        check_dims(self, input, self.shapes)
        factor = 0.0 if self.momentum is None else self.momentum
        track = self.training and self.track_running_stats
        if track and self.num_batches_tracked is not None:
            self.num_batches_tracked._data += 1  # add_ would take as long as the small batch
            if self.momentum is None:  # the mean over all batches
                factor = 1 / self.num_batches_tracked.item()
        mean, var = self.running_mean, self.running_var
        training = self.training or mean is None
        if self.training and not track:
            mean = var = None
        call = batch_norm_relu if relu else F.batch_norm
        return call(input, mean, var, self.weight, self.bias, training, factor, self.eps)


class BatchNorm2d(_BatchNorm):
    """Bring each channel to mean 0 and variance 1 over batch and space, then scale and shift.

        y = (x − mean) / √(var + eps) · weight + bias

    In training, mean and (biased) variance are the batch's, and running estimates follow them
    (running = (1 − momentum) · running + momentum · batch, with the unbiased variance); in
    evaluation the running estimates are used. Ioffe & Szegedy 2015.

    Parameters
    ----------
    num_features : int
        Number of channels C.
    momentum : float or None
        None averages over all batches alike.
    affine : bool
        Learn `weight` (C,), first ones, and (unless `bias` is False) `bias` (C,), first zeros.
    track_running_stats : bool
        Without it the batch's statistics are used in evaluation too.
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class BatchNorm1d(_BatchNorm):
    """Batch norm over (N, C) features or (N, C, L) sequences. Parameters as for `BatchNorm2d`."""

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class _InstanceNorm(_Tracking):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        """The same shape."""
        check_dims(self, input, self.shapes)
        batched = input.ndim == max(self.shapes)
        x = input if batched else input.unsqueeze(0)
        y = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, self.momentum or 0.0, self.eps,
        )
        return y if batched else y.squeeze(0)


class InstanceNorm2d(_InstanceNorm):
    """Bring each channel of each image to mean 0 and variance 1 over space.

    Parameters as for `BatchNorm2d`; by default nothing is learned or tracked. Ulyanov et al. 2016.
    """

    shapes: ClassVar = {4: "(N, C, H, W)", 3: "(C, H, W)"}


class InstanceNorm1d(_InstanceNorm):
    """Instance norm over (N, C, L) or (C, L) sequences. See `InstanceNorm2d`."""

    shapes: ClassVar = {3: "(N, C, L)", 2: "(C, L)"}


class LayerNorm(_Affine):
    """Bring the last dims of each example to mean 0 and variance 1, then scale and shift.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last dims, which are normalised together.
    elementwise_affine, bias : bool
        Learn `weight`, first ones, and `bias`, first zeros, of that shape. Ba et al. 2016.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5,
        elementwise_affine: bool = True, bias: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(size("LayerNorm", "normalized_shape", n) for n in sizes)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make(
            self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype
        )
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """(..., *normalized_shape), the same shape out."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divide each example by its root mean square over the last dims, then scale.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last dims, which are normalised together.
    eps : float
        Added to the mean square; the dtype's machine epsilon if None.
    elementwise_affine : bool
        Learn `weight`, first ones, of that shape. Zhang & Sennrich 2019.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None,
        elementwise_affine: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(size("RMSNorm", "normalized_shape", n) for n in sizes)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = None
        if elementwise_affine:
            weight = empty_parameter(*self.normalized_shape, dtype=dtype, device=device)
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to ones."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """(..., *normalized_shape), the same shape out."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Affine):
    """Bring each group of channels of each example to mean 0 and variance 1, then scale and shift.

    Parameters
    ----------
    num_groups : int
        Must divide `num_channels`.
    affine : bool
        Learn `weight` and `bias` (num_channels,). Wu & He 2018.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:
        super().__init__()
        positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        divides("GroupNorm", ("num_groups", num_groups), num_channels=num_channels)
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._make((num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), the same shape out."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divide each value by a measure of its neighbours in depth. Krizhevsky et al. 2012, sec. 3.3.

        y[c] = x[c] / (k + alpha / size · Σ_{|j − c| ≤ size/2} x[j]²)^beta
    """

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None:
        super().__init__()
        positive("LocalResponseNorm", size=size)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), the same shape out."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
