"""Extremes of effective depth and width over all cells of a space (arXiv 2205.05662, §4.2)."""

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Edge = tuple[int, int]


class Extremes(NamedTuple):
    """Least and greatest effective depth and width of the cells with depth above 0."""

    depth: tuple[Fraction, Fraction]
    width: tuple[Fraction, Fraction]


def compute_extremes(
    graph: "nx.DiGraph[int]",
    edges: Sequence[Edge],
    edge_groups: Sequence[tuple[int, int]],
    edges_per_group: int,
    may_be_empty: bool,
) -> Extremes:
    """Compute the extremes by Definition 4.1, counted exactly.

    Operations of the same depth are the same here, so that a space of 10^18 architectures has
    46,080 cells to look at.

    Args:
        graph: of a cell that keeps every operation on every edge.
        edges: those that carry a choice, sorted by target; the graph's other edges are fixed.
        edge_groups: (start, stop) ranges of edges, of which a cell has `edges_per_group`.
        edges_per_group: how many.
        may_be_empty: whether an edge may carry nothing.
    """
    inputs, output = graph.graph["inputs"], graph.graph["output"]
    fixed = [edge for edge in dict.fromkeys(graph.edges()) if edge not in edges]
    counts = sorted({data["operations"] for *edge, data in graph.edges(data=True)})
    values = [*([-1] if may_be_empty else []), *counts]

    depths: list[Fraction] = []
    widths: list[Fraction] = []
    for chosen in _wirings(edges, edge_groups, edges_per_group):
        table = np.array(list(itertools.product(values, repeat=len(chosen))), dtype=np.int64)
        paths = depth = deep = np.zeros(len(table), dtype=np.int64)
        columns = dict(zip(chosen, table.T, strict=True))
        columns |= {edge: np.zeros_like(paths) for edge in fixed}
        for start in inputs:
            P, D, shallow = _count(columns, start, output, len(table))
            paths, depth, deep = paths + P, depth + D, deep + P - shallow
        some = depth > 0
        paths, depth, deep = paths[some], depth[some], deep[some]
        for found, top, bottom in ((depths, depth, paths), (widths, deep * paths, depth)):
            ratio = top / bottom
            for i in (ratio.argmin(), ratio.argmax()):
                found.append(Fraction(int(top[i]), int(bottom[i])))
    return Extremes((min(depths), max(depths)), (min(widths), max(widths)))


def _wirings(
    edges: Sequence[Edge], edge_groups: Sequence[tuple[int, int]], edges_per_group: int
) -> Iterator[list[Edge]]:
    """Yield the edges of a cell, in every way to choose them."""
    grouped = {i for start, stop in edge_groups for i in range(start, stop)}
    always = [i for i in range(len(edges)) if i not in grouped]
    choices = [
        itertools.combinations(range(start, stop), edges_per_group) for start, stop in edge_groups
    ]
    for chosen in itertools.product(*choices):
        yield [edges[i] for i in sorted([*always, *itertools.chain(*chosen)])]


def _count(
    columns: dict[Edge, NDArray[np.int64]], start: int, output: int, cells: int
) -> tuple[NDArray[np.int64], ...]:
    """Count paths from `start` to `output`, the sum of their depths, and those of depth 0."""
    zero = np.zeros(cells, dtype=np.int64)
    sums = {start: (zero + 1, zero, zero + 1)}
    for (source, target), operations in sorted(columns.items(), key=lambda item: item[0][::-1]):
        if source not in sums:
            continue
        P, D, shallow = (part * (operations >= 0) for part in sums[source])
        before = sums.get(target, (zero, zero, zero))
        own = (P, D + operations * P, shallow * (operations == 0))
        sums[target] = tuple(a + b for a, b in zip(before, own, strict=True))
    return sums.get(output, (zero, zero, zero))
