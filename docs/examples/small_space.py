"""A search space of one's own: three nodes, three edges, three operations, 27 architectures.

From the command line, with this folder on Python's path:

    PYTHONPATH=docs/examples lightning fit --config configs/search/quickstart.yaml \
        --model.space small_space.SmallSpace

From Python, a search in it and the network of what was found:

    python docs/examples/small_space.py
"""

import math
from typing import Any

import networkx as nx
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from datamodules import DigitsDataModule
from models import PruningSearch
from models.networks import Supernet, SupernetCell
from models.networks.ends import head, stem
from models.networks.masks import as_mask
from models.networks.nasbench201 import stages
from models.networks.operations import build_operation
from models.spaces import SupernetSpace
from models.topology import supernet_graph

Cell = tuple[str, ...]
"""The operation of every edge: hashable, so that equal values are the same architecture."""


class SmallSpace(SupernetSpace[Cell]):
    """Cells written as three operations in a row, such as `nor_conv_3x3 skip_connect avg_pool_3x3`.

    Attributes:
        parameterised: the operations that count towards effective depth.
    """

    name = "small"
    cells = ("cell",)
    edges = ((0, 1), (0, 2), (1, 2))
    operations: tuple[str, ...] = ("skip_connect", "avg_pool_3x3", "nor_conv_3x3")
    parameterised = frozenset({"nor_conv_3x3"})

    def build(self, operation: str, channels: int, stride: int) -> nn.Module:
        """The module of an operation: `channels` maps in and out."""
        return build_operation(operation, channels, stride)

    # How architectures are written, drawn and counted -------------------------------------------

    @property
    def count(self) -> int:
        return math.prod([len(self.operations)] * len(self.edges))

    def parse(self, text: str) -> Cell:
        words = tuple(text.split())
        if len(words) != len(self.edges) or not set(words) <= set(self.operations):
            raise ValueError(
                f"architecture: expected {len(self.edges)} of {', '.join(self.operations)}, "
                f"got {text!r}"
            )
        return words

    def format(self, architecture: Cell) -> str:
        return " ".join(architecture)

    def to_json(self, architecture: Cell) -> list[str]:
        return list(architecture)

    def from_json(self, value: Any) -> Cell:
        return self.parse(" ".join(value))

    def random_architecture(self, generator: torch.Generator) -> Cell:
        drawn = torch.randint(len(self.operations), (len(self.edges),), generator=generator)
        return tuple(self.operations[i] for i in drawn.tolist())

    # Graphs, for effective depth and width, and masks, for pruning --------------------------------

    def topology(self, cell: Any) -> "nx.DiGraph[int]":
        shape = (len(self.edges), len(self.operations))
        mask = self.mask_of(cell)[0] if isinstance(cell, tuple) else cell
        rows = as_mask(mask, shape, self.operations).tolist()
        return supernet_graph(rows, self.edges, self.operations, self.parameterised, (0,), 2)

    def topologies(self, architecture: "Cell | Tensor") -> "dict[str, nx.DiGraph[int]]":
        one = architecture[0] if isinstance(architecture, Tensor) else architecture
        return {"cell": self.topology(one)}

    def mask_of(self, architecture: Cell) -> Tensor:
        return torch.tensor([[[name == own for name in self.operations] for own in architecture]])

    def architecture_of(self, mask: Tensor) -> Cell:
        if not (mask.sum(-1) == 1).all():
            raise ValueError("mask: expected one operation on every edge")
        return tuple(self.operations[i] for i in mask[0].int().argmax(-1).tolist())

    # Networks ------------------------------------------------------------------------------------

    def supernet(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        channels: int = 4,
    ) -> Supernet:
        return SmallSupernet(self, channels, num_classes, in_channels, mask)

    def region_network(self, num_classes: int = 10, mask: Tensor | None = None) -> Supernet:
        return SmallSupernet(self, 1, num_classes, 1, mask)

    def network(
        self, architecture: Cell, num_classes: int = 10, in_channels: int = 3, channels: int = 8
    ) -> nn.Module:
        """The skeleton of NAS-Bench-201 with one cell per stage; `channels` is its one size."""
        return nn.Sequential(
            stem(in_channels, channels),
            stages(lambda width: PlainCell(self, architecture, width), channels, 1),
            head(4 * channels, num_classes),
        )


class SmallSupernetCell(SupernetCell):
    """All operations on all edges, of which a mask keeps some; the last node is the output."""

    def __init__(self, space: SmallSpace, channels: int) -> None:
        super().__init__(space.edges, space.operations, 1, channels, build=space.build)

    def forward(self, x: Tensor) -> Tensor:
        return self.nodes(x)[-1]


class SmallSupernet(Supernet):
    """Supernet cells in the same skeleton, of a single stage."""

    def __init__(
        self,
        space: SmallSpace,
        channels: int,
        num_classes: int,
        in_channels: int,
        mask: Tensor | None,
    ) -> None:
        super().__init__(space.cells, space.edges, space.operations)
        self.stem = stem(in_channels, channels)
        self.cell = SmallSupernetCell(space, channels)
        self.head = head(channels, num_classes)
        self.mask = space.full_mask() if mask is None else mask  # after the cells, which follow it

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.cell(self.stem(x)))
        return logits


class PlainCell(nn.Module):
    """One operation per edge; a node sums its edges."""

    def __init__(self, space: SmallSpace, architecture: Cell, channels: int) -> None:
        super().__init__()
        self.edges = space.edges
        self.operations = nn.ModuleList(space.build(name, channels, 1) for name in architecture)

    def forward(self, x: Tensor) -> Tensor:
        nodes = {0: x}
        for (source, target), operation in zip(self.edges, self.operations, strict=True):
            value = operation(nodes[source])
            nodes[target] = nodes[target] + value if target in nodes else value
        return nodes[2]


def main(batch_size: int = 16) -> str:
    data = DigitsDataModule()
    search = PruningSearch(data, SmallSpace(), repeats=1, batch_size=batch_size)
    trainer = pl.Trainer(max_epochs=-1, accelerator="cpu", logger=False)
    trainer.fit(search)
    network = SmallSpace().network(search.architecture, in_channels=1)
    print(search.summary())
    return f"{sum(p.numel() for p in network.parameters())} parameters"


if __name__ == "__main__":
    print(main())
