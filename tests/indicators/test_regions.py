"""Linear regions as an indicator."""

import torch
from torch import nn

from models.indicators.regions import LinearRegions


def test_counts_the_distinct_sign_patterns_by_hand() -> None:
    network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0], [1.0]]))
        network[0].bias.copy_(torch.tensor([0.0, -1.0]))
    # bends at 0 and 1: three regions, two of which the samples meet
    samples = torch.tensor([[-2.0], [-1.0], [2.0], [3.0]])
    assert LinearRegions().score(network, samples, torch.zeros(4)) == 2.0
    assert LinearRegions().proxy == "regions"
