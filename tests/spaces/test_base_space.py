"""A third space is one file: here is one, of a single edge."""

from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from models.networks.masks import as_mask
from models.networks.supernet import Supernet, SupernetCell
from models.spaces import DartsSpace, NasBench201Space, SupernetSpace
from models.topology import effective_depth_width, supernet_graph

EDGES = ((0, 1), (0, 2), (1, 2))
OPERATIONS = ("identity", "linear")
Words = tuple[str, ...]


def build(name: str, channels: int, stride: int) -> nn.Module:
    return nn.Linear(channels, channels) if name == "linear" else nn.Identity()


class TinyCell(SupernetCell):
    def __init__(self, channels: int) -> None:
        super().__init__(EDGES, OPERATIONS, 1, channels, build=build)

    def forward(self, x: Tensor) -> Tensor:
        return self.nodes(x)[-1]


class TinySupernet(Supernet):
    def __init__(self, mask: Tensor) -> None:
        super().__init__(("cell",), EDGES, OPERATIONS)
        self.cell = TinyCell(4)
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x)


class TinySpace(SupernetSpace[Words]):
    """Two nodes of vectors, with operations of its own and without `none`."""

    name = "tiny"
    cells = ("cell",)
    edges = EDGES
    operations = OPERATIONS

    @property
    def count(self) -> int:
        return 8

    def parse(self, text: str) -> Words:
        return tuple(text.split())

    def format(self, architecture: Words) -> str:
        return " ".join(architecture)

    def to_json(self, architecture: Words) -> list[str]:
        return list(architecture)

    def from_json(self, value: Any) -> Words:
        return tuple(value)

    def random_architecture(self, generator: torch.Generator) -> Words:
        return tuple(OPERATIONS[i] for i in torch.randint(2, (3,), generator=generator).tolist())

    def topology(self, cell: Any) -> "nx.DiGraph[int]":
        mask = self.mask_of(cell)[0] if isinstance(cell, tuple) else as_mask(cell, (3, 2), ())
        return supernet_graph(mask.tolist(), EDGES, OPERATIONS, {"linear"}, (0,), 2)

    def topologies(self, architecture: Words | Tensor) -> "dict[str, nx.DiGraph[int]]":
        one = architecture if isinstance(architecture, tuple) else architecture[0]
        return {"cell": self.topology(one)}

    def mask_of(self, architecture: Words) -> Tensor:
        return torch.tensor([[[name == kept for name in OPERATIONS] for kept in architecture]])

    def architecture_of(self, mask: Tensor) -> Words:
        return tuple(OPERATIONS[row.int().argmax()] for row in mask[0])

    def supernet(
        self, num_classes: int = 10, in_channels: int = 3, mask: Tensor | None = None
    ) -> Supernet:
        return TinySupernet(self.full_mask() if mask is None else mask)

    def region_network(self, num_classes: int = 10, mask: Tensor | None = None) -> Supernet:
        return self.supernet(mask=mask)

    def network(
        self, architecture: Words, num_classes: int = 10, in_channels: int = 3
    ) -> nn.Module:
        return self.supernet(mask=self.mask_of(architecture))


SPACES: list[SupernetSpace[Any]] = [NasBench201Space(), DartsSpace(), TinySpace()]
every_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)


@every_space
def test_what_every_space_keeps(space: SupernetSpace[Any]) -> None:
    assert isinstance(space, SupernetSpace)
    assert [target for _, target in space.edges] == sorted(target for _, target in space.edges)
    generator = torch.Generator().manual_seed(5)
    state = torch.get_rng_state()
    drawn = [space.random_architecture(generator) for _ in range(200)]
    assert torch.equal(torch.get_rng_state(), state), "the global state is not touched"
    assert len(set(drawn)) > 1
    assert space.count >= len(set(drawn))
    again = torch.Generator().manual_seed(5)
    assert drawn == [space.random_architecture(again) for _ in range(200)]
    for architecture in drawn:
        assert space.parse(space.format(architecture)) == architecture
        assert space.from_json(space.to_json(architecture)) == architecture
        mask = space.mask_of(architecture)
        assert mask.shape == (len(space.cells), len(space.edges), len(space.operations))
        assert mask.dtype == torch.bool
        assert not (mask & ~space.full_mask()).any()
        assert space.architecture_of(mask) == architecture


@every_space
def test_an_architecture_and_its_mask_have_the_same_depth_and_width(
    space: SupernetSpace[Any],
) -> None:
    generator = torch.Generator().manual_seed(6)
    for _ in range(50):
        architecture = space.random_architecture(generator)
        of_architecture = space.topologies(architecture)
        mask = space.mask_of(architecture)
        of_mask = space.topologies(mask)
        assert tuple(of_architecture) == tuple(of_mask) == space.cells
        for cell, rows in zip(space.cells, mask, strict=True):
            expected = pytest.approx(effective_depth_width(of_architecture[cell]))
            assert effective_depth_width(of_mask[cell]) == expected
            assert effective_depth_width(space.topology(rows)) == expected


@every_space
def test_supernets_follow_full_masks(space: SupernetSpace[Any]) -> None:
    x = torch.randn(2, 4) if space.name == "tiny" else torch.randn(2, 3, 8, 8)
    network = space.supernet()
    assert torch.equal(network.mask, space.full_mask())
    assert torch.isfinite(network(x)).all()
    assert torch.equal(space.region_network().mask, space.full_mask())
    mask = space.full_mask()
    mask[0, :, -1] = False
    assert torch.equal(space.supernet(mask=mask).mask, mask)
    assert torch.equal(space.region_network(mask=mask).mask, mask)


def test_an_incomplete_space_is_refused() -> None:
    class Incomplete(SupernetSpace[str]):
        name = "incomplete"

    with pytest.raises(TypeError, match="abstract"):
        Incomplete()  # type: ignore[abstract]


def test_groups_cover_the_inputs_of_a_node() -> None:
    space = DartsSpace()
    assert space.edge_groups == ((0, 2), (2, 5), (5, 9), (9, 14))
    assert space.edges_per_group == 2
    for start, stop in space.edge_groups:
        assert len({target for _, target in space.edges[start:stop]}) == 1
    assert NasBench201Space().edge_groups == ()
