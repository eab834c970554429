"""The NAS-Bench-101 space: cells of at most seven vertices and nine edges (Ying et al. 2019)."""

import bisect
import itertools
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import networkx as nx
import torch
from torch import Tensor

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

        On seven vertices every edge appears or disappears with probability 1/7, every operation
        changes with probability 1/5; drawn again until the result is of the space and not
        isomorphic to the cell. The paper remembers the vertices and edges that are pruned; here
        they are drawn anew, at random among those that pruning takes away. Every cell can follow
        every other; a walk that nothing selects stays among cells of three to six vertices, most
        flips leaving some on no path.
        """
        old = _own(architecture)
        known = old.canonical()
        while True:
            matrix, kinds = _unpruned(old, generator)
            flips = torch.rand(_VERTICES, _VERTICES, generator=generator) < 1 / _VERTICES
            changed = torch.rand(_VERTICES - 2, generator=generator) < 1 / (_VERTICES - 2)
            others = torch.randint(1, len(_OPERATIONS), (_VERTICES - 2,), generator=generator)
            matrix = (matrix ^ flips).triu(1)
            kinds = (kinds + changed * others) % len(_OPERATIONS)
            try:
                new = NasBench101Cell.pruned(
                    matrix.int().tolist(), [_OPERATIONS[kind] for kind in kinds.tolist()]
                )
            except ValueError:  # no path, or too many edges
                continue
            if new.canonical() != known:
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


def _unpruned(cell: NasBench101Cell, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a matrix (7, 7) and kinds of operations (5,) that pruning makes the cell of.

    A vertex that is added either leads nowhere or is led to by nothing; of the edges that leaves
    it, each is there with probability 1/2.
    """
    last, inner = _VERTICES - 1, len(cell.operations)
    places = 1 + torch.randperm(last - 1, generator=generator)[:inner].sort().values
    kept = torch.tensor([0, *places.tolist(), last])
    on_path = torch.zeros(_VERTICES, dtype=torch.bool)
    on_path[kept] = True
    reached = on_path | (torch.rand(_VERTICES, generator=generator) < 0.5)
    leads = on_path | ~reached
    # From what is reached only to what is, and to what leads to the output only from what does.
    allowed = ~(reached[:, None] & ~reached) & ~(~leads[:, None] & leads)
    matrix = allowed & (torch.rand(_VERTICES, _VERTICES, generator=generator) < 0.5)
    matrix[kept[:, None], kept] = torch.tensor(cell.matrix, dtype=torch.bool)
    kinds = torch.randint(len(_OPERATIONS), (last - 1,), generator=generator)
    kinds[places - 1] = torch.tensor(
        [_OPERATIONS.index(name) for name in cell.operations], dtype=torch.long
    )
    return matrix.triu(1), kinds


def _below(stop: int, generator: torch.Generator) -> int:
    return int(torch.randint(stop, (1,), generator=generator))


def _own(architecture: NasBench101Cell) -> NasBench101Cell:
    """Refuse an architecture of another space."""
    if not isinstance(architecture, NasBench101Cell):
        raise ValueError(
            f"architecture: expected a NasBench101Cell, got {type(architecture).__name__}"
        )
    return architecture
