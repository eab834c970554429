"""The operations that label the edges of cells, as modules of `channels` maps in and out.

Every operation with parameters is an `nn.Sequential` that begins with an `nn.ReLU`, so that a
supernet can share that ReLU among the edges that leave one node, and that activation codes can be
hooked. No ReLU works in place: its input belongs to other edges too.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional


def relu_conv_bn(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
) -> nn.Sequential:
    """ReLU, convolution that keeps the size (but for the stride), batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    )


def separable_conv(
    channels: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """ReLU, depthwise then pointwise convolution, batch normalisation."""
    padding = dilation * (kernel_size // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            channels,
            channels,
            kernel_size,
            stride,
            padding=padding,
            dilation=dilation,
            groups=channels,
            bias=False,
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def double_separable_conv(
    channels: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Two separable convolutions in a row, the stride in the first (DARTS's `sep_conv`)."""
    return nn.Sequential(
        *separable_conv(channels, kernel_size, stride, dilation),
        *separable_conv(channels, kernel_size, 1, dilation),
    )


def thin_conv_pair(channels: int, length: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolutions along rows and along columns, batch normalisation (NASNet)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, length), (1, stride), (0, length // 2), bias=False),
        nn.Conv2d(channels, channels, (length, 1), (stride, 1), (length // 2, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


class ShiftedConvPair(nn.Module):
    """Two 1×1 convolutions of stride 2, the second one pixel down and right; each half the maps.

    Raises:
        ValueError: fewer than two output channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if out_channels < 2:
            raise ValueError(f"out_channels: a reduction needs at least 2, got {out_channels}")
        half = out_channels // 2
        self.even = nn.Conv2d(in_channels, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels - half, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, ⌈H/2⌉, ⌈W/2⌉)."""
        # A row and a column of zeros keep the halves equal where H or W is odd.
        shifted = functional.pad(x, (-1, 1, -1, 1))
        return torch.cat([self.even(x), self.odd(shifted)], dim=1)


def factorized_reduce(in_channels: int, out_channels: int) -> nn.Sequential:
    """ReLU, shifted pair of strided 1×1 convolutions, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(), ShiftedConvPair(in_channels, out_channels), nn.BatchNorm2d(out_channels)
    )


class Zero(nn.Module):
    """`none`: zeros that stay in the graph, so that what leads here has gradients (of zero)."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to zeros of (N, C, ⌈H/stride⌉, ⌈W/stride⌉)."""
        return x[..., :: self.stride, :: self.stride] * 0.0


OPERATIONS: Mapping[str, Callable[[int, int], nn.Module]] = MappingProxyType(
    {
        "none": lambda _, stride: Zero(stride),
        "skip_connect": lambda channels, stride: (
            nn.Identity() if stride == 1 else factorized_reduce(channels, channels)
        ),
        "nor_conv_1x1": lambda channels, stride: relu_conv_bn(channels, channels, 1, stride),
        "nor_conv_3x3": lambda channels, stride: relu_conv_bn(channels, channels, 3, stride),
        "conv_1x1": lambda channels, stride: relu_conv_bn(channels, channels, 1, stride),
        "conv_3x3": lambda channels, stride: relu_conv_bn(channels, channels, 3, stride),
        "conv_3x1_1x3": lambda channels, stride: thin_conv_pair(channels, 3, stride),
        "conv_7x1_1x7": lambda channels, stride: thin_conv_pair(channels, 7, stride),
        "sep_conv_3x3": lambda channels, stride: double_separable_conv(channels, 3, stride),
        "sep_conv_5x5": lambda channels, stride: double_separable_conv(channels, 5, stride),
        "sep_conv_7x7": lambda channels, stride: double_separable_conv(channels, 7, stride),
        "dil_conv_3x3": lambda channels, stride: separable_conv(channels, 3, stride, dilation=2),
        "dil_conv_5x5": lambda channels, stride: separable_conv(channels, 5, stride, dilation=2),
        "dil_sep_conv_3x3": lambda channels, stride: double_separable_conv(
            channels, 3, stride, dilation=2
        ),
        "avg_pool_3x3": lambda _, stride: nn.AvgPool2d(
            3, stride, padding=1, count_include_pad=False
        ),
        "max_pool_3x3": lambda _, stride: nn.MaxPool2d(3, stride, padding=1),
        "max_pool_5x5": lambda _, stride: nn.MaxPool2d(5, stride, padding=2),
        "max_pool_7x7": lambda _, stride: nn.MaxPool2d(7, stride, padding=3),
    }
)
"""Operation name to a factory of (channels, stride); stride is 1 or 2."""


class SharedReLU(nn.ReLU):
    """A ReLU that is computed once for several operations, each of which begins with one.

    Scores of activations count it `readers` times, as the network that it stands for has it.
    """

    readers = 1


def build_operation(name: str, channels: int, stride: int = 1) -> nn.Module:
    """The module of an operation.

    Raises:
        ValueError: an unknown operation.
    """
    if name not in OPERATIONS:
        raise ValueError(f"operation: unknown {name!r}; allowed: {', '.join(OPERATIONS)}")
    return OPERATIONS[name](channels, stride)
