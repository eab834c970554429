"""The networks that train a DARTS genotype, on CIFAR and on ImageNet (Liu et al. 2019)."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from models.networks.auxiliary_heads import cifar_auxiliary_head, imagenet_auxiliary_head
from models.networks.darts_cells import preprocess, reduction_cells
from models.networks.ends import stem
from models.networks.operations import build_operation, relu_conv_bn
from models.topology import DartsCell, DepthWidth, NdsCell, effective_depth_width

Cell = DartsCell | NdsCell


class DropPath(StochasticDepth):  # type: ignore[misc]
    """torchvision's, with the probability in a tensor: compiled code outlives a change of it."""

    survival: Tensor

    def __init__(self) -> None:
        super().__init__(0.0, mode="row")
        self.register_buffer("survival", torch.ones(()), persistent=False)
        self.active = False

    def set(self, probability: float) -> None:
        """Drop a sample with this probability, in [0, 1)."""
        self.p = probability
        self.active = probability > 0
        self.survival.fill_(1 - probability)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same, some samples zero and the others scaled up."""
        if not (self.training and self.active):
            return x
        survives = torch.rand(len(x), 1, 1, 1, device=x.device) < self.survival
        return x * survives / self.survival


class DartsCellModule(nn.Module):
    """A cell as a module: nodes are sums of two operations, the output concatenates some.

    Args:
        cell: its operations.
        before_last: maps of the cell before the last.
        last: maps of the last cell.
        channels: maps of this cell's nodes.
        reduction: operations on the two inputs have stride 2.
        after_reduction: the last cell halved the size.
        drop_path: applied to every operation but an identity; the network's cells share it.
    """

    def __init__(
        self,
        cell: Cell,
        before_last: int,
        last: int,
        channels: int,
        reduction: bool,
        after_reduction: bool,
        drop_path: nn.Module,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.preprocess0, self.preprocess1 = preprocess(
            before_last, last, channels, after_reduction
        )
        self.operations = nn.ModuleList()
        for name, source in cell.edges:
            stride = 2 if reduction and source in cell.INPUTS else 1
            operation = build_operation(name, channels, stride)
            if not isinstance(operation, nn.Identity):
                operation = nn.Sequential(operation, drop_path)
            self.operations.append(operation)

    def forward(self, before_last: Tensor, last: Tensor) -> Tensor:
        """The outputs of the two cells before to (N, concatenated nodes·channels, H, W)."""
        nodes = [self.preprocess0(before_last), self.preprocess1(last)]
        values = iter(zip(self.operations, self.cell.edges, strict=True))
        for (first, (_, a)), (second, (_, b)) in zip(values, values, strict=True):
            nodes.append(first(nodes[a]) + second(nodes[b]))
        return torch.cat([nodes[node] for node in self.cell.concat], dim=1)


class DartsNetwork(nn.Module):
    """Cells and readout; a subclass brings the stem, and what its auxiliary head looks like.

    `forward` gives the logits alone, in training too; `logits_and_auxiliary` gives both.

    Raises:
        ValueError: an auxiliary head on fewer than three cells, or `drop_path` outside [0, 1).
    """

    def __init__(
        self,
        normal: Cell,
        reduce: Cell,
        channels: int,
        cells: int,
        num_classes: int,
        drop_path: float,
        stem_channels: int,
        after_reduction: bool,
        auxiliary: Callable[[int, int], nn.Module] | None,
    ) -> None:
        super().__init__()
        if auxiliary is not None and cells < 3:
            raise ValueError(f"auxiliary: the head needs at least 3 cells, got {cells}")
        self.normal, self.reduce = normal, reduce
        self._drop_path = DropPath()
        self.drop_path = drop_path
        self.cells = nn.ModuleList()
        reductions = reduction_cells(cells)
        before_last = last = stem_channels
        for i in range(cells):
            reduction = i in reductions
            channels *= 2 if reduction else 1
            cell = reduce if reduction else normal
            self.cells.append(
                DartsCellModule(
                    cell,
                    before_last,
                    last,
                    channels,
                    reduction,
                    after_reduction,
                    self._drop_path,
                )
            )
            before_last, last = last, len(cell.concat) * channels
            after_reduction = reduction
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, num_classes)
        )
        # The maps no longer change after the last reduction, where the auxiliary head sits.
        self._auxiliary_at = max(reductions)
        self.auxiliary_head = auxiliary(last, num_classes) if auxiliary is not None else None

    @property
    def drop_path(self) -> float:
        """Probability that a sample skips an operation in training; set it anew every epoch."""
        return float(self._drop_path.p)

    @drop_path.setter
    def drop_path(self, probability: float) -> None:
        if not 0 <= probability < 1:
            raise ValueError(f"drop_path: expected a probability in [0, 1), got {probability}")
        self._drop_path.set(probability)

    def depth_width(self) -> DepthWidth:
        """Effective depth and width: the mean of the normal and the reduction cell.

        Both kinds count the same, however many cells the network stacks, as they do in the
        depth/width filter: an architecture has one depth and one width at every size.
        """
        of_cells = [effective_depth_width(cell) for cell in (self.normal, self.reduce)]
        return DepthWidth(*(sum(values) / len(of_cells) for values in zip(*of_cells, strict=True)))

    def stems(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two inputs of the first cell."""
        raise NotImplementedError

    def forward(self, x: Tensor, auxiliary: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Images (N, in_channels, H, W) to logits (N, num_classes); if asked to, to both heads'."""
        before_last, last = self.stems(x)
        middle = last
        for i, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last)
            if i == self._auxiliary_at:
                middle = last
        logits: Tensor = self.head(last)
        if auxiliary and self.auxiliary_head is not None:
            return logits, self.auxiliary_head(middle)
        return logits

    def logits_and_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images to logits and the auxiliary head's logits, both (N, num_classes).

        Raises:
            ValueError: the network was built without auxiliary head.
        """
        if self.auxiliary_head is None:
            raise ValueError("auxiliary: this network was built without auxiliary head")
        # By `__call__`, which is what `compile()` compiles.
        logits, auxiliary = self(x, auxiliary=True)
        return logits, auxiliary


class DartsNetworkCifar(DartsNetwork):
    """The network for images of 32×32; its auxiliary head needs that size.

    Args:
        normal: the cell that keeps the size.
        reduce: the cell that halves it, at a third and two thirds of the depth.
        channels: C, maps of a node in the first cell; doubled in every reduction cell.
        cells: how many.
        num_classes: number of logits.
        auxiliary: build the auxiliary head.
        drop_path: probability that a sample skips an operation in training.
        in_channels: of the images.
    """

    def __init__(
        self,
        normal: Cell,
        reduce: Cell,
        channels: int = 36,
        cells: int = 20,
        num_classes: int = 10,
        auxiliary: bool = False,
        drop_path: float = 0.0,
        in_channels: int = 3,
    ) -> None:
        stem_channels = 3 * channels
        super().__init__(
            normal,
            reduce,
            channels,
            cells,
            num_classes,
            drop_path,
            stem_channels,
            after_reduction=False,
            auxiliary=cifar_auxiliary_head if auxiliary else None,
        )
        self.stem = stem(in_channels, stem_channels)

    def stems(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One stem serves as both inputs."""
        y = self.stem(x)
        return y, y


