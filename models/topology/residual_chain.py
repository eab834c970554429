"""Graphs of networks that are blocks in a row, some of them residual."""

from collections.abc import Sequence
from typing import NamedTuple

import networkx as nx


class ChainBlock(NamedTuple):
    """A block of a chain.

    Attributes:
        operations: parameterised operations in a row.
        residual: whether the block's input is added to its output.
        label: names it in pictures.
    """

    operations: int
    residual: bool
    label: str = ""


def residual_chain(blocks: Sequence[ChainBlock]) -> "nx.MultiDiGraph[int]":
    """The graph over nodes 0 to the number of blocks; a residual connection is a parallel skip.

    Args:
        blocks: in the order in which they run.

    Raises:
        ValueError: no blocks.
    """
    if not blocks:
        raise ValueError("blocks: expected at least one, got none")
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(inputs=(0,), output=len(blocks))
    graph.add_nodes_from(range(len(blocks) + 1))
    for i, block in enumerate(blocks):
        graph.add_edge(i, i + 1, operations=block.operations, label=block.label)
        if block.residual:
            graph.add_edge(i, i + 1, operations=0, label="skip")
    return graph
