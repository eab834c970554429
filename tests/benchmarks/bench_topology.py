"""Effective depth and width by dynamic programming, against enumerating every path."""

import platform
import time
from collections.abc import Callable
from typing import Any

import networkx as nx

from models.spaces import NasBench201Space
from models.topology import Dag, effective_depth_width


def complete(nodes: int) -> Dag:
    """The DAG with an operation on every edge."""
    return Dag(tuple((2,) * t for t in range(1, nodes)))


def enumerated(dag: Dag) -> float:
    """d̄, one path at a time."""
    paths = list(nx.all_simple_paths(dag.graph, 0, dag.output))
    return sum(len(path) - 1 for path in paths) / len(paths)


def seconds(work: Callable[[], Any]) -> float:
    """Processor seconds, the best of five."""
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print times and ratios."""
    print(f"python {platform.python_version()}, networkx {nx.__version__}")
    for nodes in (8, 10, 12, 14):
        dag = complete(nodes)
        assert abs(enumerated(dag) - effective_depth_width(dag).depth) < 1e-9
        ours, naive = (
            seconds(lambda f=f, d=dag: f(d)) for f in (effective_depth_width, enumerated)
        )
        print(f"complete DAG of {nodes} nodes: {naive / ours:.1f} times enumeration")
    for nodes in (50, 100, 200):
        dag = complete(nodes)
        assert dag.graph.number_of_edges() == nodes * (nodes - 1) // 2
        taken = seconds(lambda d=dag: effective_depth_width(d))
        print(f"complete DAG of {nodes} nodes: {1e3 * taken:.1f} ms")
    cells = list(NasBench201Space().architectures())
    start = time.process_time()
    for cell in cells:
        effective_depth_width(cell)
    print(f"NAS-Bench-201, {len(cells)} cells: {time.process_time() - start:.2f} s")


if __name__ == "__main__":
    main()
