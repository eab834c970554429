"""The supernet of the NAS-Bench-201 space."""

from torch import Tensor

from models.networks.ends import check_stem, head, stem
from models.networks.masks import full_mask
from models.networks.nasbench201 import stages
from models.networks.supernet import Supernet, SupernetCell
from models.topology import NasBench201Cell


class NasBench201SupernetCell(SupernetCell):
    """All five operations on all six edges; the output is the last node."""

    def __init__(self, channels: int) -> None:
        super().__init__(NasBench201Cell.EDGES, NasBench201Cell.OPERATIONS, 1, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return self.nodes(x)[-1]


class NasBench201Supernet(Supernet):
    """The benchmark's skeleton around supernet cells that all follow one mask.

    Args:
        channels: C, maps of the first stage.
        cells_per_stage: N.
        num_classes: number of logits.
        in_channels: of the images.
        mask: boolean, (1, 6 edges, 5 operations); by default all but `none`.
        num_stages: the benchmark has 3.
        use_stem: without it images go straight into the first cell, as TE-NAS counts linear
            regions; the stem's parameters remain, as they do there.

    Raises:
        ValueError: a bad mask (see `Supernet.mask`), or no stem where `in_channels` differs from
            `channels`.
    """

    def __init__(
        self,
        channels: int = 3,
        cells_per_stage: int = 1,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        *,
        num_stages: int = 3,
        use_stem: bool = True,
    ) -> None:
        super().__init__(("cell",), NasBench201Cell.EDGES, NasBench201Cell.OPERATIONS)
        check_stem(use_stem, in_channels, channels)
        self.use_stem = use_stem
        self.stem = stem(in_channels, channels)
        self.stages = stages(NasBench201SupernetCell, channels, cells_per_stage, num_stages)
        self.head = head(channels * 2 ** (num_stages - 1), num_classes)
        self.mask = full_mask(1, len(self.edges), self.operations) if mask is None else mask

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        if self.use_stem:
            x = self.stem(x)
        logits: Tensor = self.head(self.stages(x))
        return logits
