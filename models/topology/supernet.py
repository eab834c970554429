"""The graph of a supernet's cell, of which a boolean mask keeps some operations on every edge."""

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Protocol

import networkx as nx


class Mask(Protocol):
    """A two-dimensional boolean array or tensor."""

    def tolist(self) -> list[list[bool]]:
        """The rows as lists."""
        ...


def supernet_graph(
    mask: Mask | Sequence[Sequence[bool]],
    edges: Sequence[tuple[int, int]],
    operations: Sequence[str],
    parameterised: Collection[str],
    inputs: Sequence[int],
    output: int,
    output_edges: Sequence[tuple[int, int]] = (),
) -> "nx.MultiDiGraph[int]":
    """The graph whose parallel edges are the values that a mask leaves on an edge.

    On an edge that keeps n operations, k of them parameterised, the parallel edges are a skip of
    probability (n - k)/n and an operation of probability k/n, each where it is not 0. `none` is
    never kept: its column must be empty.

    Args:
        mask: boolean, (edges, operations); True keeps an operation.
        edges: (source, target) of each row.
        operations: name of each column.
        parameterised: the names that count 1 towards depth.
        inputs: input nodes.
        output: output node.
        output_edges: fixed edges of depth 0 (from a DARTS cell's nodes to its output).

    Raises:
        ValueError: a mask of another shape, or one that keeps `none`.
    """
    rows = list(mask) if isinstance(mask, Sequence) else mask.tolist()
    if len(rows) != len(edges) or any(
        not isinstance(row, Sequence) or len(row) != len(operations) for row in rows
    ):
        raise ValueError(
            f"mask: expected {len(edges)} rows (edges) of {len(operations)} columns (operations), "
            f"got {rows!r}"
        )
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(inputs=tuple(inputs), output=output)
    graph.add_nodes_from(sorted({*inputs, output, *(node for edge in edges for node in edge)}))
    removed = []
    for (source, target), row in zip(edges, rows, strict=True):
        kept = [name for name, keep in zip(operations, row, strict=True) if keep]
        if "none" in kept:
            raise ValueError(f"mask: edge {source}→{target} keeps 'none', which is no operation")
        if not kept:
            removed.append((source, target))
        for count in (0, 1):
            names = [name for name in kept if (name in parameterised) == bool(count)]
            if names:
                graph.add_edge(
                    source,
                    target,
                    operations=count,
                    probability=Fraction(len(names), len(kept)),
                    label="\n".join(names),
                )
    graph.graph["removed"] = tuple(removed)
    for source, target in output_edges:
        graph.add_edge(source, target, operations=0, probability=Fraction(1), label="concat")
    return graph
