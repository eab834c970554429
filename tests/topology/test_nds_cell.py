"""Cells of the NDS family: depth and width, what is refused, and isomorphic cells."""

import itertools
import random

import networkx as nx
import pytest

from models.topology import NdsCell, effective_depth_width

PAIRS = [("sep_conv_3x3", 0), ("skip_connect", 1), ("conv_7x1_1x7", 2), ("max_pool_5x5", 0)]


def _paths(cell: NdsCell) -> list[int]:
    """Number of parameterised operations on each path from an input to the output."""
    into: dict[int, list[tuple[str, int]]] = {}
    for i, pair in enumerate(cell.edges):
        into.setdefault(2 + i // 2, []).append(pair)

    def depths(node: int) -> list[int]:
        if node < 2:
            return [0]
        return [
            depth + (name in cell.PARAMETERISED)
            for name, source in into[node]
            if name != "none"
            for depth in depths(source)
        ]

    return [depth for node in cell.concat for depth in depths(node)]


def test_depth_and_width_follow_from_the_paths() -> None:
    chance = random.Random(0)
    names = [*sorted(NdsCell.PARAMETERISED)[:3], "skip_connect", "none", "avg_pool_3x3"]
    for loose, inputs in ((False, ()), (True, ()), (True, (0,))):
        for _ in range(30):
            edges = [(chance.choice(names), chance.randrange(2 + i // 2)) for i in range(10)]
            cell = NdsCell.of(edges, loose, inputs)
            depths = _paths(cell)
            if not depths:
                continue
            depth = sum(depths) / len(depths)
            width = sum(d > 0 for d in depths) / depth if depth else 0.0
            assert effective_depth_width(cell) == pytest.approx((depth, width))


def test_outputs_are_all_nodes_or_loose_ends() -> None:
    assert NdsCell.of(PAIRS, loose_ends=False).concat == (2, 3)
    assert NdsCell.of(PAIRS, loose_ends=True).concat == (3,)
    assert str(NdsCell.of(PAIRS, loose_ends=True)) == str(PAIRS)
    both = NdsCell.of(PAIRS, loose_ends=True, inputs=(0, 1))
    assert (both.concat, both.kept_inputs) == ((0, 1, 3), (0, 1))
    assert both.canonical.concat == (0, 1, 3)


def test_refuses_what_is_no_cell() -> None:
    for edges, line in (
        ([], r"two \(operation, input\) pairs per node, got 0"),
        (PAIRS[:3], "per node, got 3"),
        ([("conv_9x9", 0), *PAIRS[1:]], r"unknown operation 'conv_9x9' into node 2; allowed: avg_"),
        ([("conv_3x3", 2), *PAIRS[1:]], r"\('conv_3x3', 2\) enters node 2; its inputs are 0 to 1"),
        ([("conv_3x3", -1), *PAIRS[1:]], r"\('conv_3x3', -1\) enters node 2"),
    ):
        with pytest.raises(ValueError, match=line):
            NdsCell.of(edges, loose_ends=True)
    for concat, got in (((4,), r"\[4\]"), ((0, 1), r"\[0, 1\]")):
        with pytest.raises(ValueError, match=rf"some of nodes 2 to 3, got {got}"):
            NdsCell(tuple(PAIRS), concat)


def _labelled(cell: NdsCell) -> "nx.MultiDiGraph[int]":
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    ends = {0: "0", 1: "1"} | dict.fromkeys(cell.concat, "concat")
    for node in (0, 1, *cell.nodes):
        graph.add_node(node, kind=ends.get(node, "node"))
    for i, (name, source) in enumerate(cell.edges):
        graph.add_edge(source, 2 + i // 2, name=name)
    return graph


def test_canonical_cells_are_equal_where_graphs_are_isomorphic() -> None:
    names, chance = ("skip_connect", "conv_3x3"), random.Random(1)
    every = [
        NdsCell.of(edges, loose_ends=True)
        for edges in itertools.product(
            *(itertools.product(names, range(2 + i // 2)) for i in range(4))
        )
    ]
    same = different = 0
    for a, b in itertools.combinations(chance.sample(every, 60), 2):
        isomorphic = nx.is_isomorphic(
            _labelled(a),
            _labelled(b),
            node_match=lambda x, y: x["kind"] == y["kind"],
            edge_match=lambda x, y: (
                sorted(e["name"] for e in x.values()) == sorted(e["name"] for e in y.values())
            ),
        )
        assert (a.canonical == b.canonical) == isomorphic
        same, different = same + isomorphic, different + (not isomorphic)
    assert same > 3
    assert different > 3
    assert all(cell.canonical.canonical == cell.canonical for cell in every)


def test_what_a_none_takes_does_not_matter() -> None:
    first = NdsCell.of([("none", 1), *PAIRS[1:]], loose_ends=False)
    assert first.canonical == NdsCell.of([("none", 0), *PAIRS[1:]], loose_ends=False).canonical
