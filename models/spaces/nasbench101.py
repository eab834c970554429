"""The NAS-Bench-101 space: cells of at most seven vertices and nine edges (Ying et al. 2019)."""

import bisect
import itertools
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import networkx as nx
import torch

from models.networks.nasbench101 import NasBench101Network
from models.spaces.base import ProxySetting, SearchSpace
from models.spaces.extremes import Extremes
from models.spaces.nasbench101_graphs import cell_graphs
from models.topology import NasBench101Cell

_VERTICES = NasBench101Cell.MAXIMUM_VERTICES
_OPERATIONS = NasBench101Cell.OPERATIONS


class NasBench101Space(SearchSpace[NasBench101Cell]):
    """Architectures are `NasBench101Cell`s, written as the benchmark's records name them.

    `{"module_adjacency": [[0, 1], [0, 0]], "module_operations": ["input", "output"]}` is one.
    A cell that is isomorphic to another one is an architecture of its own; `canonical` gives one of
    each class. Within a class networks may differ by one map in a vertex where the vertices that
    lead to the output do not divide its maps; the benchmark takes them as the same.
    """

    name = "nasbench101"

    @property
    def count(self) -> int:
        """423,624: cells up to isomorphism, as the paper counts them."""
        return 423_624

    def parse(self, text: str) -> NasBench101Cell:
        """Read a record of the benchmark as JSON, its matrix pruned or not.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        return NasBench101Cell.parse(text)

    def format(self, architecture: NasBench101Cell) -> str:
        """The JSON that `parse` reads."""
        return str(_own(architecture))

    def to_json(self, architecture: NasBench101Cell) -> dict[str, Any]:
        """The record as a dictionary."""
        return _own(architecture).to_json()

    def from_json(self, value: Any) -> NasBench101Cell:
        """The inverse of `to_json`. Raises ValueError as `parse` does."""
        return NasBench101Cell.from_json(value)

    def random_architecture(self, generator: torch.Generator) -> NasBench101Cell:
        """One of the 423,624 classes, uniformly, by its canonical cell.

        The paper draws matrices and operations uniformly and rejects what is invalid, so that a
        class is the more likely the more ways there are to write it.
        """
        totals = _totals()
        graph = cell_graphs()[bisect.bisect_right(totals, _below(totals[-1], generator))]
        while True:
            kinds = [_below(len(_OPERATIONS), generator) for _ in graph.matrix[2:]]
            # Exactly one of the colourings that symmetries map onto each other is the least.
            if all(kinds <= [kinds[v] for v in order] for order in graph.symmetries):
                return NasBench101Cell(graph.matrix, tuple(_OPERATIONS[kind] for kind in kinds))

    def mutate(self, architecture: NasBench101Cell, generator: torch.Generator) -> NasBench101Cell:
        """Draw a neighbour as the paper's regularised evolution does, but of another class.

        On seven vertices, those that the cell lacks put in unconnected: every edge appears or
        disappears with probability 1/7, every operation changes with probability 1/5; drawn again
        until the result is of the space and not isomorphic to the cell. Every cell can follow
        every other.
        """
        old = _own(architecture).canonical()
        inner = _VERTICES - 2
        while True:
            places = torch.randperm(inner, generator=generator)[: len(old.operations)]
            kept = [0, *(1 + places.sort().values).tolist(), _VERTICES - 1]
            edges = (torch.rand(_VERTICES, _VERTICES, generator=generator) < 1 / _VERTICES).tolist()
            kinds = [_below(len(_OPERATIONS), generator) for _ in range(inner)]
            changes = (torch.rand(inner, generator=generator) < 1 / inner).tolist()
            matrix = [
                [int(edges[s][t]) if s < t else 0 for t in range(_VERTICES)]
                for s in range(_VERTICES)
            ]
            for (i, s), (j, t) in itertools.combinations(enumerate(kept), 2):
                matrix[s][t] ^= old.matrix[i][j]
            operations = [_OPERATIONS[kind] for kind in kinds]
            for place, name in zip(kept[1:-1], old.operations, strict=True):
                others = [other for other in _OPERATIONS if other != name]
                changed = others[_below(len(others), generator)]
                operations[place - 1] = changed if changes[place - 1] else name
            try:
                new = NasBench101Cell.pruned(matrix, operations)
            except ValueError:  # no path, or too many edges
                continue
            if new.canonical() != old:
                return new

    def canonical(self, architecture: NasBench101Cell) -> NasBench101Cell:
        """Return the least cell of the isomorphism class, where the paper compares graph hashes."""
        return _own(architecture).canonical()

    def topologies(self, architecture: NasBench101Cell) -> "dict[str, nx.DiGraph[int]]":
        """{"cell": graph}; projections of the input are not counted."""
        return {"cell": _own(architecture).graph}

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """Three modules from sixteen maps, or the benchmark's networks."""
        if size == "small":
            return ProxySetting({"channels": 16, "modules_per_stack": 1}, 32)
        return ProxySetting({"channels": 128, "modules_per_stack": 3}, 128)

    def extremes(self) -> Extremes:
        """Over all cells with depth above 0, by Definition 4.1."""
        return Extremes((Fraction(1, 6), Fraction(5)), (Fraction(1, 5), Fraction(8)))

    def network(
        self,
        architecture: NasBench101Cell,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int = 128,
        modules_per_stack: int = 3,
    ) -> NasBench101Network:
        """The benchmark's own network, unless other sizes are given."""
        return NasBench101Network(
            _own(architecture), channels, modules_per_stack, num_classes, in_channels
        )


@cache
def _totals() -> list[int]:
    """Running sums of the cells of the graphs."""
    return list(itertools.accumulate(graph.cells for graph in cell_graphs()))


def _below(stop: int, generator: torch.Generator) -> int:
    return int(torch.randint(stop, (1,), generator=generator))


def _own(architecture: NasBench101Cell) -> NasBench101Cell:
    """Refuse an architecture of another space."""
    if not isinstance(architecture, NasBench101Cell):
        raise ValueError(
            f"architecture: expected a NasBench101Cell, got {type(architecture).__name__}"
        )
    return architecture
