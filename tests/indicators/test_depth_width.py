"""Depth and width as indicators."""

import pytest
import torch
from torch import nn

from models.indicators import EffectiveDepth, EffectiveWidth
from models.networks import NasBench201Network
from models.topology import NasBench201Cell

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"


def test_of_the_network_s_cell() -> None:
    text = CELL.replace("none~2", "nor_conv_3x3~2")
    network = NasBench201Network(NasBench201Cell.parse(text), 4, 1)
    images, labels = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64)
    # Two paths: the skip, and three convolutions in a row.
    assert EffectiveDepth().score(network, images, labels) == 1.5
    assert EffectiveWidth().score(network, images, labels) == pytest.approx(1 / 1.5)


def test_refuses_a_network_that_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"network: Linear has no depth_width\(\)"):
        EffectiveDepth().score(nn.Linear(2, 2), torch.zeros(2, 2), torch.zeros(2))
