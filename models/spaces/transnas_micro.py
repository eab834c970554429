"""TransNAS-Bench-101's micro space: NAS-Bench-201's cell without pooling (Duan et al. 2021)."""

from typing import Any, Literal

from torch import Tensor

from models.networks.transnas import OPERATIONS, TransNasNetwork, TransNasSupernet
from models.spaces.base import ProxySetting
from models.spaces.nasbench201 import NasBench201Cells
from models.topology import NasBench201Cell


class TransNasMicroSpace(NasBench201Cells):
    """Architectures are `NasBench201Cell`s of `none`, a skip and convolutions of 1×1 and 3×3.

    4,096 cells (arXiv 2105.11871), in NAS-Bench-201's notation. In a cell that halves the size, a
    skip on an edge from the input is a strided convolution; depth and width are those of the other
    cells, where it is an identity.
    """

    name = "transnas_micro"
    operations = OPERATIONS

    def parse(self, text: str) -> NasBench201Cell:
        """Read `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        return _own(super().parse(text))

    def from_json(self, value: Any) -> NasBench201Cell:
        """Read the text. Raises ValueError as `parse` does."""
        return self.parse(value)

    def format(self, architecture: NasBench201Cell) -> str:
        """The text that `parse` reads."""
        return super().format(_own(architecture))

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """Five layers of one cell from four maps, all on images of 32×32; or the benchmark's."""
        if size == "small":
            return ProxySetting({"channels": 4, "cells_per_layer": 1, "stem_stride": 1}, 32)
        return ProxySetting({"channels": 64, "cells_per_layer": 2, "stem_stride": 4}, 128)

    def supernet(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        channels: int = 4,
        cells_per_layer: int = 1,
        stem_stride: int = 1,
    ) -> TransNasSupernet:
        """Five layers of one cell, unless other sizes are given."""
        return TransNasSupernet(
            channels, cells_per_layer, num_classes, in_channels, mask, stem_stride
        )

    def region_network(self, num_classes: int = 10, mask: Tensor | None = None) -> TransNasSupernet:
        """One cell of one map, which the crops (N, 1, 3, 3) enter directly."""
        return TransNasSupernet(1, 1, num_classes, 1, mask, stem_stride=0, reductions=(False,))

    def network(
        self,
        architecture: NasBench201Cell,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int = 64,
        cells_per_layer: int = 2,
        stem_stride: int = 4,
    ) -> TransNasNetwork:
        """The benchmark's own network, unless other sizes are given."""
        return TransNasNetwork(
            _own(architecture),
            channels,
            cells_per_layer,
            num_classes,
            in_channels,
            stem_stride,
        )


def _own(architecture: NasBench201Cell) -> NasBench201Cell:
    """Refuse a cell with an operation that the space does not have."""
    for name in getattr(architecture, "operations", ()):
        if name not in OPERATIONS:
            raise ValueError(
                f"TransNAS-Bench-101 cell: unknown operation {name!r}; "
                f"allowed: {', '.join(OPERATIONS)}"
            )
    return architecture
