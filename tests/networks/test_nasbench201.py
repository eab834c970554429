"""NAS-Bench-201 networks: published sizes, and the cell against the obvious sum."""

import pytest
import torch
from torch import nn

from models.networks.nasbench201 import CellModule, NasBench201Network
from models.topology import NasBench201Cell

# Cell, and the trainable parameters of its network of C=16, N=5 with ten classes.
PUBLISHED = [
    (
        "|nor_conv_1x1~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|none~0|skip_connect~1|none~2|",
        101_306,
    ),
    (
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
        587_386,
    ),
    (
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+"
        "|nor_conv_1x1~0|nor_conv_1x1~1|skip_connect~2|",
        615_386,
    ),
]


@pytest.mark.parametrize(("text", "parameters"), PUBLISHED)
def test_parameters_of_the_benchmark(text: str, parameters: int) -> None:
    network = NasBench201Network(NasBench201Cell.parse(text))
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_shapes_and_arguments() -> None:
    cell = NasBench201Cell.parse(PUBLISHED[1][0])
    network = NasBench201Network(cell, 2, 1, num_classes=7, in_channels=1)
    assert network.cell == cell
    for size in (32, 28, 9):
        assert network(torch.randn(2, 1, size, size)).shape == (2, 7)


def test_cell_is_the_sum_over_edges() -> None:
    cell = NasBench201Cell.parse(PUBLISHED[2][0])
    module = CellModule(cell, 3).eval()
    x = torch.randn(2, 3, 8, 8)
    e = module.operations
    node1 = e[0](x)
    node2 = e[1](x) + e[2](node1)
    node3 = e[3](x) + e[4](node1) + e[5](node2)
    assert torch.allclose(module(x), node3)


def test_a_cell_without_path_gives_logits_and_gradients_of_zero() -> None:
    cell = NasBench201Cell.parse(
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|",
    )
    network = NasBench201Network(cell, 2, 1)
    logits = network(torch.randn(4, 3, 8, 8))
    assert torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-6)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_activation_codes_can_be_hooked() -> None:
    cell = NasBench201Cell.parse(PUBLISHED[0][0])
    network = NasBench201Network(cell, 2, 1)
    seen: list[torch.Size] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            assert not module.inplace
            module.register_forward_hook(lambda _, __, y: seen.append(y.shape))
    network(torch.randn(2, 3, 8, 8))
    # One per convolution of the three cells, two per residual block, one in the head.
    assert len(seen) == 3 + 2 * 2 + 1
