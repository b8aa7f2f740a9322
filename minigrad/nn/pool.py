"""Pooling layers. What each computes stands at its function in `functional`."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from ._checks import pair, single, size
from ._settings import Settings

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AvgPool1d",
    "AvgPool2d", "LPPool1d", "LPPool2d", "MaxPool1d", "MaxPool2d", "MaxUnpool2d",
]


def _check_window(
    name: str, window: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> None:
    kernel = window(name, "kernel_size", kernel_size)
    window(name, "stride", stride)
    window(name, "dilation", dilation)
    pads = window(name, "padding", padding, 0)
    if any(2 * p > k for p, k in zip(pads, kernel)):
        raise ValueError(
            f"{name}: padding must be at most half the kernel size; got padding {padding}, "
            f"kernel_size {kernel_size}."
        )


class MaxPool2d(Settings):
    """Largest value in each window.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or (int, int)
        In pixels; `stride` is `kernel_size` if None.
    return_indices : bool
        Also return where in the image (row · width + column) each value stood, for MaxUnpool2d.
    ceil_mode : bool
        Round the output size up, so that a last window may hang over.
    """

    _window = staticmethod(pair)
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:
        stride = kernel_size if stride is None else stride
        _check_window(
            type(self).__name__, self._window, kernel_size, stride, padding, dilation
        )
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation,
            return_indices=return_indices, ceil_mode=ceil_mode,
        )

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) -> the same with (OH, OW); a pair if `return_indices`."""
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )


class MaxPool1d(MaxPool2d):
    """Largest value in each window of a sequence. Parameters as for `MaxPool2d`."""

    _window = staticmethod(single)  # type: ignore[assignment]

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) or (C, L) -> the same with OL; a pair if `return_indices`."""
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )


class MaxUnpool2d(Settings):
    """Puts pooled values back where `MaxPool2d(return_indices=True)` found them, among zeros."""

    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        stride = kernel_size if stride is None else stride
        super().__init__(
            kernel_size=pair("MaxUnpool2d", "kernel_size", kernel_size),
            stride=pair("MaxUnpool2d", "stride", stride),
            padding=pair("MaxUnpool2d", "padding", padding, 0),
        )

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, OH, OW) and indices of that shape -> (N, C, H, W)."""
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class AvgPool2d(Settings):
    """Mean of each window.

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        In pixels; `stride` is `kernel_size` if None.
    count_include_pad : bool
        Padding counts as zeros in the mean; otherwise it is left out.
    divisor_override : int
        Divide sums by this instead of the number of pixels.
    """

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:
        stride = kernel_size if stride is None else stride
        _check_window("AvgPool2d", pair, kernel_size, stride, padding)
        if divisor_override == 0:
            raise ValueError("AvgPool2d: divisor_override must not be zero.")
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad, divisor_override=divisor_override,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> the same with (OH, OW)."""
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )


class AvgPool1d(Settings):
    """Mean of each window of a sequence. Parameters as for `AvgPool2d`."""

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        stride = kernel_size if stride is None else stride
        _check_window("AvgPool1d", single, kernel_size, stride, padding)
        super().__init__(
            kernel_size=single("AvgPool1d", "kernel_size", kernel_size),
            stride=single("AvgPool1d", "stride", stride),
            padding=single("AvgPool1d", "padding", padding, 0),
            ceil_mode=ceil_mode, count_include_pad=count_include_pad,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> the same with OL."""
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )


class LPPool2d(Settings):
    """(Σ x^norm_type)^(1/norm_type) of each window."""

    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        pair("LPPool2d", "kernel_size", kernel_size)
        super().__init__(
            norm_type=norm_type, kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> the same with (OH, OW)."""
        return F.lp_pool2d(
            input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool1d(Settings):
    """(Σ x^norm_type)^(1/norm_type) of each window of a sequence."""

    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        single("LPPool1d", "kernel_size", kernel_size)
        super().__init__(
            norm_type=norm_type, kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> the same with OL."""
        return F.lp_pool1d(
            input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )


class _Adaptive(Settings):
    def __init__(self, output_size: Any) -> None:
        name = type(self).__name__
        for n in output_size if isinstance(output_size, (tuple, list)) else (output_size,):
            if n is not None:
                size(name, "output_size", n, 0)
        super().__init__(output_size=output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """Mean of windows that cover the image evenly, as many as `output_size` says.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
        (OH, OW); None keeps the input's size.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> the same with (OH, OW)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """Mean of `output_size` windows that cover the sequence evenly."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> the same with OL."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class _AdaptiveMax(_Adaptive):
    _shown = ("output_size",)

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Largest value of windows that cover the image evenly. See `AdaptiveAvgPool2d`."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) -> the same with (OH, OW); a pair if `return_indices`."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Largest value of `output_size` windows that cover the sequence evenly."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) or (C, L) -> the same with OL; a pair if `return_indices`."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)
