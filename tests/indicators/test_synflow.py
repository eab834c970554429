"""SynFlow against sums over paths, and against a network rewritten without normalisation."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from models.indicators.synflow import SynFlow
from models.spaces import NasBench201Space

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def test_sums_the_weights_along_every_path() -> None:
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(2, 3, bias=False),
        nn.BatchNorm1d(3),
        nn.ReLU(),
        nn.Linear(3, 2, bias=False),
    )
    A, B = network[1].weight.tolist(), network[4].weight.tolist()
    paths = itertools.product(range(2), range(3), range(2))
    flow = sum(abs(A[h][i]) * abs(B[o][h]) for i, h, o in paths)
    score = SynFlow().score(network, torch.randn(4, 1, 1, 2), torch.zeros(4))
    # each of the two layers carries the whole flow
    assert score == pytest.approx(math.log(2 * flow), rel=1e-6)


def test_equals_a_rewritten_network() -> None:
    space = NasBench201Space()
    network = space.network(space.parse(CELL), channels=3, cells_per_stage=1)
    linear = copy.deepcopy(network).double()
    for module in list(linear.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for p in linear.parameters():
        p.data.abs_()
    linear(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    flow = 0.0
    for module in linear.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            assert module.weight.grad is not None
            flow += (module.weight * module.weight.grad).sum().item()
    score = SynFlow().score(network, torch.randn(4, 3, 8, 8), torch.zeros(4))
    assert score == pytest.approx(math.log(flow), rel=1e-9)


def test_flows_beyond_float32_are_finite() -> None:
    layers = [nn.Linear(64, 64, bias=False) for _ in range(40)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1.0)
    network = nn.Sequential(nn.Flatten(), *layers)
    score = SynFlow().score(network, torch.randn(2, 64), torch.zeros(2))
    assert score == pytest.approx(math.log(40) + 41 * math.log(64))
    with pytest.raises(FloatingPointError, match="synflow is not finite"):
        SynFlow().score(nn.Sequential(*layers * 5), torch.randn(2, 64), torch.zeros(2))


def test_a_cell_without_a_path_has_no_flow() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 2))
    nn.init.zeros_(network[2].weight)
    nn.init.zeros_(network[1].weight)
    nn.init.zeros_(network[1].bias)
    with pytest.raises(ValueError, match="no path of weights"):
        SynFlow().score(network, torch.randn(2, 4), torch.zeros(2))


def test_adds_the_magnitudes_of_flows_that_a_norm_makes_negative() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    )
    magnitudes = copy.deepcopy(network).double()
    for p in magnitudes.parameters():
        p.data.abs_()
    magnitudes(torch.ones(1, 2, 4, 4, dtype=torch.float64)).sum().backward()
    products = [layer.weight * layer.weight.grad for layer in (magnitudes[0], magnitudes[4])]
    assert any((product < 0).any() for product in products)
    flow = sum(product.abs().sum().item() for product in products)
    score = SynFlow().score(network, torch.randn(2, 2, 4, 4), torch.zeros(2))
    assert score == pytest.approx(math.log(flow), rel=1e-9)
