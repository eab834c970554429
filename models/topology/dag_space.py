"""All DAG strings of a number of nodes."""

from collections.abc import Iterator
from itertools import permutations, product
from math import comb

from models.topology.dag import NO_EDGE, OPERATION, SKIP, Dag

_Edges = tuple[tuple[int, int, int], ...]


def enumerate_dags(nodes: int, distinct: bool = False) -> Iterator[Dag]:
    """All DAG strings of `nodes` nodes, input and output among them, that have a path.

    In the order of their digits. Strings that differ only in edges that no input→output path
    crosses, or in the numbers of the nodes between, make the same network: 662 strings of 4 nodes
    make 260 networks.

    Args:
        nodes: 2 or more; the number of strings grows as 3^(nodes·(nodes − 1)/2).
        distinct: only the first string of each network.

    Raises:
        ValueError: fewer than 2 nodes.
    """
    if nodes < 2:
        raise ValueError(f"nodes: expected 2 or more, got {nodes}")
    seen: set[_Edges] = set()
    for digits in product((NO_EDGE, SKIP, OPERATION), repeat=comb(nodes, 2)):
        groups = tuple(digits[comb(t, 2) : comb(t + 1, 2)] for t in range(1, nodes))
        if not _has_path(groups):
            continue
        dag = Dag(groups)
        network = _network(dag) if distinct else ()
        if network not in seen:
            yield dag
        if distinct:
            seen.add(network)


def _has_path(groups: tuple[tuple[int, ...], ...]) -> bool:
    reached = {0}
    for target, group in enumerate(groups, start=1):
        if any(group[source] for source in reached):
            reached.add(target)
    return len(groups) in reached


def _network(dag: Dag) -> _Edges:
    """The active edges under the numbering of the nodes between that sorts first."""
    between = sorted(dag.active_nodes - {0, dag.output})
    numberings = (
        dict(zip((0, *order, dag.output), range(len(between) + 2), strict=True))
        for order in permutations(between)
    )
    return min(
        tuple(sorted((number[s], number[t], value) for s, t, value in dag.active_edges()))
        for number in numberings
    )
