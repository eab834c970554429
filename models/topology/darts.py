"""Cells of the DARTS space: two inputs, four nodes of two incoming operations each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import networkx as nx

from models.topology._shown import shown


@dataclass(frozen=True)
class DartsCell:
    """A normal or reduction cell by its eight (operation, input) pairs (Liu et al. 2019).

    Pairs 2k and 2k + 1 enter node k + 2. Inputs 0 and 1 are the outputs of the two cells before;
    the output (node 6) concatenates nodes 2 to 5, an edge of depth 0 from each. As in published
    samples of the space, a node may take one input twice, and an operation may be `none`: zeros,
    no edge. The cells that a search draws have neither.

    Args:
        edges: the eight pairs, such as `("sep_conv_3x3", 1)`.

    Raises:
        ValueError: not eight pairs, an unknown operation, or an input that is not an earlier node.
    """

    edges: tuple[tuple[str, int], ...]

    NODES: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)
    INPUTS: ClassVar[tuple[int, int]] = (0, 1)
    OUTPUT: ClassVar[int] = 6
    concat: ClassVar[tuple[int, ...]] = NODES
    EDGES: ClassVar[tuple[tuple[int, int], ...]] = tuple(
        (source, target) for target in (2, 3, 4, 5) for source in range(target)
    )
    """(source, target) of each of the 14 edges of a supernet's cell."""
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "none",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    )
    PARAMETERISED: ClassVar[frozenset[str]] = frozenset(
        {"sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}
    )
    """The operations that count 1 towards depth; a separable convolution is one operation."""

    def __post_init__(self) -> None:
        expected = 2 * len(self.NODES)
        if len(self.edges) != expected:
            raise ValueError(
                f"DARTS cell: expected {expected} (operation, input) pairs, got {len(self.edges)}: "
                f"{shown(list(self.edges))}"
            )
        for i, (operation, source) in enumerate(self.edges):
            node = self.NODES[i // 2]
            if operation not in self.OPERATIONS:
                raise ValueError(
                    f"DARTS cell: unknown operation {shown(operation)} into node {node}; "
                    f"allowed: {', '.join(self.OPERATIONS)}"
                )
            if not 0 <= source < node:
                raise ValueError(
                    f"DARTS cell: ({operation!r}, {source}) enters node {node}; "
                    f"its inputs are 0 to {node - 1}"
                )

    @classmethod
    def parse(cls, pairs: Iterable[Any]) -> Self:
        """Read a sequence of (operation, input) pairs, as in a genotype's `normal` and `reduce`.

        Raises:
            ValueError: quotes the entry that is no such pair.
        """
        if isinstance(pairs, str) or not isinstance(pairs, Iterable):
            raise ValueError(f"DARTS cell: expected (operation, input) pairs, got {shown(pairs)}")
        edges = []
        for pair in pairs:
            match pair:
                case [str(operation), int(source)] if not isinstance(source, bool):
                    edges.append((operation, source))
                case _:
                    raise ValueError(
                        f"DARTS cell: {shown(pair)} is not a pair such as ('sep_conv_3x3', 0)"
                    )
        return cls(tuple(edges))

    def __str__(self) -> str:
        return str(list(self.edges))

    @property
    def graph(self) -> "nx.DiGraph[int]":
        """The networkx graph over nodes 0 to 6, a new one: searches hold cells by the thousands.

        Where a node takes one input twice it is a `MultiDiGraph`, of parallel edges.
        """
        pairs = {(source, i // 2) for i, (_, source) in enumerate(self.edges)}
        kind = nx.DiGraph if len(pairs) == len(self.edges) else nx.MultiDiGraph
        graph: nx.DiGraph[int] = kind(inputs=self.INPUTS, output=self.OUTPUT)
        graph.add_nodes_from(range(self.OUTPUT + 1))
        for i, (operation, source) in enumerate(self.edges):
            if operation != "none":
                count = int(operation in self.PARAMETERISED)
                graph.add_edge(source, self.NODES[i // 2], operations=count, label=operation)
        graph.graph["removed"] = tuple(e for e in self.EDGES if not graph.has_edge(*e))
        for node in self.NODES:
            graph.add_edge(node, self.OUTPUT, operations=0, label="concat")
        return graph
