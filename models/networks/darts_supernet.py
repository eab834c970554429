"""The supernet of the DARTS space."""

import torch
from torch import Tensor, nn

from models.networks.darts_cells import preprocess, reduction_cells
from models.networks.ends import check_stem, head, stem
from models.networks.masks import full_mask
from models.networks.supernet import Supernet, SupernetCell
from models.topology import DartsCell


class DartsSupernetCell(SupernetCell):
    """All eight operations on all fourteen edges; the output concatenates the four nodes.

    Args:
        before_last: maps of the cell before the last.
        last: maps of the last cell.
        channels: maps of this cell's nodes; the output has four times as many.
        reduction: halve the size (cell type 1) or keep it (cell type 0).
        after_reduction: the last cell halved the size.
    """

    def __init__(
        self, before_last: int, last: int, channels: int, reduction: bool, after_reduction: bool
    ) -> None:
        super().__init__(
            DartsCell.EDGES,
            DartsCell.OPERATIONS,
            len(DartsCell.INPUTS),
            channels,
            stride=2 if reduction else 1,
            cell_type=int(reduction),
        )
        self.preprocess0, self.preprocess1 = preprocess(
            before_last, last, channels, after_reduction
        )

    def forward(self, before_last: Tensor, last: Tensor) -> Tensor:
        """The outputs of the two cells before to (N, 4·channels, H, W)."""
        return torch.cat(self.nodes(self.preprocess0(before_last), self.preprocess1(last)), dim=1)


class DartsSupernet(Supernet):
    """Normal and reduction supernet cells between a stem and a readout.

    Args:
        channels: C, maps of a node in the first cell; doubled in every reduction cell.
        cells: how many; see `reduction_cells` for which reduce. Two are one of each kind.
        num_classes: number of logits.
        in_channels: of the images.
        stem_multiplier: the stem has `stem_multiplier · channels` maps.
        mask: boolean, (2: normal and reduction, 14 edges, 8 operations); by default all but `none`.
        use_stem: without it images go straight into the first cell, as TE-NAS counts linear
            regions; the stem's parameters remain, as they do there.

    Raises:
        ValueError: a bad mask (see `Supernet.mask`), or no stem where `in_channels` differs from
            the stem's maps.
    """

    def __init__(
        self,
        channels: int = 1,
        cells: int = 2,
        num_classes: int = 10,
        in_channels: int = 3,
        stem_multiplier: int = 1,
        mask: Tensor | None = None,
        *,
        use_stem: bool = True,
    ) -> None:
        super().__init__(("normal", "reduce"), DartsCell.EDGES, DartsCell.OPERATIONS)
        before_last = last = stem_multiplier * channels
        check_stem(use_stem, in_channels, last)
        self.use_stem = use_stem
        self.stem = stem(in_channels, last)
        self.cells = nn.ModuleList()
        reductions, after_reduction = reduction_cells(cells), False
        for i in range(cells):
            reduction = i in reductions
            channels *= 2 if reduction else 1
            self.cells.append(
                DartsSupernetCell(before_last, last, channels, reduction, after_reduction)
            )
            before_last, last = last, len(DartsCell.NODES) * channels
            after_reduction = reduction
        self.head = head(last, num_classes)
        self.mask = full_mask(2, len(self.edges), self.operations) if mask is None else mask

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        before_last = last = self.stem(x) if self.use_stem else x
        for cell in self.cells:
            before_last, last = last, cell(before_last, last)
        logits: Tensor = self.head(last)
        return logits
