"""Cells of NAS-Bench-201: four nodes, one of five operations on each of six edges."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import networkx as nx

from models.topology._shown import shown

_NODE = re.compile(r"\|(?:[^|]*\|)+")


@dataclass(frozen=True)
class NasBench201Cell:
    """A cell by its six operations, in the order of `EDGES` (Dong & Yang 2020, arXiv 2001.00326).

    A cell without a path from input to output is valid: its depth and width are 0.

    Args:
        operations: a name for each edge, such as `nor_conv_3x3`.

    Raises:
        ValueError: not six operations, or an operation the space does not have.
    """

    operations: tuple[str, ...]

    EDGES: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    """(source, target) of each edge."""
    OPERATIONS: ClassVar[tuple[str, ...]] = (
        "none",
        "skip_connect",
        "nor_conv_1x1",
        "nor_conv_3x3",
        "avg_pool_3x3",
    )
    PARAMETERISED: ClassVar[frozenset[str]] = frozenset({"nor_conv_1x1", "nor_conv_3x3"})
    """The operations that count 1 towards depth; the others count 0."""

    def __post_init__(self) -> None:
        if len(self.operations) != len(self.EDGES):
            raise ValueError(
                f"NAS-Bench-201 cell: expected {len(self.EDGES)} operations, "
                f"got {len(self.operations)}: {shown(self.operations)}"
            )
        for operation in self.operations:
            if operation not in self.OPERATIONS:
                raise ValueError(
                    f"NAS-Bench-201 cell: unknown operation {shown(operation)}; "
                    f"allowed: {', '.join(self.OPERATIONS)}"
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

        Raises:
            ValueError: quotes the part of `text` that is not of this form.
        """
        if not isinstance(text, str):
            raise ValueError(f"NAS-Bench-201 cell: expected a string, got {shown(text)}")
        nodes = text.strip().split("+")
        if len(nodes) != 3:
            raise ValueError(
                f"NAS-Bench-201 cell: {shown(text)} has {len(nodes)} node(s) separated by '+', "
                "expected 3: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
            )
        operations: list[str] = []
        for target, node in enumerate(nodes, start=1):
            if not _NODE.fullmatch(node):
                raise ValueError(
                    f"NAS-Bench-201 cell: {shown(node)} in {shown(text)} is not enclosed in '|', "
                    "as in |op~0|op~1|"
                )
            edges = node[1:-1].split("|")
            if len(edges) != target:
                raise ValueError(
                    f"NAS-Bench-201 cell: node {target} is {shown(node)} with {len(edges)} "
                    f"operation(s), expected {target}"
                )
            for source, edge in enumerate(edges):
                operation, _, origin = edge.rpartition("~")
                if origin != str(source):
                    raise ValueError(
                        f"NAS-Bench-201 cell: {shown(edge)} in node {target} should end in "
                        f"'~{source}'"
                    )
                operations.append(operation)
        return cls(tuple(operations))

    def __str__(self) -> str:
        nodes: dict[int, list[str]] = {}
        for (source, target), operation in zip(self.EDGES, self.operations, strict=True):
            nodes.setdefault(target, []).append(f"{operation}~{source}")
        return "+".join(f"|{'|'.join(edges)}|" for edges in nodes.values())

    @cached_property
    def graph(self) -> "nx.DiGraph[int]":
        """The networkx graph over nodes 0 to 3. Do not change it: it is shared."""
        graph: nx.DiGraph[int] = nx.DiGraph(inputs=(0,), output=3)
        graph.add_nodes_from(range(4))
        removed = []
        for (source, target), operation in zip(self.EDGES, self.operations, strict=True):
            if operation == "none":
                removed.append((source, target))
            else:
                count = int(operation in self.PARAMETERISED)
                graph.add_edge(source, target, operations=count, label=operation)
        graph.graph["removed"] = tuple(removed)
        return graph

    @cached_property
    def function(self) -> str:
        """The sum that the cell computes of its input `x`; empty where no path leads through.

        Cells of one text compute the same functions: `skip_connect` is the identity, `none` adds
        nothing, and the order of a sum does not matter. Two operations of one kind on one input are
        two terms, as each has weights of its own.
        """
        terms: dict[int, list[str]] = {0: ["x"], 1: [], 2: [], 3: []}
        for (source, target), operation in zip(self.EDGES, self.operations, strict=True):
            if operation == "skip_connect":
                terms[target] += terms[source]
            elif operation != "none" and terms[source]:
                terms[target].append(f"{operation}({_sum(terms[source])})")
        return _sum(terms[3])


def _sum(terms: list[str]) -> str:
    return " + ".join(sorted(terms))
