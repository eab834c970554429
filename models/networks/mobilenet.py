"""Chains of inverted residuals: MobileNetV2 (Sandler et al., arXiv 1801.04381) and its kin."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

from models.topology import DepthWidth, effective_depth_width
from models.topology.residual_chain import ChainBlock, residual_chain

REDUCTIONS = (1, 2, 4, 8, 16, 32)
"""How many times smaller the last maps may be than the image."""
_STRIDED = (0, 2, 3, 4, 6)
"""Where MobileNetV2 halves the maps: in the stem (0) and at the beginning of these stages."""
_STEM, _HEAD = 2, 4
"""Maps of the stem by those of the first stage, of the head by those of the last: 32 and 1,280."""
_SQUEEZE = 4
"""Maps of a block's input by those of its squeeze, as in MnasNet (arXiv 1807.11626)."""


@dataclass(frozen=True)
class MobileStage:
    """Blocks in a row that are alike.

    Args:
        kernel: height and width of the depthwise convolutions.
        expansion: maps inside a block by those that enter it.
        width: maps that leave a block.
        depth: number of blocks.
        squeeze: whether the blocks have squeeze-excitation.
    """

    kernel: int
    expansion: int
    width: int
    depth: int
    squeeze: bool


def mobile_blocks(stages: Sequence[MobileStage]) -> list[ChainBlock]:
    """What each block counts in effective depth.

    A depthwise and a pointwise convolution are one separable convolution, so that a block counts 2,
    or 1 without expansion; squeeze-excitation, which scales maps, counts 0. All blocks of a stage
    but the first are residual.
    """
    return [
        ChainBlock(1 if stage.expansion == 1 else 2, residual=i > 0, label=_label(stage))
        for stage in stages
        for i in range(stage.depth)
    ]


def _label(stage: MobileStage) -> str:
    return f"k{stage.kernel} e{stage.expansion} c{stage.width}{' se' * stage.squeeze}"


class InvertedResidual(nn.Module):
    """Expand, convolve each map, squeeze and excite where asked to, project; add the input or not.

    Args:
        in_channels: maps that enter.
        stage: of the block.
        stride: of the depthwise convolution.
        residual: whether the input is added.
    """

    def __init__(self, in_channels: int, stage: MobileStage, stride: int, residual: bool) -> None:
        super().__init__()
        hidden = in_channels * stage.expansion
        self.layers = nn.Sequential()
        if stage.expansion > 1:
            self.layers.append(_convolution(in_channels, hidden, 1))
        self.layers.append(_convolution(hidden, hidden, stage.kernel, stride, groups=hidden))
        if stage.squeeze:
            squeezed = max(1, in_channels // _SQUEEZE)
            self.layers.append(SqueezeExcitation(hidden, squeezed))
        self.layers.append(
            Conv2dNormActivation(hidden, stage.width, 1, activation_layer=None, inplace=None)
        )
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, width, ⌈H/stride⌉, ⌈W/stride⌉)."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """Stem, seven stages of inverted residuals, and head, of MobileNetV2.

    The stem has twice the maps of the first stage, the head four times those of the last: with
    MobileNetV2's stages this is MobileNetV2, with weights drawn as torchvision draws them. Its
    dropout is left out.

    Args:
        stages: seven.
        num_classes: number of logits.
        in_channels: of the images.
        reduction: how many times smaller the last maps are than the image: 32 is MobileNetV2's,
            for images of 224×224, and 8 suits 32×32. The last places that halve the maps there
            halve them here.

    Raises:
        ValueError: another number of stages, or another reduction than 1, 2, 4, 8, 16 and 32.
    """

    cpu_training_format = torch.channels_last
    """In which a CPU trains depthwise convolutions up to twice as fast."""

    def __init__(
        self,
        stages: Sequence[MobileStage],
        num_classes: int = 10,
        in_channels: int = 3,
        reduction: int = 8,
    ) -> None:
        super().__init__()
        if len(stages) != max(_STRIDED) + 1:
            raise ValueError(f"stages: expected {max(_STRIDED) + 1}, got {len(stages)}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction}")
        strided = _STRIDED[len(_STRIDED) - REDUCTIONS.index(reduction) :]
        self._counts = mobile_blocks(stages)
        channels = _STEM * stages[0].width
        self.stem = _convolution(in_channels, channels, 3, 2 if 0 in strided else 1)
        self.blocks = nn.Sequential()
        for number, stage in enumerate(stages, start=1):
            for i in range(stage.depth):
                stride = 2 if number in strided and i == 0 else 1
                self.blocks.append(InvertedResidual(channels, stage, stride, residual=i > 0))
                channels = stage.width
        self.head = nn.Sequential(
            _convolution(channels, _HEAD * channels, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(_HEAD * channels, num_classes),
        )
        self._draw()

    def depth_width(self) -> DepthWidth:
        """Effective depth and width of the blocks."""
        return effective_depth_width(residual_chain(self._counts))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.blocks(self.stem(x)))
        return logits

    def _draw(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)


def _convolution(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU6."""
    layers: nn.Sequential = Conv2dNormActivation(
        in_channels,
        out_channels,
        kernel,
        stride,
        groups=groups,
        activation_layer=nn.ReLU6,
        inplace=False,
    )
    return layers
