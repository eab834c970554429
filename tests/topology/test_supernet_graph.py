"""The graph of a supernet's mask."""

from fractions import Fraction
from typing import Any

import pytest
import torch

from models.topology import supernet_graph

OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3")
EDGES = ((0, 1), (0, 2), (1, 2))


def build(mask: Any) -> Any:
    return supernet_graph(
        mask,
        edges=EDGES,
        operations=OPERATIONS,
        parameterised={"conv_1x1", "conv_3x3"},
        inputs=(0,),
        output=2,
    )


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_parallel_edges_are_skip_and_operation_with_their_shares(kind: Any) -> None:
    graph = build(kind([[False, True, True, True], [False] * 4, [False, False, False, True]]))
    assert list(graph.edges(data=True)) == [
        (0, 1, {"operations": 0, "probability": Fraction(1, 3), "label": "skip_connect"}),
        (0, 1, {"operations": 1, "probability": Fraction(2, 3), "label": "conv_1x1\nconv_3x3"}),
        (1, 2, {"operations": 1, "probability": Fraction(1), "label": "conv_3x3"}),
    ]
    assert graph.graph["removed"] == ((0, 2),)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[True] * 4] * 2, "mask: expected 3 rows .edges. of 4 columns"),
        ([[False] * 3] * 3, "mask: expected 3 rows"),
        ([1, 2, 3], "mask: expected 3 rows"),
        ([[True, False, False, False]] * 3, "mask: edge 0→1 keeps 'none'"),
    ],
)
def test_bad_masks_are_refused(mask: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(mask)
