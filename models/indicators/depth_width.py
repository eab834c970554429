"""Effective depth and width as indicators (arXiv 2205.05662, Definition 4.1)."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import networkx as nx
from torch import Tensor, nn

from models.indicators.base import Indicator
from models.topology import DepthWidth, effective_depth_width


@runtime_checkable
class HasDepthWidth(Protocol):
    """A network that knows the effective depth and width of its cells."""

    def depth_width(self) -> tuple[float, float]:
        """(d̄, m̄)."""
        ...


class EffectiveDepth(Indicator):
    """d̄, parameterised operations on an input→output path, in the mean; higher is better.

    Where an architecture has several cells, the mean over them. The paper's networks train best at
    moderate depth; among the cells of NAS-Bench-201 the deeper ones end more accurate, hence the
    direction.
    """

    name = "effective_depth"
    higher_is_better = True
    needs = "architecture"

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """No pass through the network. Raises ValueError if it has no `depth_width()`."""
        return float(_depth_width(network)[0])

    def score_graphs(self, graphs: "Mapping[str, nx.DiGraph[int]]") -> float:
        """Mean depth of the cells."""
        return _mean(graphs).depth


class EffectiveWidth(Indicator):
    """m̄, paths with an operation per unit of depth, in the mean of cells; higher is better."""

    name = "effective_width"
    higher_is_better = True
    needs = "architecture"

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """No pass through the network. Raises ValueError if it has no `depth_width()`."""
        return float(_depth_width(network)[1])

    def score_graphs(self, graphs: "Mapping[str, nx.DiGraph[int]]") -> float:
        """Mean width of the cells."""
        return _mean(graphs).width


def _depth_width(network: nn.Module) -> tuple[float, float]:
    if not isinstance(network, HasDepthWidth):
        raise ValueError(f"network: {type(network).__name__} has no depth_width()")
    return network.depth_width()


def _mean(graphs: "Mapping[str, nx.DiGraph[int]]") -> DepthWidth:
    of_cells = [effective_depth_width(graph) for graph in graphs.values()]
    return DepthWidth(*(sum(values) / len(of_cells) for values in zip(*of_cells, strict=True)))
