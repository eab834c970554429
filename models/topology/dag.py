"""DAG strings such as `2_21_112`: the wiring of one network."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import networkx as nx

from models.topology._shown import shown

NO_EDGE, SKIP, OPERATION = 0, 1, 2


@dataclass(frozen=True)
class Dag:
    """A directed acyclic graph over nodes 0 (input) to T (output).

    `groups[t - 1][s]` is the edge s→t: 0 no edge, 1 skip (identity), 2 a parameterised operation
    (Linear or Conv, then activation). A node's value is the sum over its incoming edges
    (arXiv 2205.05662, §3).

    Raises:
        ValueError: a group of the wrong length, another digit, or no path from input to output.
    """

    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("dag: '' has no groups; a DAG string looks like '2_21_112'")
        for t, group in enumerate(self.groups, start=1):
            text = "".join(map(str, group))
            if len(group) != t:
                raise ValueError(
                    f"dag: group {t} of {shown(str(self))} is {shown(text)}, {len(group)} digits; "
                    f"group {t} has exactly {t}"
                )
            if not set(group) <= {NO_EDGE, SKIP, OPERATION}:
                raise ValueError(
                    f"dag: group {t} of {shown(str(self))} is {shown(text)}; the digits are "
                    "0 (no edge), 1 (skip) and 2 (operation)"
                )
        if not self.active_nodes:
            raise ValueError(f"dag: {shown(str(self))} has no path from input to output")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a DAG string: one group of digits per node after the input, separated by `_`.

        Raises:
            ValueError: quotes the part of `text` that is not a DAG string.
        """
        if not isinstance(text, str):
            raise ValueError(f"dag: expected a string such as '2_21_112', got {shown(text)}")
        groups = text.strip().split("_")
        for group in groups:
            if not (group.isascii() and group.isdigit()):
                raise ValueError(
                    f"dag: {shown(group)} in {shown(text)} is not a group of digits 0, 1, 2; "
                    "a DAG string looks like '2_21_112'"
                )
        return cls(tuple(tuple(map(int, group)) for group in groups))

    def __str__(self) -> str:
        return "_".join("".join(map(str, group)) for group in self.groups)

    @property
    def output(self) -> int:
        """The number of the output node."""
        return len(self.groups)

    def edges(self) -> Iterator[tuple[int, int, int]]:
        """All (source, target, value) triples with a value other than 0, by target, then source."""
        for target, group in enumerate(self.groups, start=1):
            for source, value in enumerate(group):
                if value != NO_EDGE:
                    yield source, target, value

    @cached_property
    def active_nodes(self) -> frozenset[int]:
        """Nodes that some input→output path crosses; empty when there is no path."""
        forward = {0}
        for source, target, _ in self.edges():
            if source in forward:
                forward.add(target)
        backward = {self.output}
        for source, target, _ in reversed(list(self.edges())):
            if target in backward:
                backward.add(source)
        active = frozenset(forward & backward)
        return active if {0, self.output} <= active else frozenset()

    def active_edges(self) -> list[tuple[int, int, int]]:
        """The (source, target, value) triples that a network is made of, by target, then source."""
        return [e for e in self.edges() if e[0] in self.active_nodes and e[1] in self.active_nodes]

    @cached_property
    def graph(self) -> "nx.DiGraph[int]":
        """The networkx graph, in this package's convention. Do not change it: it is shared."""
        graph: nx.DiGraph[int] = nx.DiGraph(inputs=(0,), output=self.output)
        graph.add_nodes_from(range(self.output + 1))
        for source, target, value in self.edges():
            label = "operation" if value == OPERATION else "skip"
            graph.add_edge(source, target, operations=value - SKIP, label=label)
        graph.graph["removed"] = tuple(
            (source, target)
            for target, group in enumerate(self.groups, start=1)
            for source, value in enumerate(group)
            if value == NO_EDGE
        )
        return graph
