"""SNIP against the definition: how the loss changes as each weight is scaled."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.indicators.snip import Snip


def test_sums_the_effect_of_scaling_every_weight() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    ).double()
    images, labels = torch.randn(5, 1, 3, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    expected, eps = 0.0, 1e-6
    for weight in (network[0].weight, network[4].weight):
        for index in torch.cartesian_prod(*[torch.arange(n) for n in weight.shape]).tolist():
            original = weight.data[tuple(index)].clone()
            losses = []
            for scale in (1 + eps, 1 - eps):
                weight.data[tuple(index)] = scale * original
                losses.append(functional.cross_entropy(network(images), labels).item())
            weight.data[tuple(index)] = original
            expected += abs(losses[0] - losses[1]) / (2 * eps)
    assert Snip().score(network, images, labels) == pytest.approx(expected, rel=1e-6)
