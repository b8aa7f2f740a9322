"""Layers that pad, cut into windows, and change the size of images."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from ._checks import check_dims, pair
from ._settings import Settings
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "ConstantPad1d", "ConstantPad2d", "Fold", "ReflectionPad1d",
    "ReflectionPad2d", "ReplicationPad1d", "ReplicationPad2d", "Unfold", "Upsample",
    "UpsamplingBilinear2d", "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d",
]


_SHAPES = {
    1: {3: "(N, C, L)", 2: "(C, L)"},
    2: {4: "(N, C, H, W)", 3: "(C, H, W)"},
}


class _Pad(Module):
    """Padding of the last `ndim` dims; negative widths cut."""

    ndim = 2
    mode = "constant"
    value: float = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        name, n = type(self).__name__, 2 * self.ndim
        widths = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * n
        if len(widths) != n:
            what = "(left, right)" if n == 2 else "(left, right, top, bottom)"
            raise ValueError(f"{name}: padding must be an int or {what}; got {widths}.")
        if not all(hasattr(w, "__index__") for w in widths):
            raise TypeError(f"{name}: padding must be ints; got {padding!r}.")
        self.padding = widths

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...) -> the same with larger last dims."""
        check_dims(self, input, _SHAPES[self.ndim])
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """The widths."""
        return f"{self.padding}"


class ConstantPad2d(_Pad):
    """Frame the image with `value`. padding: an int or (left, right, top, bottom), in pixels."""

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """The widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPad2d):
    """Put `value` around the sequence. padding: an int or (left, right)."""

    ndim = 1


class ZeroPad2d(_Pad):
    """Frame the image with zeros. padding: an int or (left, right, top, bottom), in pixels."""


class ZeroPad1d(_Pad):
    """Put zeros around the sequence. padding: an int or (left, right)."""

    ndim = 1


class ReflectionPad2d(_Pad):
    """Frame the image with its mirror image about the border pixel."""

    mode = "reflect"


class ReflectionPad1d(_Pad):
    """Continue the sequence with its mirror image about the last value."""

    ndim = 1
    mode = "reflect"


class ReplicationPad2d(_Pad):
    """Frame the image with copies of its border."""

    mode = "replicate"


class ReplicationPad1d(_Pad):
    """Continue the sequence with copies of its last value."""

    ndim = 1
    mode = "replicate"


class CircularPad2d(_Pad):
    """Frame the image as if it were repeated."""

    mode = "circular"


class CircularPad1d(_Pad):
    """Continue the sequence as if it were repeated."""

    ndim = 1
    mode = "circular"


class Unfold(Settings):
    """Cut images into windows and lay each out as a column. See `functional.unfold`."""

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        for name, value in (("kernel_size", kernel_size), ("dilation", dilation),
                            ("stride", stride)):
            pair("Unfold", name, value)
        pair("Unfold", "padding", padding, 0)
        super().__init__(
            kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C·KH·KW, windows)."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Settings):
    """Put windows back into images, adding where they overlap. See `functional.fold`."""

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        for name, value in (("output_size", output_size), ("kernel_size", kernel_size),
                            ("dilation", dilation), ("stride", stride)):
            pair("Fold", name, value)
        pair("Fold", "padding", padding, 0)
        super().__init__(
            output_size=output_size, kernel_size=kernel_size, dilation=dilation, padding=padding,
            stride=stride,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C·KH·KW, windows) -> (N, C, H, W)."""
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )


class Upsample(Module):
    """Images of another size, given as `size` in pixels or as `scale_factor`.

    Parameters
    ----------
    mode : 'nearest', 'bilinear', ...
        See `functional.interpolate`.
    align_corners : bool
        Bilinear only: whether the corner pixels of both images coincide.
    """

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
        align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        many = isinstance(scale_factor, (tuple, list))
        self.scale_factor: Any = None
        if scale_factor:
            self.scale_factor = (
                tuple(float(s) for s in scale_factor) if many else float(scale_factor)
            )
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, OH, OW)."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """The size or factor, and the mode."""
        what = "size" if self.scale_factor is None else "scale_factor"
        return f"{what}={getattr(self, what)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with mode 'nearest'."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample with mode 'bilinear' and aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)
