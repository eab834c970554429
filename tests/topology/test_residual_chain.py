"""Chains of residual blocks against paths written out."""

import itertools

import pytest

from models.topology import effective_depth_width
from models.topology.residual_chain import ChainBlock, residual_chain


@pytest.mark.parametrize(
    "blocks",
    [
        [(1, False)],
        [(2, True), (2, True), (2, True)],
        [(1, False), (2, False), (2, True), (1, True), (2, False)],
    ],
)
def test_equals_the_definition_over_all_paths(blocks: list[tuple[int, bool]]) -> None:
    ways = [(operations, 0) if residual else (operations,) for operations, residual in blocks]
    depths = [sum(path) for path in itertools.product(*ways)]
    depth = sum(depths) / len(depths)
    width = sum(d > 0 for d in depths) / depth
    graph = residual_chain([ChainBlock(*block) for block in blocks])
    assert effective_depth_width(graph) == pytest.approx((depth, width))


def test_refuses_no_blocks() -> None:
    with pytest.raises(ValueError, match="blocks: expected at least one, got none"):
        residual_chain([])
