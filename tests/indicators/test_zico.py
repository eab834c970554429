"""ZiCo against the formula, weight by weight."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.indicators.zico import ZiCo


@pytest.mark.parametrize("batches", [2, 3])
def test_equals_the_formula_weight_by_weight(batches: int) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    ).double()
    images, labels = torch.randn(6, 1, 3, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0, 2])
    size = 6 // batches
    gradients: list[list[list[float]]] = [[], []]
    for start in range(0, 6, size):
        network.zero_grad()
        part = slice(start, start + size)
        functional.cross_entropy(network(images[part]), labels[part]).backward()
        for layer, rows in ((network[0], gradients[0]), (network[4], gradients[1])):
            rows.append(layer.weight.grad.flatten().tolist())
    expected = 0.0
    for rows in gradients:
        total = 0.0
        for values in zip(*rows, strict=True):
            mean = sum(values) / batches
            std = math.sqrt(sum((v - mean) ** 2 for v in values) / batches)
            if std > 0:
                total += sum(map(abs, values)) / batches / std
        expected += math.log(total)
    assert ZiCo(batches).score(network, images, labels) == pytest.approx(expected, rel=1e-8)


def test_refuses_what_cannot_vary() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    image = torch.randn(1, 1, 2, 2).repeat(4, 1, 1, 1)
    with pytest.raises(ValueError, match="varies between the parts"):
        ZiCo().score(network, image, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least batches=8, given 4"):
        ZiCo(8).score(network, image, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="batches must be at least 2, given 1"):
        ZiCo(1)


def test_a_deviation_that_is_rounding_does_not_count() -> None:
    images, labels = torch.randn(4, 4), torch.tensor([0, 1, 0, 1])
    images[2:, 0] = images[:2, 0]
    layer = nn.Linear(4, 2, bias=False)
    nn.init.zeros_(layer.weight)
    expected = ZiCo().score(layer, images, labels)
    images[2:, 0] *= 1 + torch.finfo(torch.float32).eps
    assert ZiCo().score(layer, images, labels) == pytest.approx(expected, rel=1e-5)
