"""The DARTS space: a normal and a reduction cell of eight operations each (Liu et al. 2019)."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal

import networkx as nx
import torch
from torch import Tensor

from models.networks.darts import DartsNetwork, darts_network
from models.networks.darts_supernet import DartsSupernet
from models.networks.masks import as_mask
from models.spaces.base import ProxySetting, SupernetSpace
from models.spaces.extremes import Extremes
from models.spaces.genotype import DartsGenotype
from models.topology import DartsCell, supernet_graph


class DartsSpace(SupernetSpace[DartsGenotype]):
    """Architectures are `DartsGenotype`s: in every node two edges with one operation each.

    Draws and masks are of two different inputs and operations other than `none`; the published
    genotypes that have a node with one input twice, or a `none`, are read, trained and scored too.
    """

    name = "darts"
    cells = ("normal", "reduce")
    edges = DartsCell.EDGES
    operations = DartsCell.OPERATIONS
    edge_groups = ((0, 2), (2, 5), (5, 9), (9, 14))
    edges_per_group = 2

    @property
    def count(self) -> int:
        """About 10^18: two of a node's inputs and seven operations on each, in both cells."""
        inputs = math.prod(math.comb(stop - start, 2) for start, stop in self.edge_groups)
        operations = math.prod([len(self.operations) - 1] * (2 * len(self.edge_groups)))
        return math.prod([inputs * operations] * len(self.cells))

    def parse(self, text: str) -> DartsGenotype:
        """Read `Genotype(normal=[…], normal_concat=…, reduce=[…], reduce_concat=…)`, or JSON.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        return DartsGenotype.parse(text)

    def format(self, architecture: DartsGenotype) -> str:
        """The `Genotype(…)` that `parse` reads."""
        return str(_own(architecture))

    def to_json(self, architecture: DartsGenotype) -> dict[str, Any]:
        """Lists of pairs under `normal` and `reduce`."""
        return _own(architecture).to_json()

    def from_json(self, value: Any) -> DartsGenotype:
        """The inverse of `to_json`. Raises ValueError as `parse` does."""
        return DartsGenotype.from_json(value)

    def random_architecture(self, generator: torch.Generator) -> DartsGenotype:
        """Two different inputs per node and an operation on each, uniformly."""
        return DartsGenotype(self._random_cell(generator), self._random_cell(generator))

    def _random_cell(self, generator: torch.Generator) -> DartsCell:
        pairs = []
        for node in DartsCell.NODES:
            inputs = sorted(torch.randperm(node, generator=generator)[:2].tolist())
            columns = torch.randint(1, len(self.operations), (2,), generator=generator).tolist()
            pairs += [
                (self.operations[column], source)
                for source, column in zip(inputs, columns, strict=True)
            ]
        return DartsCell(tuple(pairs))

    def mutate(self, architecture: DartsGenotype, generator: torch.Generator) -> DartsGenotype:
        """Draw another operation or another input of one edge, uniformly over all neighbours."""
        cells = [_own(architecture).normal, architecture.reduce]
        neighbours = [(i, new) for i, cell in enumerate(cells) for new in self._neighbours(cell)]
        place, new = neighbours[int(torch.randint(len(neighbours), (1,), generator=generator))]
        cells[place] = new
        return DartsGenotype(*cells)

    def _neighbours(self, cell: DartsCell) -> Iterator[DartsCell]:
        """Yield every cell that differs in one pair, the inputs of a node in order as drawn."""
        for i, (operation, source) in enumerate(cell.edges):
            node = DartsCell.NODES[i // 2]
            other = cell.edges[i ^ 1]
            pairs = [(name, source) for name in self.operations[1:] if name != operation]
            pairs += [(operation, s) for s in range(node) if s not in (source, other[1])]
            for pair in pairs:
                first = i - i % 2
                both = sorted((pair, other), key=lambda one: one[1])
                yield DartsCell((*cell.edges[:first], *both, *cell.edges[first + 2 :]))

    def crossover(
        self, first: DartsGenotype, second: DartsGenotype, generator: torch.Generator
    ) -> DartsGenotype:
        """Draw every node, its two edges together, from either parent, with equal chance."""
        normal, reduce = torch.randint(2, (2, len(DartsCell.NODES)), generator=generator).tolist()
        return DartsGenotype(
            _mixed_cell(_own(first).normal, _own(second).normal, normal),
            _mixed_cell(first.reduce, second.reduce, reduce),
        )

    def canonical(self, architecture: DartsGenotype) -> DartsGenotype:
        """Return the same cells with their nodes, and the edges into each, in a fixed order.

        The order of the nodes permutes the maps of a cell's output, which the weights of the cells
        after it can undo.
        """
        genotype = _own(architecture)
        return DartsGenotype(_canonical_cell(genotype.normal), _canonical_cell(genotype.reduce))

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """Three cells of four channels, or the twenty of sixteen of NDS."""
        if size == "small":
            return ProxySetting({"channels": 4, "cells": 3}, 32)
        return ProxySetting({"channels": 16, "cells": 20}, 128)

    def extremes(self) -> Extremes:
        """Return the paper's, centre 1.5 and 10.5, which are not those of Definition 4.1."""
        return Extremes(
            (Fraction("0.1"), Fraction("2.9")),
            (Fraction("0.9"), Fraction("20.1")),
        )

    def topology(self, cell: "DartsCell | Tensor") -> "nx.DiGraph[int]":
        """The graph of a `DartsCell`, or of the mask (14, 8) of one cell.

        Raises:
            ValueError: neither; a genotype has two cells and so two graphs, see `topologies`.
        """
        if isinstance(cell, DartsGenotype):
            raise ValueError("topology: a genotype has two cells; take topologies(genotype)")
        if isinstance(cell, DartsCell):
            return cell.graph
        mask = as_mask(cell, (len(self.edges), len(self.operations)), self.operations)
        return supernet_graph(
            mask.tolist(),
            self.edges,
            self.operations,
            DartsCell.PARAMETERISED,
            DartsCell.INPUTS,
            DartsCell.OUTPUT,
            [(node, DartsCell.OUTPUT) for node in DartsCell.NODES],
        )

    def topologies(self, architecture: "DartsGenotype | Tensor") -> "dict[str, nx.DiGraph[int]]":
        """The graphs of "normal" and "reduce", of a genotype or of a full mask (2, 14, 8)."""
        if isinstance(architecture, DartsGenotype):
            return {"normal": architecture.normal.graph, "reduce": architecture.reduce.graph}
        mask = self._full(architecture)
        return {name: self.topology(rows) for name, rows in zip(self.cells, mask, strict=True)}

    def mask_of(self, architecture: DartsGenotype) -> Tensor:
        """(2, 14, 8), with two rows per node that keep one operation.

        Raises:
            ValueError: an input taken twice, or a `none`, which no mask stands for.
        """
        mask = torch.zeros(2, len(self.edges), len(self.operations), dtype=torch.bool)
        genotype = _own(architecture)
        for rows, cell in zip(mask, (genotype.normal, genotype.reduce), strict=True):
            for i, (operation, source) in enumerate(cell.edges):
                edge = self.edges.index((source, DartsCell.NODES[i // 2]))
                if operation == "none" or rows[edge].any():
                    raise ValueError(
                        f"architecture: {(operation, source)} into node {self.edges[edge][1]} has "
                        "no mask: a mask keeps one operation other than none on each edge"
                    )
                rows[edge, self.operations.index(operation)] = True
        return mask

    def architecture_of(self, mask: Tensor) -> DartsGenotype:
        """The genotype of a full mask (2, 14, 8) with two edges per node, one operation on each.

        The pairs of a node come in the order of their inputs.

        Raises:
            ValueError: no such mask; names the cell and the edge or node.
        """
        normal, reduce = (
            self._cell_of(name, rows)
            for name, rows in zip(self.cells, self._full(mask).tolist(), strict=True)
        )
        return DartsGenotype(normal, reduce)

    def _cell_of(self, cell: str, rows: list[list[bool]]) -> DartsCell:
        pairs: list[tuple[str, int]] = []
        for (start, stop), node in zip(self.edge_groups, DartsCell.NODES, strict=True):
            edges = [edge for edge in range(start, stop) if any(rows[edge])]
            if len(edges) != self.edges_per_group:
                raise ValueError(
                    f"mask: node {node} of the {cell} cell has {len(edges)} inputs, "
                    f"an architecture has {self.edges_per_group}"
                )
            for edge in edges:
                kept = [
                    name for name, keep in zip(self.operations, rows[edge], strict=True) if keep
                ]
                source, target = self.edges[edge]
                if len(kept) != 1:
                    raise ValueError(
                        f"mask: edge {source}→{target} of the {cell} cell keeps {len(kept)} "
                        f"operations ({', '.join(kept)}), an architecture has one"
                    )
                pairs.append((kept[0], source))
        return DartsCell(tuple(pairs))

    def supernet(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        channels: int = 1,
        cells: int = 2,
        stem_multiplier: int = 1,
    ) -> DartsSupernet:
        """The proxy supernet of TE-NAS, C = 1 and two cells, unless other sizes are given."""
        return DartsSupernet(channels, cells, num_classes, in_channels, stem_multiplier, mask)

    def region_network(self, num_classes: int = 10, mask: Tensor | None = None) -> DartsSupernet:
        """Two cells of one and two maps, which the crops (N, 1, 3, 3) enter directly."""
        return DartsSupernet(1, 2, num_classes, 1, 1, mask, use_stem=False)

    def network(
        self,
        architecture: DartsGenotype,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
        drop_path: float = 0.0,
        stem: Literal["cifar", "imagenet"] = "cifar",
    ) -> DartsNetwork:
        """The network of the paper, unless other sizes are given.

        `stem` chooses images of 32×32 (C = 36, 20 cells) or 224×224 (C = 48, 14 cells).

        Raises:
            ValueError: another stem, or what the network refuses.
        """
        genotype = _own(architecture)
        return darts_network(
            genotype.normal,
            genotype.reduce,
            num_classes,
            in_channels,
            channels,
            cells,
            auxiliary,
            drop_path,
            stem,
        )

    def _full(self, mask: Tensor) -> Tensor:
        return as_mask(mask, (2, len(self.edges), len(self.operations)), self.operations)


def _mixed_cell(first: DartsCell, second: DartsCell, sides: list[int]) -> DartsCell:
    """Return a cell of the nodes of two, `sides` says of which."""
    edges = (first.edges, second.edges)
    return DartsCell(tuple(edges[side][2 * i + j] for i, side in enumerate(sides) for j in (0, 1)))


def _canonical_cell(cell: DartsCell) -> DartsCell:
    """Return the first, in the order of their edges, of the cells with the nodes in any order."""
    into = {node: cell.edges[2 * i : 2 * i + 2] for i, node in enumerate(DartsCell.NODES)}
    written = []
    for order in itertools.permutations(DartsCell.NODES):
        place = dict(zip((*DartsCell.INPUTS, *order), range(6), strict=True))
        nodes = [sorted((place[source], name) for name, source in into[node]) for node in order]
        if all(pairs[-1][0] < node for node, pairs in enumerate(nodes, start=2)):
            written.append([pair for pairs in nodes for pair in pairs])
    return DartsCell(tuple((name, source) for source, name in min(written)))


def _own(architecture: DartsGenotype) -> DartsGenotype:
    """Refuse an architecture of another space."""
    if not isinstance(architecture, DartsGenotype):
        raise ValueError(
            f"architecture: expected a DartsGenotype, got {type(architecture).__name__}"
        )
    return architecture
