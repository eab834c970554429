"""SWAP against a set of columns."""

import pytest
import torch
from torch import nn

from models.indicators.swap import Swap
from models.testing import check_indicator


@pytest.mark.parametrize("images", [3, 8, 64, 150])
def test_counts_distinct_columns_of_the_signs(images: int) -> None:
    network = nn.Sequential(nn.Linear(4, 40), nn.ReLU(), nn.Linear(40, 30), nn.ReLU())
    with torch.no_grad():  # units that cannot be told apart, in one layer
        network[0].weight[20:] = network[0].weight[:20]
        network[0].bias[20:] = network[0].bias[:20]
    x = torch.randn(images, 4)
    signs = torch.cat([network[:2](x), network(x)], dim=1) > 0
    expected = len({tuple(column) for column in signs.T.tolist()})
    assert expected < 70
    assert Swap().score(network, x, torch.zeros(images)) == expected


def test_is_an_indicator_of_networks_with_relus() -> None:
    check_indicator(Swap())
    with pytest.raises(ValueError, match=r"no nn\.ReLU"):
        Swap().score(nn.Sequential(nn.Linear(4, 3), nn.GELU()), torch.randn(4, 4), torch.zeros(4))
