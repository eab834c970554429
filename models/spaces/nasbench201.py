"""The NAS-Bench-201 space: one cell of six edges, 15,625 architectures (Dong & Yang 2020)."""

import itertools
import math
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import networkx as nx
import torch
from torch import Tensor

from models.networks.masks import as_mask
from models.networks.nasbench201 import NasBench201Network
from models.networks.nasbench201_supernet import NasBench201Supernet
from models.spaces.base import ProxySetting, SupernetSpace
from models.topology import NasBench201Cell, supernet_graph

_WIDE = ProxySetting({"channels": 16, "cells_per_stage": 1}, 32)
_DEEP = ProxySetting({"channels": 4, "cells_per_stage": 5}, 16)
_SMALL = {
    "jacobian_covariance": _WIDE,
    "expressivity": _WIDE,
    "progressivity": _WIDE,
    "zico": ProxySetting({"channels": 4, "cells_per_stage": 1}, 16),
    "trainability": _DEEP,
    "ntk_condition_number": _DEEP,
    "snip": _DEEP,
    "near": _DEEP,
    "meco": _DEEP,
    "swap": _DEEP,
    "rank_aggregate": _DEEP,
}
"""By indicator, the cheapest of six settings whose τ is within 0.02 of the best (docs/search.md).
NEAR, MeCo and SWAP were compared at fewer settings, on all cells. Where an
indicator is not named, that is four channels, one cell a stage and 32 images."""


class NasBench201Cells(SupernetSpace[NasBench201Cell]):
    """Spaces of one `NasBench201Cell`, written `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

    A subclass names the operations and builds the networks. In a mask an edge that keeps nothing
    stands for `none`.
    """

    cells = ("cell",)
    edges = NasBench201Cell.EDGES

    @property
    def count(self) -> int:
        """As many as there are ways to choose an operation on each of six edges."""
        return math.prod([len(self.operations)] * len(self.edges))

    def architectures(self) -> Iterator[NasBench201Cell]:
        """The whole space, in the order of `operations`, the last edge varying fastest."""
        return map(NasBench201Cell, itertools.product(self.operations, repeat=len(self.edges)))

    def parse(self, text: str) -> NasBench201Cell:
        """Read `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        return NasBench201Cell.parse(text)

    def format(self, architecture: NasBench201Cell) -> str:
        """The text that `parse` reads."""
        return str(_own(architecture))

    def to_json(self, architecture: NasBench201Cell) -> str:
        """The same text."""
        return self.format(architecture)

    def from_json(self, value: Any) -> NasBench201Cell:
        """Read the text. Raises ValueError as `parse` does."""
        return NasBench201Cell.parse(value)

    def random_architecture(self, generator: torch.Generator) -> NasBench201Cell:
        """One of all, uniformly."""
        columns = torch.randint(len(self.operations), (len(self.edges),), generator=generator)
        return NasBench201Cell(tuple(self.operations[i] for i in columns.tolist()))

    def mutate(self, architecture: NasBench201Cell, generator: torch.Generator) -> NasBench201Cell:
        """Draw another operation on one edge, uniformly."""
        operations = list(_own(architecture).operations)
        edge = int(torch.randint(len(self.edges), (1,), generator=generator))
        others = [name for name in self.operations if name != operations[edge]]
        operations[edge] = others[int(torch.randint(len(others), (1,), generator=generator))]
        return NasBench201Cell(tuple(operations))

    def crossover(
        self, first: NasBench201Cell, second: NasBench201Cell, generator: torch.Generator
    ) -> NasBench201Cell:
        """Draw each edge's operation from either parent, with equal chance."""
        pairs = zip(_own(first).operations, _own(second).operations, strict=True)
        sides = torch.randint(2, (len(self.edges),), generator=generator).tolist()
        return NasBench201Cell(tuple(pair[i] for pair, i in zip(pairs, sides, strict=True)))

    def topology(self, cell: "NasBench201Cell | Tensor") -> "nx.DiGraph[int]":
        """The graph of an architecture, or of the mask (6, operations) of the cell.

        Raises:
            ValueError: neither.
        """
        if isinstance(cell, NasBench201Cell):
            return cell.graph
        mask = as_mask(cell, (len(self.edges), len(self.operations)), self.operations)
        return supernet_graph(
            mask.tolist(),
            self.edges,
            self.operations,
            NasBench201Cell.PARAMETERISED,
            inputs=(0,),
            output=3,
        )

    def topologies(self, architecture: "NasBench201Cell | Tensor") -> "dict[str, nx.DiGraph[int]]":
        """{"cell": graph} of an architecture or of a full mask (1, 6, operations)."""
        if isinstance(architecture, NasBench201Cell):
            return {"cell": architecture.graph}
        return {"cell": self.topology(self._full(architecture)[0])}

    def mask_of(self, architecture: NasBench201Cell) -> Tensor:
        """(1, 6, operations); the row of a `none` is empty."""
        rows = [
            [name == kept != "none" for name in self.operations]
            for kept in _own(architecture).operations
        ]
        return torch.tensor([rows])

    def architecture_of(self, mask: Tensor) -> NasBench201Cell:
        """The cell of a full mask (1, 6, operations) that keeps at most one operation per edge.

        Raises:
            ValueError: no such mask; names the edge.
        """
        names = []
        for (source, target), row in zip(self.edges, self._full(mask)[0].tolist(), strict=True):
            kept = [name for name, keep in zip(self.operations, row, strict=True) if keep]
            if len(kept) > 1:
                raise ValueError(
                    f"mask: edge {source}→{target} keeps {len(kept)} operations "
                    f"({', '.join(kept)}), an architecture has one"
                )
            names.append(kept[0] if kept else "none")
        return NasBench201Cell(tuple(names))

    def _full(self, mask: Tensor) -> Tensor:
        return as_mask(mask, (1, len(self.edges), len(self.operations)), self.operations)


