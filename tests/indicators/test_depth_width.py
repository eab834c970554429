"""Depth and width as indicators."""

import pytest
import torch
from torch import nn

from models.indicators import EffectiveDepth, EffectiveWidth
from models.networks import NasBench201Network
from models.spaces import DartsSpace
from models.spaces.genotype import DartsGenotype
from models.topology import DartsCell, NasBench201Cell, effective_depth_width

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"


def test_of_the_network_s_cell() -> None:
    text = CELL.replace("none~2", "nor_conv_3x3~2")
    network = NasBench201Network(NasBench201Cell.parse(text), 4, 1)
    images, labels = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64)
    # Two paths: the skip, and three convolutions in a row.
    assert EffectiveDepth().score(network, images, labels) == 1.5
    assert EffectiveWidth().score(network, images, labels) == pytest.approx(1 / 1.5)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_of_a_darts_network_is_the_mean_of_both_cells(stem: str) -> None:
    # Every node takes both inputs: 8 paths of one operation, or of none.
    deep = DartsCell((("sep_conv_3x3", 0), ("dil_conv_5x5", 1)) * 4)
    flat = DartsCell((("skip_connect", 0), ("max_pool_3x3", 1)) * 4)
    assert effective_depth_width(deep) == (1, 8)
    for normal, reduce in ((deep, flat), (flat, deep)):
        genotype = DartsGenotype(normal, reduce)
        for cells in (2, 5):
            network = DartsSpace().network(genotype, channels=4, cells=cells, stem=stem)
            images, labels = torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)
            assert EffectiveDepth().score(network, images, labels) == 0.5
            assert EffectiveWidth().score(network, images, labels) == 4


def test_refuses_a_network_that_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"network: Linear has no depth_width\(\)"):
        EffectiveDepth().score(nn.Linear(2, 2), torch.zeros(2, 2), torch.zeros(2))
