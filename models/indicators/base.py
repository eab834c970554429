"""The base class of training-free scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import networkx as nx
from torch import Tensor, nn

Proxy = Literal["images", "regions"]
Initialisation = Literal["own", "fan_in"]
Inputs = Literal["images", "noise"]
Needs = Literal["architecture", "shapes", "weights"]


class Indicator(ABC):
    """A score of an untrained network.

    A search builds what an indicator's `proxy` asks for, and is told by `higher_is_better` which
    way to sort. An evaluation that fails raises; it is recorded with its reason and cannot win.

    Attributes:
        name: short and unique; the tag in logs and files.
        higher_is_better: the direction of the score.
        proxy: `images` (the network of the space on a batch of images) or `regions` (its thin
            variant of one channel on small random crops).
        initialisation: the weights it is defined on: the network's `own`, or He's normal ones of
            `fan_in`.
        inputs: what it is defined on: `images`, or `noise` of N(0, 1) in their shape.
        needs_labels: whether `labels` matter.
        needs: what it looks at: the `architecture` alone, by the graphs of its cells
            (`score_graphs`); the network's `shapes`, so that it also scores one on the meta device,
            on images there; or its `weights`. Nothing else is built for it.
        shares: whether others may have what it computes, and it what they computed before
            (`models.indicators.shared`). Not for one that changes the network meanwhile.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool]
    proxy: ClassVar[Proxy] = "images"
    initialisation: ClassVar[Initialisation] = "own"
    inputs: ClassVar[Inputs] = "images"
    needs_labels: ClassVar[bool] = False
    needs: ClassVar[Needs] = "weights"
    shares: ClassVar[bool] = False

    @abstractmethod
    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """Score a network on a batch, and leave the network as it was found.

        Args:
            network: in the mode in which to be scored.
            images: normalised, (N, C, H, W).
            labels: int64, (N,).

        Raises:
            ValueError: the network or the batch cannot be scored, and why.
        """

    def score_graphs(self, graphs: "Mapping[str, nx.DiGraph[int]]") -> float:
        """Score an architecture by the graphs of its cells, as `score` does its network.

        For an indicator that needs the `architecture` alone. In a space without graphs it scores
        networks on the meta device.

        Args:
            graphs: of every cell by name, at least one, as `effective_depth_width` takes them.
        """
        raise NotImplementedError(f"{self.name} does not score graphs")
