"""What a search asks of a search space. A space is one file that answers it."""

from abc import ABC, abstractmethod
from typing import Any, Generic

import networkx as nx
import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from models.networks.masks import full_mask
from models.networks.supernet import Supernet

Architecture = TypeVar("Architecture", default=Any)


class SearchSpace(ABC, Generic[Architecture]):
    """Cells whose edges carry operations, and the networks built of them.

    Masks are boolean; True keeps an operation. A full mask has the shape
    (cells, edges, operations), the mask of one cell (edges, operations). `Architecture` is a
    hashable value: equal values are the same architecture.

    A new space inherits from this class, writes what is abstract here, and may bring operations and
    networks of its own.
    """

    name: str
    cells: tuple[str, ...]
    """Names of the types of cells that an architecture has."""
    edges: tuple[tuple[int, int], ...]
    """(source, target) of each edge of a cell, sorted by target."""
    operations: tuple[str, ...]
    edge_groups: tuple[tuple[int, int], ...] = ()
    """(start, stop) ranges of edges into one node, of which a search must choose; may be empty."""
    edges_per_group: int = 0
    """How many edges of a group an architecture has."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of architectures, each of which `random_architecture` may draw."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """Read an architecture as the field writes it.

        Raises:
            ValueError: one line that quotes the offending part.
        """

    @abstractmethod
    def format(self, architecture: Architecture) -> str:
        """The text that `parse` reads."""

    @abstractmethod
    def to_json(self, architecture: Architecture) -> Any:
        """Strings, numbers, lists and dictionaries for `json.dump`."""

    @abstractmethod
    def from_json(self, value: Any) -> Architecture:
        """The inverse of `to_json`. Raises ValueError as `parse` does."""

    @abstractmethod
    def random_architecture(self, generator: torch.Generator) -> Architecture:
        """An architecture drawn uniformly; only the generator's state advances."""

    @abstractmethod
    def topology(self, cell: Any) -> "nx.DiGraph[int]":
        """The graph of one cell, as `effective_depth_width` takes it.

        Args:
            cell: the mask of a cell, (edges, operations), or a cell of an architecture.
        """

    @abstractmethod
    def topologies(self, architecture: "Architecture | Tensor") -> "dict[str, nx.DiGraph[int]]":
        """The graph of every cell by name, of an architecture or a full mask."""

    def full_mask(self) -> Tensor:
        """The mask where a search begins: every operation but `none`."""
        return full_mask(len(self.cells), len(self.edges), self.operations)

    @abstractmethod
    def mask_of(self, architecture: Architecture) -> Tensor:
        """The full mask that keeps an architecture's operations alone, without `none`."""

    @abstractmethod
    def architecture_of(self, mask: Tensor) -> Architecture:
        """The architecture that a full mask has come down to.

        Raises:
            ValueError: it leaves a choice, or is no architecture of the space.
        """

    @abstractmethod
    def supernet(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        mask: Tensor | None = None,
        *args: Any,
        **sizes: Any,
    ) -> Supernet:
        """A supernet with the space's proxy sizes unless others are given."""

    @abstractmethod
    def region_network(self, num_classes: int = 10, mask: Tensor | None = None) -> Supernet:
        """The thin supernet on which linear regions are counted: (N, 1, 3, 3) to logits."""

    @abstractmethod
    def network(
        self,
        architecture: Architecture,
        num_classes: int = 10,
        in_channels: int = 3,
        *args: Any,
        **sizes: Any,
    ) -> nn.Module:
        """The network that trains an architecture, images to logits."""
