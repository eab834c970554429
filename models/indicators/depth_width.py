"""Effective depth and width as indicators (arXiv 2205.05662, Definition 4.1)."""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from models.indicators.base import Indicator


@runtime_checkable
class HasDepthWidth(Protocol):
    """A network that knows the effective depth and width of its cells."""

    def depth_width(self) -> tuple[float, float]:
        """(d̄, m̄)."""
        ...


class EffectiveDepth(Indicator):
    """d̄, parameterised operations on an input→output path, in the mean; higher is better.

    The paper's networks train best at moderate depth; among the cells of NAS-Bench-201 the deeper
    ones end more accurate, hence the direction.
    """

    name = "effective_depth"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """No pass through the network. Raises ValueError if it has no `depth_width()`."""
        return float(_depth_width(network)[0])


class EffectiveWidth(Indicator):
    """m̄, paths with an operation per unit of depth; higher is better."""

    name = "effective_width"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """No pass through the network. Raises ValueError if it has no `depth_width()`."""
        return float(_depth_width(network)[1])


def _depth_width(network: nn.Module) -> tuple[float, float]:
    if not isinstance(network, HasDepthWidth):
        raise ValueError(f"network: {type(network).__name__} has no depth_width()")
    return network.depth_width()
