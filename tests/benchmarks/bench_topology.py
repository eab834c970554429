"""Effective depth and width by dynamic programming, against enumerating every path."""

import math
from collections.abc import Iterator

import networkx as nx
from _measure import Bench, Pair, Result, main

from models.spaces import NasBench201Space
from models.topology import Dag, DepthWidth, NasBench201Cell, effective_depth_width


def complete(nodes: int) -> Dag:
    """The DAG with an operation on every edge."""
    return Dag(tuple((2,) * t for t in range(1, nodes)))


def enumerated(graph: "nx.DiGraph[int]", output: int) -> DepthWidth:
    """One path at a time."""
    depths = [
        sum(graph.edges[edge]["operations"] for edge in path)
        for path in nx.all_simple_edge_paths(graph, 0, output)
    ]
    if not sum(depths):
        return DepthWidth(0.0, 0.0)
    depth = sum(depths) / len(depths)
    return DepthWidth(depth, sum(d > 0 for d in depths) / depth)


def same(ours: list[DepthWidth], naive: list[DepthWidth]) -> bool:
    """Equal to 1e-9."""
    return all(
        math.isclose(x, y, rel_tol=1e-9)
        for a, b in zip(ours, naive, strict=True)
        for x, y in zip(a, b, strict=True)
    )


def measure(bench: Bench) -> Iterator[Result]:
    """A whole space of small cells, and DAGs with ever more edges."""
    cells = [cell.operations for cell in NasBench201Space().architectures()]
    sizes = bench.pick((2_000, 4_000, 8_000, len(cells)), (20, 40))

    def of_cells(count: int) -> Pair:
        chosen = cells[:: len(cells) // count][:count]
        # Built anew by either way: a cell keeps its graph.
        return Pair(
            lambda: [effective_depth_width(NasBench201Cell(cell)) for cell in chosen],
            lambda: [enumerated(NasBench201Cell(cell).graph, 3) for cell in chosen],
        )

    yield bench.measure(
        f"depth and width of {sizes[-1]:,} NAS-Bench-201 cells",
        of_cells,
        of="cells",
        sizes=sizes,
        naive="every path enumerated",
        agree=same,
    )

    nodes, largest = bench.pick((14, (50, 100, 200, 400)), (5, (6, 8)))
    by_edges = {n * (n - 1) // 2: complete(n) for n in (nodes, *largest)}

    def of_dag(edges: int) -> Pair:
        dag = by_edges[edges]
        return Pair(
            lambda: [effective_depth_width(dag)], lambda: [enumerated(dag.graph, dag.output)]
        )

    compared, *grown = by_edges
    yield bench.measure(
        f"depth and width of the complete DAG of {nodes} nodes",
        of_dag,
        of="edges",
        sizes=grown,
        at=compared,
        naive="every path enumerated",
        agree=same,
        repeats=5,
    )


if __name__ == "__main__":
    main("topology", measure)
