"""NAS-Bench-201's networks: its macro skeleton around one cell (Dong & Yang 2020)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.networks.ends import head, stem
from models.networks.operations import build_operation, relu_conv_bn
from models.topology import DepthWidth, NasBench201Cell, effective_depth_width


class ResidualReduction(nn.Module):
    """The block between stages: halves height and width and changes the number of maps."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            relu_conv_bn(in_channels, out_channels, 3, stride=2),
            relu_conv_bn(out_channels, out_channels, 3),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, ⌈H/2⌉, ⌈W/2⌉)."""
        y: Tensor = self.shortcut(x) + self.convolutions(x)
        return y


def stages(
    make_cell: Callable[[int], nn.Module], channels: int, cells_per_stage: int, count: int = 3
) -> nn.Sequential:
    """Stages of `cells_per_stage` cells; between them the maps double and the size halves.

    Args:
        make_cell: a fresh cell of the given number of maps.
        channels: maps of the first stage.
        cells_per_stage: N in the paper.
        count: number of stages; the last has `channels · 2^(count − 1)` maps.
    """
    body = nn.Sequential()
    for stage in range(count):
        width = channels * 2**stage
        if stage:
            body.append(ResidualReduction(width // 2, width))
        body.extend(make_cell(width) for _ in range(cells_per_stage))
    return body


class CellModule(nn.Module):
    """A cell as a module: every node is the sum of its edges' operations.

    As in the benchmark every operation runs, also one whose output `none` discards; all parameters
    of the network then have a gradient, if only of zero.

    Args:
        cell: its operations.
        channels: maps of every node after the input.
        stride: of the operations on edges that leave the input; 1 elsewhere.
        build: the module of an operation, from (name, channels, stride).
    """

    def __init__(
        self,
        cell: NasBench201Cell,
        channels: int,
        stride: int = 1,
        build: Callable[[str, int, int], nn.Module] = build_operation,
    ) -> None:
        super().__init__()
        self.operations = nn.ModuleList(
            build(name, channels, stride if source == 0 else 1)
            for (source, _), name in zip(cell.EDGES, cell.operations, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images of maps (N, C, H, W) to (N, channels, ⌈H/stride⌉, ⌈W/stride⌉)."""
        nodes: dict[int, Tensor] = {0: x}
        for (source, target), operation in zip(NasBench201Cell.EDGES, self.operations, strict=True):
            value = operation(nodes[source])
            nodes[target] = nodes[target] + value if target in nodes else value
        return nodes[3]


class NasBench201Network(nn.Module):
    """The network that the benchmark trained for a cell.

    Args:
        cell: its operations.
        channels: C, maps of the first stage; the benchmark has 16.
        cells_per_stage: N; the benchmark has 5.
        num_classes: number of logits.
        in_channels: of the images.
    """

    cpu_format = torch.channels_last
    """In which convolutions and pooling of few maps are fastest, without gradients."""

    def __init__(
        self,
        cell: NasBench201Cell,
        channels: int = 16,
        cells_per_stage: int = 5,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.stem = stem(in_channels, channels)
        self.stages = stages(lambda width: CellModule(cell, width), channels, cells_per_stage)
        self.head = head(4 * channels, num_classes)

    def depth_width(self) -> DepthWidth:
        """Effective depth and width of the cell."""
        return effective_depth_width(self.cell.graph)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.stages(self.stem(x)))
        return logits