class DartsNetworkImageNet(DartsNetwork):
    """The network for images of 224×224; its stem divides the size by 8.

    Args:
        normal: the cell that keeps the size.
        reduce: the cell that halves it, at a third and two thirds of the depth.
        channels: C, maps of a node in the first cell; doubled in every reduction cell.
        cells: how many.
        num_classes: number of logits.
        auxiliary: build the auxiliary head, which needs images of 224×224.
        drop_path: probability that a sample skips an operation in training.
        in_channels: of the images.
    """

    def __init__(
        self,
        normal: Cell,
        reduce: Cell,
        channels: int = 48,
        cells: int = 14,
        num_classes: int = 1000,
        auxiliary: bool = False,
        drop_path: float = 0.0,
        in_channels: int = 3,
    ) -> None:
        super().__init__(
            normal,
            reduce,
            channels,
            cells,
            num_classes,
            drop_path,
            stem_channels=channels,
            after_reduction=True,
            auxiliary=imagenet_auxiliary_head if auxiliary else None,
        )
        self.stem0 = nn.Sequential(
            nn.Conv2d(in_channels, channels // 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels // 2),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.stem1 = relu_conv_bn(channels, channels, 3, stride=2)

    def stems(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A quarter of the size, and an eighth."""
        before_last = self.stem0(x)
        return before_last, self.stem1(before_last)


def darts_network(
    normal: Cell,
    reduce: Cell,
    num_classes: int,
    in_channels: int,
    channels: int | None,
    cells: int | None,
    auxiliary: bool,
    drop_path: float,
    stem: Literal["cifar", "imagenet"],
) -> DartsNetwork:
    """Build the network for images of a size, with the paper's sizes where they are None.

    Raises:
        ValueError: another stem, or what the network refuses.
    """
    defaults: dict[str, tuple[type[DartsNetworkCifar | DartsNetworkImageNet], int, int]] = {
        "cifar": (DartsNetworkCifar, 36, 20),
        "imagenet": (DartsNetworkImageNet, 48, 14),
    }
    if stem not in defaults:
        raise ValueError(f"stem: expected 'cifar' or 'imagenet', got {stem!r}")
    network, default_channels, default_cells = defaults[stem]
    return network(
        normal,
        reduce,
        default_channels if channels is None else channels,
        default_cells if cells is None else cells,
        num_classes,
        auxiliary,
        drop_path,
        in_channels,
    )
