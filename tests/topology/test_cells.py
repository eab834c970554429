"""Cells of NAS-Bench-201 and DARTS: their strings and graphs."""

from typing import Any

import pytest

from models.topology import DartsCell, NasBench201Cell, effective_depth_width

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
PAIRS = [
    ("sep_conv_3x3", 0),
    ("skip_connect", 1),
    ("dil_conv_5x5", 2),
    ("max_pool_3x3", 0),
    ("sep_conv_5x5", 1),
    ("avg_pool_3x3", 3),
    ("dil_conv_3x3", 0),
    ("skip_connect", 4),
]


def test_nasbench201_graph() -> None:
    cell = NasBench201Cell.parse(CELL)
    assert str(cell) == CELL
    graph = cell.graph
    assert (graph.graph["inputs"], graph.graph["output"]) == ((0,), 3)
    assert graph.graph["removed"] == ((0, 2), (1, 3))
    assert [(*e, d["operations"], d["label"]) for *e, d in graph.edges(data=True)] == [
        (0, 1, 1, "nor_conv_3x3"),
        (0, 3, 0, "skip_connect"),
        (1, 2, 1, "nor_conv_1x1"),
        (2, 3, 0, "avg_pool_3x3"),
    ]


def test_nasbench201_edges_are_ordered_as_the_field_does() -> None:
    assert NasBench201Cell.EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|", "has 1 node.* expected 3"),
        (CELL.replace("nor_conv_1x1", "conv_1x1"), "unknown operation 'conv_1x1'; allowed: none"),
        (CELL.replace("none~1", "none~0"), "'none~0' in node 3 should end in '~1'"),
        (CELL.replace("|none~0|nor_conv_1x1~1|", "|none~0|"), "node 2 is .* with 1 operation"),
        (CELL[1:], "'nor_conv_3x3~0|' in .* is not enclosed in '|'"),
    ],
)
def test_nasbench201_refusals(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        NasBench201Cell.parse(text)


def test_nasbench201_takes_six_operations() -> None:
    with pytest.raises(ValueError, match="expected 6 operations, got 2"):
        NasBench201Cell(("none", "none"))


def test_darts_graph() -> None:
    cell = DartsCell.parse([list(pair) for pair in PAIRS])
    assert cell == DartsCell(tuple(PAIRS))
    assert str(cell) == str(PAIRS)
    graph = cell.graph
    assert (graph.graph["inputs"], graph.graph["output"]) == ((0, 1), 6)
    assert len(graph.graph["removed"]) == 14 - 8
    assert graph.edges[2, 3] == {"operations": 1, "label": "dil_conv_5x5"}
    assert graph.edges[4, 5] == {"operations": 0, "label": "skip_connect"}
    assert [graph.edges[node, 6]["operations"] for node in (2, 3, 4, 5)] == [0] * 4


def test_darts_edges_are_ordered_as_the_field_does() -> None:
    assert len(DartsCell.EDGES) == 14
    assert DartsCell.EDGES[:5] == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@pytest.mark.parametrize(
    ("index", "pair", "message"),
    [
        (0, ("pool", 0), "unknown operation 'pool' into node 2; allowed: none, skip_connect"),
        (2, ("sep_conv_3x3", 3), r"\('sep_conv_3x3', 3\) enters node 3; its inputs are 0 to 2"),
        (4, "sep_conv_3x3", "'sep_conv_3x3' is not a pair"),
        (4, ("sep_conv_3x3", True), r"\('sep_conv_3x3', True\) is not a pair"),
    ],
)
def test_darts_refusals(index: int, pair: Any, message: str) -> None:
    pairs: list[Any] = list(PAIRS)
    pairs[index] = pair
    with pytest.raises(ValueError, match=message):
        DartsCell.parse(pairs)


def test_darts_takes_eight_pairs() -> None:
    with pytest.raises(ValueError, match=r"expected 8 .* got 7"):
        DartsCell.parse(PAIRS[:7])


def test_darts_cell_as_published_samples_have_it() -> None:
    """One input twice is two parallel edges; `none` is no edge."""
    pairs = [("sep_conv_3x3", 0), ("skip_connect", 0), ("none", 2), ("max_pool_3x3", 2), *PAIRS[4:]]
    cell = DartsCell.parse(pairs)
    graph = cell.graph
    assert graph.number_of_edges(0, 2) == 2
    assert graph.number_of_edges(2, 3) == 1
    assert (1, 2) in graph.graph["removed"]
    assert (2, 3) not in graph.graph["removed"]
    few = DartsCell.parse([("none", 0), ("none", 1)] * 3 + [("sep_conv_3x3", 0), ("none", 0)])
    # 0 → 5 → 6 is the only path
    assert effective_depth_width(few.graph) == (1, 1)
