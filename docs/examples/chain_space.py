"""A search space without a supernet: chains of three convolutions, 27 architectures.

From the command line, with this folder on Python's path:

    PYTHONPATH=docs/examples lightning fit --config configs/search/sampling_digits.yaml \
        --model.space chain_space.ChainSpace --model.filter null --model.samples 20
    PYTHONPATH=docs/examples lightning fit --config configs/train_digits.yaml \
        --model.space chain_space.ChainSpace --model.architecture 3-5-1 --model.sizes '{width: 8}'
"""

from typing import Any

import networkx as nx
import torch
from torch import nn

from models.spaces import SearchSpace

Chain = tuple[int, ...]
"""The kernel size of every convolution: hashable, equal values are the same architecture."""


class ChainSpace(SearchSpace[Chain]):
    """Chains written as three kernel sizes, such as `3-5-1`."""

    name = "chain"
    kernels = (1, 3, 5)
    length = 3
    count = 27  # what `count` of the base class is a property for

    def parse(self, text: str) -> Chain:
        words = text.split("-")
        if len(words) != self.length or not set(words) <= set(map(str, self.kernels)):
            raise ValueError(f"chain: expected {self.length} of {self.kernels}, got {text!r}")
        return tuple(map(int, words))

    def format(self, architecture: Chain) -> str:
        return "-".join(map(str, architecture))

    def to_json(self, architecture: Chain) -> list[int]:
        return list(architecture)

    def from_json(self, value: Any) -> Chain:
        return self.parse("-".join(map(str, value)))

    def random_architecture(self, generator: torch.Generator) -> Chain:
        drawn = torch.randint(len(self.kernels), (self.length,), generator=generator)
        return tuple(self.kernels[i] for i in drawn.tolist())

    def network(
        self, architecture: Chain, num_classes: int = 10, in_channels: int = 3, width: int = 16
    ) -> nn.Module:
        layers: list[nn.Module] = []
        for kernel in architecture:
            layers += [nn.Conv2d(in_channels, width, kernel, padding="same"), nn.ReLU()]
            in_channels = width
        pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)]
        return nn.Sequential(*layers, *pool)

    # Optional: effective depth and width, and neighbours for searches that mutate

    def topologies(self, architecture: Chain) -> "dict[str, nx.DiGraph[int]]":
        graph: nx.DiGraph[int] = nx.path_graph(self.length + 1, create_using=nx.DiGraph)
        nx.set_edge_attributes(graph, 1, "operations")
        return {"chain": graph}

    def mutate(self, architecture: Chain, generator: torch.Generator) -> Chain:
        place = int(torch.randint(self.length, (1,), generator=generator))
        others = [kernel for kernel in self.kernels if kernel != architecture[place]]
        new = others[int(torch.randint(len(others), (1,), generator=generator))]
        return (*architecture[:place], new, *architecture[place + 1 :])
