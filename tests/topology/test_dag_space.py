"""Every DAG string of a number of nodes, checked against all strings by brute force."""

from itertools import permutations, product

import networkx as nx
import pytest

from models.topology import Dag, effective_depth_width
from models.topology.dag_space import enumerate_dags


def strings(nodes: int) -> list[str]:
    groups = [["".join(g) for g in product("012", repeat=t)] for t in range(1, nodes)]
    return ["_".join(parts) for parts in product(*groups)]


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_all_strings_with_a_path(nodes: int) -> None:
    expected = []
    for text in strings(nodes):
        try:
            expected.append(str(Dag.parse(text)))
        except ValueError:
            continue
    assert [str(dag) for dag in enumerate_dags(nodes)] == expected


def active(dag: Dag) -> "nx.DiGraph[int]":
    graph: nx.DiGraph[int] = nx.DiGraph()
    for source, target, value in dag.active_edges():
        graph.add_edge(source, target, value=value)
    nx.set_node_attributes(graph, {0: "in", dag.output: "out"}, "end")
    return graph


def same(a: Dag, b: Dag) -> bool:
    return nx.is_isomorphic(
        active(a),
        active(b),
        node_match=lambda m, n: m.get("end") == n.get("end"),
        edge_match=lambda m, n: m == n,
    )


def test_distinct_networks_are_the_isomorphism_classes() -> None:
    networks = list(enumerate_dags(3, distinct=True))
    assert not any(same(a, b) for a, b in permutations(networks, 2))
    assert all(any(same(dag, other) for other in networks) for dag in enumerate_dags(3))


def test_four_nodes_make_260_networks() -> None:
    dags, networks = list(enumerate_dags(4)), list(enumerate_dags(4, distinct=True))
    assert (len(dags), len(networks)) == (662, 260)
    assert {effective_depth_width(d) for d in dags} == {effective_depth_width(d) for d in networks}
    assert {"2_02_002", "1_01_222", "2_21_112"} <= {str(dag) for dag in networks}
    # One by a node's number, one by an edge that leads nowhere.
    assert "0_20_002" in map(str, networks)
    assert not {"2_00_020", "0_21_002"} & {str(dag) for dag in networks}


def test_one_node_is_refused() -> None:
    with pytest.raises(ValueError, match="nodes: expected 2 or more, got 1"):
        next(enumerate_dags(1))