class NasBench201Space(NasBench201Cells):
    """All 15,625 cells of NAS-Bench-201: five operations on six edges."""

    name = "nasbench201"
    operations = NasBench201Cell.OPERATIONS

    def canonical(self, architecture: NasBench201Cell) -> NasBench201Cell:
        """Return the cell of the same function that comes first in `architectures`.

        It has no operation that no path crosses. The connected cells are of 5,259 functions; those
        without a path are one class, whose representative is `none` on every edge.
        """
        return _representatives()[_own(architecture).function]

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """Return what was measured per indicator, or the benchmark's own networks."""
        if size == "small":
            standard = ProxySetting({"channels": 4, "cells_per_stage": 1}, 32)
            return _SMALL.get(indicator, standard)
        return ProxySetting({"channels": 16, "cells_per_stage": 5}, 128)

    def supernet(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        channels: int = 3,
        cells_per_stage: int = 1,
    ) -> NasBench201Supernet:
        """The proxy supernet of TE-NAS, C = 3 and N = 1, unless other sizes are given."""
        return NasBench201Supernet(channels, cells_per_stage, num_classes, in_channels, mask)

    def region_network(
        self, num_classes: int = 10, mask: Tensor | None = None
    ) -> NasBench201Supernet:
        """One cell of one map, which the crops (N, 1, 3, 3) enter directly."""
        return NasBench201Supernet(1, 1, num_classes, 1, mask, num_stages=1, use_stem=False)

    def network(
        self,
        architecture: NasBench201Cell,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int = 16,
        cells_per_stage: int = 5,
    ) -> NasBench201Network:
        """The benchmark's own network, unless other sizes are given."""
        return NasBench201Network(
            _own(architecture), channels, cells_per_stage, num_classes, in_channels
        )


@cache
def _representatives() -> dict[str, NasBench201Cell]:
    """By function, the first cell of the space that computes it."""
    cells = list(NasBench201Space().architectures())
    return {cell.function: cell for cell in reversed(cells)}


def _own(architecture: NasBench201Cell) -> NasBench201Cell:
    """Refuse an architecture of another space."""
    if not isinstance(architecture, NasBench201Cell):
        raise ValueError(
            f"architecture: expected a NasBench201Cell, got {type(architecture).__name__}"
        )
    return architecture
