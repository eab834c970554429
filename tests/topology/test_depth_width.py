"""Effective depth and width, against published values, closed forms and enumerated paths."""

import json
import random
from fractions import Fraction
from math import isclose, prod
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from models.topology import (
    Dag,
    DartsCell,
    NasBench201Cell,
    effective_depth_width,
    supernet_graph,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "effective_depth_width.json").read_text())


def by_enumeration(graph: "nx.DiGraph[Any]") -> tuple[float, float]:
    """The definition: every path variant of every input, one by one."""
    output = graph.graph["output"]
    depths, counts, deep = [], [], 0.0
    for start in graph.graph["inputs"]:
        if graph.is_multigraph():
            paths = list(nx.all_simple_edge_paths(graph, start, output))
        else:
            paths = [
                list(nx.utils.pairwise(nodes))
                for nodes in nx.all_simple_paths(graph, start, output)
            ]
        variants = []
        for path in paths:
            edges = [graph.edges[edge] for edge in path]
            variants.append(
                (
                    sum(edge["operations"] for edge in edges),
                    prod(float(edge.get("probability", 1)) for edge in edges),
                )
            )
        mass = sum(p for _, p in variants)
        depths.append(sum(d * p for d, p in variants) / mass if mass else 0.0)
        counts.append(len(variants))
        deep += sum(p for d, p in variants if d)
    depth = sum(d * n for d, n in zip(depths, counts, strict=True)) / max(sum(counts), 1)
    return depth, deep / depth if depth else 0.0


def close(value: tuple[float, float], expected: tuple[float, float]) -> bool:
    return all(
        isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(value, expected, strict=True)
    )


def test_nasbench201_cells_as_published() -> None:
    wrong = [
        row
        for row in GOLDEN["nasbench201"]
        if not close(
            effective_depth_width(NasBench201Cell.parse(row["arch"])), (row["depth"], row["width"])
        )
    ]
    assert len(GOLDEN["nasbench201"]) == 400
    assert not wrong


def test_darts_cells_as_published() -> None:
    wrong = [
        row
        for row in GOLDEN["darts_cell"]
        if not close(
            effective_depth_width(DartsCell.parse(row["cell"])), (row["depth"], row["width"])
        )
    ]
    assert len(GOLDEN["darts_cell"]) == 100
    assert not wrong


def test_supernet_masks_as_published() -> None:
    cells = {"nas-bench-201": NasBench201Cell, "darts": DartsCell}
    wrong = []
    for row in GOLDEN["supernet"]:
        cell = cells[row["space"]]
        darts = cell is DartsCell
        graph = supernet_graph(
            row["mask"],
            edges=cell.EDGES,
            operations=row["ops"],
            parameterised=cell.PARAMETERISED,
            inputs=(0, 1) if darts else (0,),
            output=6 if darts else 3,
            output_edges=tuple((node, 6) for node in (2, 3, 4, 5)) if darts else (),
        )
        if not close(effective_depth_width(graph), (row["depth"], row["width"])):
            wrong.append(row)
    assert len(GOLDEN["supernet"]) == 100
    assert {row["space"] for row in GOLDEN["supernet"]} == set(cells)
    assert not wrong


@pytest.mark.parametrize(
    ("text", "depth", "width"),
    [("2_02_002", 3, 1 / 3), ("1_01_222", 1, 3), ("2_21_112", 1.25, 2.4), ("1", 0, 0), ("2", 1, 1)],
)
def test_the_dags_of_the_paper(text: str, depth: float, width: float) -> None:
    assert effective_depth_width(Dag.parse(text)) == pytest.approx((depth, width), abs=1e-12)


@pytest.mark.parametrize("nodes", [2, 3, 10, 200])
def test_complete_dag_equals_its_closed_form(nodes: int) -> None:
    """2^(n-2) paths, whose intermediate nodes are each in or out: (n-2)/2 + 1 operations."""
    dag = Dag.parse("_".join("2" * t for t in range(1, nodes)))
    depth = Fraction(nodes, 2)
    assert effective_depth_width(dag) == (float(depth), float(2 ** (nodes - 2) / depth))


