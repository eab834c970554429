"""Latency as it is measured, and networks that have shapes alone."""

import time

import pytest
import torch
from torch import nn

from models.networks import latency
from models.networks.cost import cost, live_parameters
from models.networks.meta import on_meta, shapes_only
from models.spaces import DartsSpace, NasBench201Space


class Sleeper(nn.Module):
    """Takes the same time whatever it computes."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.seconds = seconds
        self.batches: set[int] = set()
        self.modes: set[bool] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.add(len(x))
        self.modes.add(self.training or torch.is_grad_enabled())
        time.sleep(self.seconds)
        return self.layer(x.flatten(1)[:, :4])


def test_latency_is_the_time_of_one_image_in_milliseconds() -> None:
    network = Sleeper(0.005)
    found = latency(network, (1, 4, 4))
    assert 5 <= found.median < 8  # a sleep is never shorter
    assert 0 <= found.interquartile_range < found.median
    assert network.batches == {1}
    assert network.modes == {False}
    assert network.training
    assert latency(network.eval(), (1, 4, 4), batch=3).median >= 5
    assert network.batches == {1, 3}
    assert not network.training


def test_latency_refuses_what_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="batch: expected 1 or more, got 0"):
        latency(Sleeper(0), (1, 4, 4), batch=0)
    with pytest.raises(ValueError, match="in_shape: the network cannot take images of 3×8×8"):
        latency(nn.Sequential(nn.Conv2d(1, 2, 3)), (3, 8, 8))


@pytest.mark.parametrize(
    ("space", "sizes"),
    [(NasBench201Space(), {"cells_per_stage": 1}), (DartsSpace(), {"cells": 3})],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_network_without_values_costs_the_same(space, sizes) -> None:
    draw = torch.Generator().manual_seed(0)
    before = torch.random.get_rng_state()
    for _ in range(3):
        architecture = space.random_architecture(draw)
        network = on_meta(lambda one=architecture: space.network(one, 10, 3, channels=4, **sizes))
        assert all(parameter.is_meta for parameter in network.parameters())
        assert torch.equal(torch.random.get_rng_state(), before)
        with torch.random.fork_rng([]):
            real = space.network(architecture, 10, 3, channels=4, **sizes)
        assert cost(network, (3, 32, 32)) == cost(real, (3, 32, 32))
        count = sum(p.numel() for p in live_parameters(real, torch.zeros(2, 3, 16, 16)))
        images = torch.empty(2, 3, 16, 16, device="meta")
        assert sum(p.numel() for p in live_parameters(network, images)) == count


def test_a_constructor_that_reads_values_is_run_on_the_cpu() -> None:
    def build() -> nn.Module:
        return nn.Linear(int(torch.ones(3).sum().item()), 2)

    before = torch.random.get_rng_state()
    network = on_meta(build)
    assert network.in_features == 3
    assert not network.weight.is_meta
    assert torch.equal(torch.random.get_rng_state(), before)


def test_layers_that_hand_on_their_input_get_their_own_forward_back() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.BatchNorm2d(3))
    with shapes_only(network[:2]):
        assert network[:2](torch.empty(2, 2, 4, 4, device="meta")).shape == (2, 2, 4, 4)
        with pytest.raises(RuntimeError, match="got an input of shape"):
            network[0](torch.empty(2, 3, 4, 4, device="meta"))
    assert not any("forward" in vars(module) for module in network.modules())
