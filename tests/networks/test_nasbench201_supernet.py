"""The NAS-Bench-201 supernet: published sizes, and one operation per edge."""

import pytest
import torch

from models.indicators import activation_overlap
from models.networks.nasbench201 import NasBench201Network
from models.networks.nasbench201_supernet import NasBench201Supernet
from models.topology import NasBench201Cell


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (NasBench201Supernet(3, 1), 14_677),
        (NasBench201Supernet(16, 5), 1_699_546),
        (NasBench201Supernet(1, 1, in_channels=1, num_stages=1, use_stem=False), 117),
    ],
    ids=["C=3, N=1", "C=16, N=5", "C=1, one cell, no stem"],
)
def test_parameters(network: NasBench201Supernet, parameters: int) -> None:
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_region_network_takes_crops_straight_into_its_cell() -> None:
    network = NasBench201Supernet(1, 1, in_channels=1, num_stages=1, use_stem=False)
    crops = torch.randn(6, 1, 3, 3)
    assert torch.equal(network(crops), network.head(network.stages[0](crops)))


def test_one_operation_per_edge_is_the_cells_network() -> None:
    cell = NasBench201Cell.parse(
        "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+"
        "|avg_pool_3x3~0|nor_conv_3x3~1|skip_connect~2|"
    )
    columns = [NasBench201Cell.OPERATIONS.index(name) for name in cell.operations]
    mask = torch.zeros(1, 6, 5, dtype=torch.bool)
    mask[0, range(6), columns] = True
    supernet = NasBench201Supernet(4, 2, mask=mask)
    network = NasBench201Network(cell, 4, 2)
    network.stem.load_state_dict(supernet.stem.state_dict())
    network.head.load_state_dict(supernet.head.state_dict())
    for ours, theirs in zip(network.stages, supernet.stages, strict=True):
        if not hasattr(theirs, "own"):
            ours.load_state_dict(theirs.state_dict())
            continue
        for edge, (operation, name) in enumerate(
            zip(ours.operations, cell.operations, strict=True)
        ):
            if f"{edge}_{name}" in theirs.own:
                operation.load_state_dict(theirs.own[f"{edge}_{name}"].state_dict())
    x = torch.randn(4, 3, 16, 16)
    assert torch.allclose(network(x), supernet(x), rtol=1e-4, atol=1e-5)
    assert activation_overlap(supernet, x) == pytest.approx(activation_overlap(network, x))
