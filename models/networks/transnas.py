"""TransNAS-Bench-101's networks of the micro space, for classification (Duan et al. 2021).

As in the release (`64-41414-…`): a stem, five layers of two cells, average and linear readout. The
first cell of the first, third and fifth layer halves height and width and doubles the maps by the
operations on the edges that leave its input.
"""

from collections.abc import Callable

from torch import Tensor, nn

from models.networks.masks import full_mask
from models.networks.nasbench201 import CellModule
from models.networks.operations import Zero, build_operation, factorized_reduce, relu_conv_bn
from models.networks.supernet import Supernet, SupernetCell
from models.topology import DepthWidth, NasBench201Cell, effective_depth_width

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
REDUCTIONS = (True, False, True, False, True)
"""Whether a layer halves the size and doubles the maps."""
_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


class _Nothing(Zero):
    """`none` where the size halves: zeros of twice the maps."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to zeros of (N, 2·C, ⌈H/2⌉, ⌈W/2⌉)."""
        return super().forward(x)[:, :1].expand(-1, 2 * x.shape[1], -1, -1)


def operation(name: str, channels: int, stride: int) -> nn.Module:
    """Build an operation to `channels` maps, from as many or, where `stride` is 2, from half."""
    if stride == 1:
        return build_operation(name, channels)
    if name == "none":
        return _Nothing(stride)
    if name == "skip_connect":
        return factorized_reduce(channels // 2, channels)
    return relu_conv_bn(channels // 2, channels, _KERNELS[name], stride)


def _stem(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Build the stem. Raises ValueError for a stride that two convolutions cannot make."""
    strides = {1: (1, 1), 2: (2, 1), 4: (2, 2)}
    if stride not in strides:
        raise ValueError(f"stem_stride: expected 1, 2 or 4, got {stride}")
    if channels < 2:
        raise ValueError(f"channels: expected 2 or more, got {channels}")
    first, second = strides[stride]
    return nn.Sequential(
        nn.Conv2d(in_channels, channels // 2, 3, first, padding=1, bias=False),
        nn.BatchNorm2d(channels // 2),
        relu_conv_bn(channels // 2, channels, 3, second),
    )


def _cells(
    make_cell: Callable[[int, int], nn.Module],
    channels: int,
    cells_per_layer: int,
    reductions: tuple[bool, ...],
) -> tuple[nn.Sequential, int]:
    """Build all cells, each from (maps, stride); return them and the maps of the last."""
    body = nn.Sequential()
    for reduces in reductions:
        channels *= 1 + reduces
        body.append(make_cell(channels, 1 + reduces))
        body.extend(make_cell(channels, 1) for _ in range(cells_per_layer - 1))
    return body, channels


def _readout(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


class TransNasNetwork(nn.Module):
    """The network that the benchmark trained for a cell on a task of classification.

    Args:
        cell: its operations.
        channels: maps of the stem, 2 or more; the benchmark has 64, and 512 at the end.
        cells_per_layer: cells of each of the five layers; the benchmark has 2.
        num_classes: number of logits.
        in_channels: of the images.
        stem_stride: 1, 2 or 4; the benchmark has 4, for images of 256×256.

    Raises:
        ValueError: another stride, or fewer channels.
    """

    def __init__(
        self,
        cell: NasBench201Cell,
        channels: int = 64,
        cells_per_layer: int = 2,
        num_classes: int = 75,
        in_channels: int = 3,
        stem_stride: int = 4,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.stem = _stem(in_channels, channels, stem_stride)
        self.cells, last = _cells(
            lambda maps, stride: CellModule(cell, maps, stride, operation),
            channels,
            cells_per_layer,
            REDUCTIONS,
        )
        self.head = _readout(last, num_classes)

    def depth_width(self) -> DepthWidth:
        """Effective depth and width of the cell."""
        return effective_depth_width(self.cell.graph)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.cells(self.stem(x)))
        return logits


class TransNasSupernetCell(SupernetCell):
    """All four operations on all six edges; the output is the last node."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(
            NasBench201Cell.EDGES, OPERATIONS, 1, channels, stride=stride, build=operation
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, channels, ⌈H/stride⌉, ⌈W/stride⌉)."""
        return self.nodes(x)[-1]


class TransNasSupernet(Supernet):
    """The benchmark's skeleton around supernet cells that all follow one mask.

    Args:
        channels: maps of the stem; without stem those of the images.
        cells_per_layer: cells of a layer.
        num_classes: number of logits.
        in_channels: of the images.
        mask: boolean, (1, 6 edges, 4 operations); by default all but `none`.
        stem_stride: 1, 2 or 4; 0 leaves the stem out.
        reductions: whether each layer halves the size and doubles the maps.

    Raises:
        ValueError: a bad mask (see `Supernet.mask`), or what `TransNasNetwork` refuses.
    """

    def __init__(
        self,
        channels: int = 4,
        cells_per_layer: int = 1,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        stem_stride: int = 1,
        reductions: tuple[bool, ...] = REDUCTIONS,
    ) -> None:
        super().__init__(("cell",), NasBench201Cell.EDGES, OPERATIONS)
        stem = _stem(in_channels, channels, stem_stride) if stem_stride else nn.Identity()
        self.stem: nn.Module = stem
        self.cells, last = _cells(TransNasSupernetCell, channels, cells_per_layer, reductions)
        self.head = _readout(last, num_classes)
        self.mask = full_mask(1, len(self.edges), self.operations) if mask is None else mask

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.cells(self.stem(x)))
        return logits
