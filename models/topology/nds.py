"""Cells of the NDS family: two inputs, nodes that each add two operations (arXiv 1905.13214)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any, ClassVar

import networkx as nx

from models.topology._shown import shown

Pair = tuple[str, int]


@dataclass(frozen=True)
class NdsCell:
    """A normal or reduction cell by its (operation, input) pairs.

    Pairs 2k and 2k + 1 enter node k + 2, which adds them; both may take the same input. Inputs 0
    and 1 are the outputs of the two cells before; the output, one more than the last node, is the
    concatenation of some nodes, an edge of depth 0 from each. A cell that keeps the size may
    concatenate an input too, as NASNet-A's does.

    Args:
        edges: the pairs, such as `("sep_conv_3x3", 1)`; two for each node.
        concat: what the output concatenates, ascending: nodes, and inputs besides.

    Raises:
        ValueError: pairs left over, an unknown operation, an input that is not an earlier node, or
            nodes that the output cannot concatenate.
    """

    edges: tuple[Pair, ...]
    concat: tuple[int, ...]

    INPUTS: ClassVar[tuple[int, int]] = (0, 1)
    PARAMETERISED: ClassVar[frozenset[str]] = frozenset(
        {
            "conv_1x1",
            "conv_3x3",
            "conv_3x1_1x3",
            "conv_7x1_1x7",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "sep_conv_7x7",
            "dil_conv_3x3",
            "dil_conv_5x5",
            "dil_sep_conv_3x3",
        }
    )
    """The operations that count 1 towards depth; a pair of thin convolutions is one operation."""
    PARAMETER_FREE: ClassVar[frozenset[str]] = frozenset(
        {
            "none",
            "skip_connect",
            "avg_pool_3x3",
            "max_pool_3x3",
            "max_pool_5x5",
            "max_pool_7x7",
        }
    )

    def __post_init__(self) -> None:
        if not self.edges or len(self.edges) % 2:
            raise ValueError(
                f"NDS cell: expected two (operation, input) pairs per node, got {len(self.edges)}"
            )
        for i, (operation, source) in enumerate(self.edges):
            node = 2 + i // 2
            if operation not in self.PARAMETERISED | self.PARAMETER_FREE:
                raise ValueError(
                    f"NDS cell: unknown operation {shown(operation)} into node {node}; allowed: "
                    f"{', '.join(sorted(self.PARAMETERISED | self.PARAMETER_FREE))}"
                )
            if not 0 <= source < node:
                raise ValueError(
                    f"NDS cell: ({operation!r}, {source}) enters node {node}; "
                    f"its inputs are 0 to {node - 1}"
                )
        nodes = set(self.concat) - set(self.INPUTS)
        if not nodes or not nodes <= set(self.nodes):
            raise ValueError(
                f"NDS cell: the output concatenates some of nodes {self.nodes[0]} to "
                f"{self.nodes[-1]}, got {shown(list(self.concat))}"
            )

    @classmethod
    def of(cls, edges: Iterable[Pair], loose_ends: bool, inputs: tuple[int, ...] = ()) -> "NdsCell":
        """Build a cell whose output concatenates all nodes, or those that no node takes.

        And `inputs`, besides.

        Raises:
            ValueError: as the class.
        """
        edges = tuple(edges)
        taken = {source for _, source in edges} if loose_ends else set()
        nodes = range(2, 2 + len(edges) // 2)
        return cls(edges, (*inputs, *(node for node in nodes if node not in taken)))

    @property
    def nodes(self) -> range:
        """Numbers of the nodes, from 2."""
        return range(2, 2 + len(self.edges) // 2)

    @property
    def kept_inputs(self) -> tuple[int, ...]:
        """The inputs that the output concatenates: none, but for published cells."""
        return tuple(i for i in self.INPUTS if i in self.concat)

    def __str__(self) -> str:
        return str(list(self.edges))

    @cached_property
    def graph(self) -> "nx.DiGraph[int]":
        """The networkx graph. Do not change it: it is shared.

        A `none` is no edge. Where a node takes one input twice it is a `MultiDiGraph`, of parallel
        edges.
        """
        output = self.nodes.stop
        pairs = {(source, i // 2) for i, (_, source) in enumerate(self.edges)}
        kind = nx.DiGraph if len(pairs) == len(self.edges) else nx.MultiDiGraph
        graph: nx.DiGraph[int] = kind(inputs=self.INPUTS, output=output)
        graph.add_nodes_from(range(output + 1))
        for i, (operation, source) in enumerate(self.edges):
            if operation != "none":
                count = int(operation in self.PARAMETERISED)
                graph.add_edge(source, 2 + i // 2, operations=count, label=operation)
        graph.graph["removed"] = tuple(
            (source, node)
            for node in self.nodes
            for source in range(node)
            if not graph.has_edge(source, node)
        )
        for node in self.concat:
            graph.add_edge(node, output, operations=0, label="concat")
        return graph

    @cached_property
    def canonical(self) -> "NdsCell":
        """The least of all cells that number the nodes and order the pairs of a node otherwise.

        They compute the same but for the order of the output's channels. What a `none` takes does
        not matter.
        """
        edges = [(name, 0 if name == "none" else source) for name, source in self.edges]
        by_node = [edges[i : i + 2] for i in range(0, len(edges), 2)]
        kept = set(self.concat)
        numberings = (_renumbered(by_node, kept, order) for order in permutations(self.nodes))
        return NdsCell(*min(one for one in numberings if one is not None))


def _renumbered(
    by_node: Sequence[Sequence[Pair]], concat: set[int], order: tuple[int, ...]
) -> tuple[tuple[Pair, ...], tuple[int, ...]] | None:
    """Number nodes in this order; None where one would take a later one."""
    number: dict[Any, int] = {0: 0, 1: 1}
    edges: list[Pair] = []
    for new, node in enumerate(order, start=2):
        pairs = by_node[node - 2]
        if any(source not in number for _, source in pairs):
            return None
        edges += sorted((name, number[source]) for name, source in pairs)
        number[node] = new
    return tuple(edges), tuple(sorted(number[node] for node in concat))