def test_width_beyond_a_float_is_infinite() -> None:
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    for node in range(1100):
        graph.add_edge(node, node + 1, operations=0)
        graph.add_edge(node, node + 1, operations=1)
    assert effective_depth_width(graph) == (550.0, float("inf"))


@pytest.mark.parametrize("seed", range(25))
def test_random_dag_equals_enumeration(seed: int) -> None:
    rng = random.Random(seed)
    groups = tuple(tuple(rng.choices((0, 1, 2), k=t)) for t in range(1, rng.randint(2, 8)))
    try:
        dag = Dag(groups)
    except ValueError:
        dag = Dag((*groups[:-1], (1, *groups[-1][1:])))
    assert close(effective_depth_width(dag), by_enumeration(dag.graph))


@pytest.mark.parametrize("seed", range(25))
def test_random_multigraph_with_probabilities_and_inputs_equals_enumeration(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randint(3, 6)
    inputs = tuple(range(rng.randint(1, 3)))
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(inputs=inputs, output=size - 1)
    graph.add_nodes_from(range(size))
    for target in range(1, size):
        for source in range(target):
            for _ in range(rng.choice((0, 1, 1, 2))):
                graph.add_edge(
                    source,
                    target,
                    operations=rng.choice((0, 0, 1, 2)),
                    probability=rng.choice((1, 0.5, Fraction(1, 3), 0.123)),
                )
    assert close(effective_depth_width(graph), by_enumeration(graph))


def test_ends_are_inferred() -> None:
    graph = nx.DiGraph()
    graph.add_edge("a", "c", operations=1)
    graph.add_edge("b", "c", operations=0)
    graph.add_edge("c", "d", operations=2)
    assert effective_depth_width(graph) == pytest.approx((2.5, 2 / 2.5))


def test_no_path_is_depth_and_width_zero() -> None:
    cell = NasBench201Cell(("none",) * 6)
    assert effective_depth_width(cell) == (0.0, 0.0)
    skips = NasBench201Cell(("skip_connect",) * 6)
    assert effective_depth_width(skips) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("edges", "attributes", "message"),
    [
        ([(0, 1, {}), (1, 0, {})], {"inputs": (0,), "output": 1}, "has a cycle"),
        ([(0, 1, {"operations": -1})], {}, "edge 0→1 has operations=-1, expected a count"),
        ([(0, 1, {"operations": None})], {}, "edge 0→1 has operations=None"),
        ([(0, 1, {"probability": 0})], {}, "probability=0, expected a number above 0"),
        ([(0, 1, {"probability": 1.5})], {}, "probability=1.5"),
        ([(0, 1, {"probability": float("nan")})], {}, "probability=nan"),
        ([(0, 1, {"probability": "x"})], {}, "probability='x'"),
        ([(0, 1, {}), (0, 2, {})], {}, "2 nodes have no successor; name the output"),
        ([(0, 1, {})], {"output": 7}, "7 is named as input or output but is no node"),
        ([(0, 1, {})], {"inputs": (0, 0)}, "an input is named twice"),
        ([], {"output": 0, "inputs": ()}, "has no input"),
    ],
)
def test_bad_graphs_are_refused(
    edges: list[tuple[int, int, dict[str, Any]]], attributes: dict[str, Any], message: str
) -> None:
    graph = nx.DiGraph(**attributes)
    graph.add_node(0)
    graph.add_edges_from((s, t, {"operations": 1} | data) for s, t, data in edges)
    with pytest.raises(ValueError, match=message):
        effective_depth_width(graph)


@pytest.mark.parametrize("other", [nx.Graph(), None, "2_21_112", 3])
def test_what_holds_no_directed_graph_is_refused(other: Any) -> None:
    with pytest.raises(ValueError, match="topology: expected a Dag, a cell or a directed"):
        effective_depth_width(other)
