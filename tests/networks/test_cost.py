"""Costs of live operations against networks without the dead ones."""

import networkx as nx
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.networks.cost import Cost, cost, live_operations, live_parameters, multiply_adds
from models.networks.cost import parameters as count_parameters
from models.networks.operations import Zero
from models.spaces import DartsSpace, NasBench201Space
from models.topology import NasBench201Cell

SHAPE = (3, 8, 8)
SPACE = NasBench201Space()


def without_dead_edges(cell: NasBench201Cell) -> NasBench201Cell:
    """The cell with `none` on every edge that no path from node 0 to node 3 crosses."""
    edges = zip(cell.EDGES, cell.operations, strict=True)
    graph = nx.DiGraph([edge for edge, name in edges if name != "none"])
    graph.add_nodes_from(range(4))
    live = (nx.descendants(graph, 0) | {0}) & (nx.ancestors(graph, 3) | {3})
    names = [
        name if source in live and target in live else "none"
        for (source, target), name in zip(cell.EDGES, cell.operations, strict=True)
    ]
    return NasBench201Cell(tuple(names))


def build(cell: NasBench201Cell) -> nn.Module:
    return SPACE.network(cell, channels=2, cells_per_stage=1)


def everything(network: nn.Module) -> tuple[int, int]:
    """All parameters, and all floating-point operations of two images."""
    with FlopCounterMode(display=False) as counter:
        network(torch.randn(2, *SHAPE))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops()


def test_what_is_live_is_what_stays_without_dead_edges() -> None:
    generator, dead = torch.Generator().manual_seed(0), 0
    for number in range(40):
        cell = SPACE.random_architecture(generator)
        pruned = without_dead_edges(cell)
        if set(pruned.operations) == {"none"}:
            continue
        dead += pruned != cell
        numbers, operations = everything(build(pruned))
        network, images = build(cell), torch.randn(2, *SHAPE)
        assert sum(p.numel() for p in live_parameters(network, images)) == numbers
        assert live_operations(network, images) == operations
        if number % 8 == 0:
            assert cost(network, SHAPE) == cost(build(pruned), SHAPE)
            assert count_parameters(network, SHAPE) == numbers
            assert multiply_adds(network, SHAPE) == operations / 4
    assert dead > 6


def test_nothing_is_live_without_a_path() -> None:
    network = build(SPACE.parse("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|none~2|"))
    assert cost(network, SHAPE) == Cost(0, 0, 0)


class Tokens(nn.Module):
    """What else a network has: an added parameter, a frozen one, and one that only `none` feeds."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 8)
        self.position = nn.Parameter(torch.zeros(4))
        self.none, self.after_none = Zero(1), nn.Linear(4, 4)
        self.frozen = nn.Linear(4, 5).requires_grad_(False)
        self.unused = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(1) + self.position
        y: Tensor = self.frozen(tokens + self.after_none(self.none(tokens)))
        return y


def test_parameters_that_are_added_or_frozen_count_and_the_network_is_left_as_it_was() -> None:
    network = Tokens().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert cost(network, SHAPE) == Cost((3 * 64 * 4 + 4) + 4 + 25, 2, 3 * 64 * 4 + 20)
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert all(module.training and not module._forward_hooks for module in network.modules())
    assert all(p.grad is None for p in network.parameters())


def test_an_auxiliary_head_is_not_deployed() -> None:
    space, generator = DartsSpace(), torch.Generator().manual_seed(1)
    genotype = space.random_architecture(generator)
    plain = space.network(genotype, channels=2, cells=3)
    both = space.network(genotype, channels=2, cells=3, auxiliary=True)
    assert cost(both, (3, 32, 32)) == cost(plain, (3, 32, 32))


def test_a_module_in_two_places_and_a_weight_of_two_layers_count_once() -> None:
    shared, tied = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1, bias=False)
    other = nn.Conv2d(3, 3, 1, bias=False)
    other.weight = tied.weight
    network = nn.Sequential(shared, tied, shared, other)
    assert cost(network, SHAPE) == Cost(6 + 9, 2, 2 * 9 * 64)
    assert not any(t.is_meta for t in [*network.parameters(), *network.buffers()])


def test_images_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="in_shape: the network cannot take images of 1×8×8: "):
        cost(nn.Conv2d(3, 2, 1), (1, 8, 8))


def test_a_module_with_two_names_is_left_as_it_was() -> None:
    """As drop-path is in a DARTS network, which a fit then moves to its device."""
    shared = nn.BatchNorm2d(3)
    tied, again = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    again.weight = tied.weight
    network = nn.Sequential(shared, tied, shared, again, nn.Flatten(), nn.Linear(192, 2))
    assert cost(network, SHAPE).parameters == sum(p.numel() for p in network.parameters())
    tensors = [*network.parameters(), *network.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"cpu"}


def test_activations_in_place_after_batch_normalisation() -> None:
    def build(inplace: bool) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(inplace), nn.SiLU(inplace), nn.Flatten()
        )

    assert cost(build(True), (3, 8, 8)) == cost(build(False), (3, 8, 8))
