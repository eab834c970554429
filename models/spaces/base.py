"""Base classes of search spaces. A space is one file that inherits from one of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, Literal, NamedTuple

import networkx as nx
import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from models.networks.masks import full_mask
from models.networks.supernet import Supernet
from models.spaces.extremes import Extremes, compute_extremes

Architecture = TypeVar("Architecture", default=Any)


class ProxySetting(NamedTuple):
    """The network and the batch that scores are taken on."""

    network: dict[str, int]
    """Sizes as `space.network` takes them; empty for its own."""
    batch_size: int
    """Images."""


class SearchSpace(ABC, Generic[Architecture]):
    """Architectures: how they are written and drawn, and the network that each stands for.

    A new space inherits from this class and writes what is abstract here, which is all that
    sampling, ranking and training need. The other members have defaults: a search that needs more
    than a default gives refuses the space before it begins.

    `Architecture` is a hashable value: equal values are the same architecture.

    Attributes:
        name: short and unique; files and checkpoints name the space by it.
        unsuited: indicators that its networks cannot have, by name: why, and one that works. A
            search refuses them before it begins.
    """

    name: ClassVar[str]
    unsuited: ClassVar[Mapping[str, str]] = {}

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
        """Write the text that `parse` reads."""

    @abstractmethod
    def to_json(self, architecture: Architecture) -> Any:
        """Return strings, numbers, lists and dictionaries for `json.dump`."""

    @abstractmethod
    def from_json(self, value: Any) -> Architecture:
        """Invert `to_json`. Raises ValueError as `parse` does."""

    @abstractmethod
    def random_architecture(self, generator: torch.Generator) -> Architecture:
        """Draw an architecture uniformly; only the generator's state advances."""

    @abstractmethod
    def network(
        self,
        architecture: Architecture,
        num_classes: int = 10,
        in_channels: int = 3,
        *args: Any,
        **sizes: Any,
    ) -> nn.Module:
        """Build the network that trains an architecture, images to logits."""

    def topologies(self, architecture: Architecture) -> "dict[str, nx.DiGraph[int]]":
        """Return the graph of every cell by name, as `effective_depth_width` takes it.

        Empty by default: such a space has no effective depth and width.
        """
        return {}

    def architectures(self) -> Iterator[Architecture]:
        """List the whole space, `count` different architectures, always in the same order.

        Raises:
            ValueError: the space cannot be listed; searches over the whole of it refuse it.
        """
        raise ValueError(f"space: {self.name} has no architectures(), which lists it")

    def mutate(self, architecture: Architecture, generator: torch.Generator) -> Architecture:
        """Draw a neighbour of an architecture: one that differs in a single choice.

        Only the generator's state advances.

        Raises:
            ValueError: the space has no neighbours; searches that mutate refuse it.
        """
        raise ValueError(f"space: {self.name} has no mutate(), which this search needs")

    def crossover(
        self, first: Architecture, second: Architecture, generator: torch.Generator
    ) -> Architecture:
        """Draw a child of two architectures, each choice taken from one of them.

        By default `first`: children then differ by mutation alone. Only the generator's state
        advances.
        """
        return first

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of an architecture's isomorphism class.

        Networks of one class compute the same functions; a search evaluates one of them. By default
        the architecture itself: no two are known to be isomorphic.
        """
        return architecture

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """Return the setting on which an indicator scores architectures.

        Args:
            size: `small`, the cheapest setting that ranks nearly as well as any; or `paper`, the
                networks that the space's paper trains, with NASWOT's 128 images.
            indicator: its name.
        """
        return ProxySetting({}, 32 if size == "small" else 128)

    def extremes(self) -> Extremes | None:
        """Return the least and greatest effective depth and width, or None where unknown."""
        return None


class SupernetSpace(SearchSpace[Architecture]):
    """Cells whose edges carry operations, and a supernet that runs all of them.

    Masks are boolean; True keeps an operation. A full mask has the shape
    (cells, edges, operations), the mask of one cell (edges, operations).

    Attributes:
        cells: names of the types of cells that an architecture has.
        edges: (source, target) of each edge of a cell, sorted by target.
        operations: what an edge may carry; `none`, where it occurs, is never kept by a mask.
        edge_groups: (start, stop) ranges of edges into one node, of which a search must choose;
            may be empty.
        edges_per_group: how many edges of a group an architecture has.
    """

    cells: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    operations: tuple[str, ...]
    edge_groups: tuple[tuple[int, int], ...] = ()
    edges_per_group: int = 0

    @abstractmethod
    def topology(self, cell: Any) -> "nx.DiGraph[int]":
        """Return the graph of one cell, as `effective_depth_width` takes it.

        Args:
            cell: the mask of a cell, (edges, operations), or a cell of an architecture.
        """

    @abstractmethod
    def topologies(self, architecture: "Architecture | Tensor") -> "dict[str, nx.DiGraph[int]]":
        """Return the graph of every cell by name, of an architecture or a full mask."""

    def full_mask(self) -> Tensor:
        """Return the mask where a search begins: every operation but `none`."""
        return full_mask(len(self.cells), len(self.edges), self.operations)

    @abstractmethod
    def mask_of(self, architecture: Architecture) -> Tensor:
        """Return the full mask that keeps an architecture's operations alone, without `none`."""

    @abstractmethod
    def architecture_of(self, mask: Tensor) -> Architecture:
        """Return the architecture that a full mask stands for.

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
        """Build a supernet with the space's proxy sizes unless others are given."""

    @abstractmethod
    def region_network(self, num_classes: int = 10, mask: Tensor | None = None) -> Supernet:
        """Build the thin supernet for linear regions: crops (N, 1, 3, 3) to logits."""

    def extremes(self) -> Extremes:
        """Compute the extremes by Definition 4.1 over all cells of the space."""
        return compute_extremes(
            self.topology(self.full_mask()[0]),
            self.edges,
            self.edge_groups,
            self.edges_per_group,
            # Where a space chooses edges, a chosen edge has an operation.
            may_be_empty="none" in self.operations and not self.edge_groups,
        )
