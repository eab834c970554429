"""Networks of TransNAS-Bench-101's micro space."""

import pytest
import torch

from models.networks.cost import cost
from models.networks.transnas import TransNasNetwork, TransNasSupernet, operation
from models.topology import NasBench201Cell

ALL = NasBench201Cell(("nor_conv_3x3",) * 6)
MIXED = NasBench201Cell(
    ("nor_conv_1x1", "skip_connect", "nor_conv_3x3", "none", "skip_connect", "nor_conv_1x1")
)


def convolution(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + 2 * outputs


def test_parameters_of_the_release_s_network() -> None:
    """`64-41414-3_33_333`: 64 maps after the stem, doubled three times, two cells a layer."""
    expected = convolution(3, 32, 3) + convolution(32, 64, 3)
    width = 64
    for doubles in (True, False, True, False, True):
        wide = width * (1 + doubles)
        # Three edges leave the input, three do not; the second cell keeps its maps.
        expected += 3 * convolution(width, wide, 3) + 9 * convolution(wide, wide, 3)
        width = wide
    expected += 512 * 75 + 75
    network = TransNasNetwork(ALL)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_sizes_of_maps() -> None:
    network = TransNasNetwork(MIXED, channels=4, num_classes=5)
    x = network.stem(torch.randn(2, 3, 64, 64))
    shapes = [tuple(x.shape[1:3])]
    for cell in network.cells:
        x = cell(x)
        shapes.append(tuple(x.shape[1:3]))
    assert shapes == [(4, 16)] + [(8, 8)] * 4 + [(16, 4)] * 4 + [(32, 2)] * 2
    assert network.head(x).shape == (2, 5)
    assert network.depth_width().depth > 0


@pytest.mark.parametrize(("stride", "size"), [(1, 32), (2, 16), (4, 8)])
def test_stem(stride: int, size: int) -> None:
    network = TransNasNetwork(ALL, channels=4, stem_stride=stride)
    assert network.stem(torch.randn(1, 3, 32, 32)).shape == (1, 4, size, size)


def test_none_where_the_size_halves() -> None:
    nothing = operation("none", 8, 2)(torch.randn(2, 4, 5, 5))
    assert nothing.shape == (2, 8, 3, 3)
    assert not nothing.any()
    for name in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3"):
        assert operation(name, 8, 2)(torch.randn(2, 4, 6, 6)).shape == (2, 8, 3, 3)
    dead = NasBench201Cell(("nor_conv_3x3", "none", "none", "nor_conv_3x3", "none", "none"))
    alone = NasBench201Cell(("none", "none", "none", "nor_conv_3x3", "none", "none"))
    sizes = {"channels": 4, "cells_per_layer": 1, "stem_stride": 1}
    assert cost(TransNasNetwork(dead, **sizes), (3, 16, 16)) == cost(
        TransNasNetwork(alone, **sizes), (3, 16, 16)
    )


def test_the_supernet_of_one_operation_an_edge_is_the_network() -> None:
    """The same weights give the same logits."""
    names = ("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "skip_connect", "nor_conv_3x3")
    cell = NasBench201Cell((*names, "skip_connect"))
    mask = torch.zeros(1, 6, 4, dtype=torch.bool)
    for edge, name in enumerate(cell.operations):
        mask[0, edge, TransNasSupernet().operations.index(name)] = True
    supernet = TransNasSupernet(4, 1, 5, mask=mask).eval()
    network = TransNasNetwork(cell, 4, 1, 5, stem_stride=1).eval()
    network.stem.load_state_dict(supernet.stem.state_dict())
    network.head.load_state_dict(supernet.head.state_dict())
    for own, other in zip(network.cells, supernet.cells, strict=True):
        for edge, name in enumerate(cell.operations):
            key = f"{edge}_{name}"
            if key in other.own:
                own.operations[edge][1:].load_state_dict(other.own[key].state_dict())
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(network(x), supernet(x))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="stem_stride: expected 1, 2 or 4, got 3"):
        TransNasNetwork(ALL, stem_stride=3)
    with pytest.raises(ValueError, match="channels: expected 2 or more, got 1"):
        TransNasNetwork(ALL, channels=1)
