"""Convolution layers: Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d. The maths is in the ops."""

from __future__ import annotations

import math
from typing import Any

from ..ops.conv import conv2d_relu
from ..tensor import Tensor
from . import functional as F
from . import init
from ._checks import divides, pair, positive, single
from .linear import empty_parameter
from .module import Module

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What the four share: checked settings, the parameters and their first values."""

    window = staticmethod(pair)  # how a setting becomes one int per window dim
    transposed = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
        dilation: Any, groups: int, bias: bool, padding_mode: str, device: Any, dtype: Any,
        output_padding: Any = 0,
    ) -> None:
        super().__init__()
        name, window = type(self).__name__, type(self).window
        positive(name, groups=groups, in_channels=in_channels, out_channels=out_channels)
        divides(name, ("groups", groups), in_channels=in_channels, out_channels=out_channels)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = window(name, "kernel_size", kernel_size)
        self.stride = window(name, "stride", stride)
        self.dilation = window(name, "dilation", dilation)
        self.output_padding = window(name, "output_padding", output_padding, 0)
        if isinstance(padding, str) and not self.transposed:
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"{name}: padding must be ints, 'valid' or 'same'; got padding {padding!r}."
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(
                    f"{name}: padding 'same' is not supported for strided convolutions; got stride "
                    f"{stride}. Give the padding in pixels."
                )
            self.padding: Any = padding
        else:
            self.padding = window(name, "padding", padding, 0)
        modes = _MODES[:1] if self.transposed else _MODES
        if padding_mode not in modes:
            raise ValueError(f"{name}: padding_mode must be one of {modes}; got {padding_mode!r}.")
        self.padding_mode = padding_mode
        first, second = out_channels, in_channels
        if self.transposed:
            first, second = in_channels, out_channels
        self.weight = empty_parameter(
            first, second // groups, *self.kernel_size, dtype=dtype, device=device
        )
        if bias:
            self.bias = empty_parameter(out_channels, dtype=dtype, device=device)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            k = 1 / math.sqrt(max(math.prod(self.weight.shape[1:]), 1))
            init.uniform_(self.bias, -k, k)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input after a padding mode other than zeros, and what is left for the op to pad."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return input, self.padding
        widths: list[int] = []  # last dim first, before and after
        for i in reversed(range(len(self.kernel_size))):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                widths += [total // 2, total - total // 2]
            else:
                widths += [self.padding[i]] * 2
        return F.pad(input, widths, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        """The settings that are not their defaults."""
        n = len(self.kernel_size)
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (usual,) * n:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv2d(_Conv):
    """Filters slid over an image (cross-correlation). See `functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
        Depth of the input volume, and number of filters.
    kernel_size, stride, dilation : int or (int, int)
        In pixels, (height, width).
    padding : int, (int, int), 'valid' or 'same'
    groups : int
        Must divide both numbers of channels; with `in_channels` groups it is depthwise.
    padding_mode : 'zeros', 'reflect', 'replicate' or 'circular'

    Attributes
    ----------
    weight : (out_channels, in_channels/groups, KH, KW) ~ U(−k, k)
        k = √(groups / (in_channels·KH·KW))
    bias : (out_channels,) ~ U(−k, k), or None
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )

    def forward(
        self, input: Tensor, *, filters: tuple[Tensor, Tensor] | None = None, relu: bool = False
    ) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> (N, F, OH, OW) or (F, OH, OW).

        `filters` are a weight and a bias in place of its own; `relu` cuts the result off at 0.
        """
        x, padding = self._padded(input)
        weight, bias = (self.weight, self.bias) if filters is None else filters
        how = self.stride, padding, self.dilation, self.groups
        return conv2d_relu(x, weight, bias, *how) if relu else F.conv2d(x, weight, bias, *how)


class Conv1d(_Conv):
    """Filters slid over a sequence. Parameters as for `Conv2d`, with one window dim.

    Attributes
    ----------
    weight : (out_channels, in_channels/groups, K) ~ U(−k, k), k = √(groups / (in_channels·K))
    bias : (out_channels,) ~ U(−k, k), or None
    """

    window = staticmethod(single)  # type: ignore[assignment]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) -> (N, F, OL) or (F, OL)."""
        x, padding = self._padded(input)
        return F.conv1d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class _ConvTranspose(_Conv):
    transposed = True

    def _extra(self, input: Tensor, output_size: Any) -> Any:
        """The output_padding that gives an output of `output_size`."""
        if output_size is None:
            return self.output_padding
        n = len(self.kernel_size)
        wanted = [int(s) for s in output_size][-n:]
        least = [
            (input.shape[i - n] - 1) * self.stride[i] - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1) + 1
            for i in range(n)
        ]
        most = [m + s - 1 for m, s in zip(least, self.stride)]
        if len(wanted) != n or any(not a <= w <= b for a, w, b in zip(least, wanted, most)):
            raise ValueError(
                f"{type(self).__name__}: output_size must lie between {least} and {most} for input "
                f"shape {tuple(input.shape)}; got output_size {list(output_size)}."
            )
        return tuple(w - m for w, m in zip(wanted, least))


class ConvTranspose2d(_ConvTranspose):
    """The transpose of `Conv2d`: each input pixel adds a scaled filter to the output.

    Parameters as for `Conv2d`; `output_padding` adds rows and columns at the far side, so that the
    output has the size of the image that a strided convolution took in.

    Attributes
    ----------
    weight : (in_channels, out_channels/groups, KH, KW) ~ U(−k, k)
        k = √(groups / (out_channels·KH·KW))
    bias : (out_channels,) ~ U(−k, k), or None
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, bias: bool = True,
        dilation: Any = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype, output_padding,
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> (N, F, OH, OW) or (F, OH, OW)."""
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._extra(input, output_size), self.groups, self.dilation,
        )


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`. Parameters as for `ConvTranspose2d`, with one window dim.

    Attributes
    ----------
    weight : (in_channels, out_channels/groups, K) ~ U(−k, k), k = √(groups / (out_channels·K))
    bias : (out_channels,) ~ U(−k, k), or None
    """

    window = staticmethod(single)  # type: ignore[assignment]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, bias: bool = True,
        dilation: Any = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype, output_padding,
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, L) or (C, L) -> (N, F, OL) or (F, OL)."""
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._extra(input, output_size), self.groups, self.dilation,
        )
