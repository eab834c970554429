"""Cells of NAS-Bench-201: four nodes, one of five operations on each of six edges."""

import itertools
import re
from dataclasses import dataclass
from functools import cache, cached_property
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

    @property
    def function(self) -> str:
        """What the cell computes of its input `x`; empty where no path leads through.

        Such as `#1 + x; #1 = nor_conv_3x3(x)`: the sum at the output, then each operation with
        weights. Cells of one text compute the same functions: `skip_connect` is the identity,
        `none` adds nothing, and neither the order nor the brackets of a sum matter. Two
        convolutions alike have weights of their own; one whose result is used twice has one name.
        (That the pooling of a sum is the sum of poolings is not made use of.)
        """
        return _function(self.operations)


@cache
def _function(operations: tuple[str, ...]) -> str:
    """Name the operations by what leads to them; of those alike, in the order of least text."""
    alike: dict[str, list[int]] = {}
    for edge, text in _expand(operations, {})[1].items():
        if edge in _live(operations):
            alike.setdefault(text, []).append(edge)
    orders = itertools.product(*(itertools.permutations(alike[text]) for text in sorted(alike)))
    return min(_written(operations, list(itertools.chain(*order))) for order in orders)


def _written(operations: tuple[str, ...], order: list[int]) -> str:
    names = {edge: f"#{number}" for number, edge in enumerate(order, start=1)}
    output, texts = _expand(operations, names)
    return "; ".join([output, *(f"{names[edge]} = {texts[edge]}" for edge in order)])


def _expand(operations: tuple[str, ...], names: dict[int, str]) -> tuple[str, dict[int, str]]:
    """Return the sum at the output, and the text of each edge with weights; `names` are used."""
    terms: dict[int, list[str]] = {0: ["x"], 1: [], 2: [], 3: []}
    texts: dict[int, str] = {}
    for edge, (source, target) in enumerate(NasBench201Cell.EDGES):
        operation = operations[edge]
        if operation == "none" or not terms[source]:
            continue
        text = f"{operation}({' + '.join(sorted(terms[source]))})"
        if operation in NasBench201Cell.PARAMETERISED:
            texts[edge] = text
        new = terms[source] if operation == "skip_connect" else [names.get(edge, text)]
        terms[target] += new
    return " + ".join(sorted(terms[3])), texts


def _live(operations: tuple[str, ...]) -> set[int]:
    """Edges from which the output is reached."""
    live: set[int] = set()
    reaching = {3}
    for edge, (source, target) in reversed(list(enumerate(NasBench201Cell.EDGES))):
        if operations[edge] != "none" and target in reaching:
            live.add(edge)
            reaching.add(source)
    return live
