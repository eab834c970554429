"""The five cell spaces of the NDS family (Radosavovic et al., arXiv 1905.13214, section 4)."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

import networkx as nx
import torch

from models.networks.darts import DartsNetwork, darts_network
from models.spaces.base import ProxySetting, SearchSpace
from models.spaces.extremes import Extremes
from models.spaces.genotype import fields_of
from models.spaces.nds_families import FAMILIES, Name
from models.topology import NdsCell
from models.topology._shown import shown

_AT_MOST = 10_000  # characters; a genotype has about 600


class NdsGenotype(NamedTuple):
    """An architecture: the cell that keeps height and width, and the one that halves them."""

    normal: NdsCell
    reduce: NdsCell

    def __str__(self) -> str:
        fields = zip(("normal", "reduce"), self, strict=True)
        written = (f"{name}={cell}, {name}_concat={list(cell.concat)}" for name, cell in fields)
        return f"Genotype({', '.join(written)})"


class NdsSpace(SearchSpace[NdsGenotype]):
    """Normal and reduction cells of one of five families, in DARTS's chain of cells.

    Every node adds two operations on earlier nodes or inputs, which may be the same. Of two pairs
    of a node the order counts: draws are uniform over what Table 1 of the paper counts, and a cell
    is drawn as often as there are ways to write it. There is no supernet: masks keep an operation
    once per edge, cells here may have two; `DartsSpace` is the one to prune.

    Args:
        name: `darts`, `nasnet`, `amoeba`, `pnas` or `enas`; the space's own name has `nds_` before.

    Raises:
        ValueError: another name.
    """

    def __init__(self, name: Name) -> None:
        if name not in FAMILIES:
            raise ValueError(f"name: expected one of {', '.join(get_args(Name))}, got {name!r}")
        self.name = f"nds_{name}"  # type: ignore[misc]  # of a class, elsewhere
        self.operations, self.nodes, self.loose_ends, self._extremes = FAMILIES[name]

    @property
    def count(self) -> int:
        """Pairs of cells, each of Table 1's number: 242 · 10⁹ for one of `darts`."""
        inputs = math.prod(range(2, 2 + self.nodes))
        return int((len(self.operations) ** self.nodes * inputs) ** 4)

    def parse(self, text: str) -> NdsGenotype:
        """Read `Genotype(normal=[…], normal_concat=…, reduce=[…], reduce_concat=…)`, or JSON.

        What is concatenated follows from the pairs, and may be left out. Where it is loose ends, a
        normal cell may concatenate its inputs besides, as NASNet-A's does.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        return self.from_json(fields_of(text, f"{self.name} genotype", _AT_MOST))

    def format(self, architecture: NdsGenotype) -> str:
        """The `Genotype(…)` that `parse` reads."""
        return str(self._own(architecture))

    def to_json(self, architecture: NdsGenotype) -> dict[str, Any]:
        """Lists of pairs under `normal` and `reduce`, and what the outputs concatenate."""
        value: dict[str, Any] = {}
        for name, cell in zip(("normal", "reduce"), self._own(architecture), strict=True):
            value[name] = [list(pair) for pair in cell.edges]
            value[f"{name}_concat"] = list(cell.concat)
        return value

    def from_json(self, value: Any) -> NdsGenotype:
        """The inverse of `to_json`. Raises ValueError as `parse` does."""
        what = f"{self.name} genotype"
        if not isinstance(value, dict):
            raise ValueError(f"{what}: expected normal and reduce, got {shown(value)}")
        allowed = ("normal", "normal_concat", "reduce", "reduce_concat")
        for key in value:
            if key not in allowed:
                raise ValueError(
                    f"{what}: unknown field {shown(key)}; allowed: {', '.join(allowed)}"
                )
        for key in ("normal", "reduce"):
            if key not in value:
                raise ValueError(f"{what}: {key} is missing, got {shown(value)}")
        return NdsGenotype(
            *(self._read(f"{what}: {key}", value, key) for key in ("normal", "reduce"))
        )

    def _read(self, what: str, value: dict[str, Any], key: str) -> NdsCell:
        pairs = value[key]
        if not isinstance(pairs, list | tuple) or len(pairs) != 2 * self.nodes:
            given = f"{len(pairs)}: " if isinstance(pairs, list | tuple) else ""
            raise ValueError(
                f"{what}: expected {2 * self.nodes} (operation, input) pairs, "
                f"got {given}{shown(pairs)}"
            )
        edges: list[tuple[str, int]] = []
        for pair in pairs:
            match pair:
                case [str(operation), int(source)] if not isinstance(source, bool):
                    edges.append((operation, source))
                case _:
                    raise ValueError(
                        f"{what}: {shown(pair)} is not a pair such as ('sep_conv_3x3', 0)"
                    )
            if operation not in self.operations:
                raise ValueError(
                    f"{what}: unknown operation {shown(operation)}; "
                    f"allowed: {', '.join(self.operations)}"
                )
        try:
            cell = NdsCell.of(edges, self.loose_ends)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None
        given = value.get(f"{key}_concat", cell.concat)
        # A range may have any length.
        short = tuple(given[: self.nodes + 3]) if isinstance(given, list | tuple | range) else ()
        extra = self.loose_ends and key == "normal"
        inputs = tuple(i for i in cell.INPUTS if extra and i in short)
        if short != (*inputs, *cell.concat) or any(isinstance(i, bool) for i in short):
            raise ValueError(
                f"{what}_concat is {shown(given)}, expected {list(cell.concat)}: "
                + ("nodes that no node takes" if self.loose_ends else "all nodes")
                + (", and inputs 0 and 1 or not" if extra else "")
            )
        return replace(cell, concat=short)

    def random_architecture(self, generator: torch.Generator) -> NdsGenotype:
        """An operation and an earlier node or input for every pair, uniformly."""

        def cell() -> NdsCell:
            pairs = range(2 * self.nodes)
            names = torch.randint(len(self.operations), (len(pairs),), generator=generator)
            # The remainders of a multiple of every number of inputs are uniform.
            many = math.lcm(*range(2, 2 + self.nodes))
            sources = torch.randint(many, (len(pairs),), generator=generator).tolist()
            return self._cell(
                (self.operations[name], sources[i] % (2 + i // 2))
                for i, name in zip(pairs, names.tolist(), strict=True)
            )

        return NdsGenotype(cell(), cell())

    def mutate(self, architecture: NdsGenotype, generator: torch.Generator) -> NdsGenotype:
        """Draw another operation or another input of one pair, uniformly over all neighbours."""
        cells = list(self._own(architecture))
        neighbours = [(c, *new) for c, cell in enumerate(cells) for new in self._neighbours(cell)]
        c, i, pair = neighbours[int(torch.randint(len(neighbours), (1,), generator=generator))]
        edges = cells[c].edges
        cells[c] = self._cell((*edges[:i], pair, *edges[i + 1 :]), cells[c].kept_inputs)
        return NdsGenotype(*cells)

    def _neighbours(self, cell: NdsCell) -> Iterator[tuple[int, tuple[str, int]]]:
        """Yield the place of every pair with each other pair that shares its name or its input."""
        for i, (operation, source) in enumerate(cell.edges):
            for name in self.operations:
                if name != operation:
                    yield i, (name, source)
            for other in range(2 + i // 2):
                if other != source:
                    yield i, (operation, other)

    def crossover(
        self, first: NdsGenotype, second: NdsGenotype, generator: torch.Generator
    ) -> NdsGenotype:
        """Draw each pair from one of the two."""
        cells = []
        for a, b in zip(self._own(first), self._own(second), strict=True):
            coins = torch.randint(2, (len(a.edges),), generator=generator).tolist()
            pairs = zip(coins, a.edges, b.edges, strict=True)
            edges = [y if coin else x for coin, x, y in pairs]
            cells.append(self._cell(edges, (b if coins[0] else a).kept_inputs))
        return NdsGenotype(*cells)

    def canonical(self, architecture: NdsGenotype) -> NdsGenotype:
        """Number the nodes, and order the pairs of a node, in the least way (`NdsCell`)."""
        return NdsGenotype(*(cell.canonical for cell in self._own(architecture)))

    def topologies(self, architecture: NdsGenotype) -> "dict[str, nx.DiGraph[int]]":
        """The graphs of "normal" and "reduce"."""
        return {"normal": architecture.normal.graph, "reduce": architecture.reduce.graph}

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """Three cells of four channels, or the twenty of sixteen that the paper trains."""
        if size == "small":
            return ProxySetting({"channels": 4, "cells": 3}, 32)
        return ProxySetting({"channels": 16, "cells": 20}, 128)

    def extremes(self) -> Extremes:
        """Return the extremes of all cells that may be drawn, with depth above 0."""
        return self._extremes

    def network(
        self,
        architecture: NdsGenotype,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
        drop_path: float = 0.0,
        stem: Literal["cifar", "imagenet"] = "cifar",
    ) -> DartsNetwork:
        """The network of DARTS's paper with these cells, unless other sizes are given.

        `stem` chooses images of 32×32 (C = 36, 20 cells) or 224×224 (C = 48, 14 cells).

        Raises:
            ValueError: another stem, or what the network refuses.
        """
        normal, reduce = self._own(architecture)
        return darts_network(
            normal, reduce, num_classes, in_channels, channels, cells, auxiliary, drop_path, stem
        )

    def _cell(self, edges: Iterable[tuple[str, int]], inputs: tuple[int, ...] = ()) -> NdsCell:
        return NdsCell.of(edges, self.loose_ends, inputs)

    def _own(self, architecture: NdsGenotype) -> NdsGenotype:
        """Refuse an architecture of another space."""
        if not isinstance(architecture, NdsGenotype):
            raise ValueError(
                f"architecture: expected a NdsGenotype, got {type(architecture).__name__}"
            )
        for key, cell in architecture._asdict().items():
            foreign = {name for name, _ in cell.edges} - set(self.operations)
            inputs = cell.kept_inputs if self.loose_ends and key == "normal" else ()
            if foreign or cell != self._cell(cell.edges, inputs) or len(cell.nodes) != self.nodes:
                raise ValueError(f"architecture: {shown(str(cell))} is no cell of {self.name}")
        return architecture


class NdsDartsSpace(NdsSpace):
    """DARTS's: eight operations, of which one is `none`, four nodes, all concatenated."""

    name = "nds_darts"

    def __init__(self) -> None:
        super().__init__("darts")


class NdsNasNetSpace(NdsSpace):
    """NASNet's: thirteen operations, five nodes, loose ends concatenated."""

    name = "nds_nasnet"

    def __init__(self) -> None:
        super().__init__("nasnet")


class NdsAmoebaSpace(NdsSpace):
    """AmoebaNet's: eight operations, five nodes, loose ends concatenated."""

    name = "nds_amoeba"

    def __init__(self) -> None:
        super().__init__("amoeba")


class NdsPnasSpace(NdsSpace):
    """PNAS's: eight operations, five nodes, all concatenated."""

    name = "nds_pnas"

    def __init__(self) -> None:
        super().__init__("pnas")


class NdsEnasSpace(NdsSpace):
    """ENAS's: five operations, five nodes, loose ends concatenated."""

    name = "nds_enas"

    def __init__(self) -> None:
        super().__init__("enas")
