"""Linear regions against a comparison of all pairs."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.indicators.linear_regions import linear_regions


class Repeating(nn.Module):
    """ReLUs in place, called twice, and in branches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem, self.again = nn.Linear(2, width), nn.Linear(width, width)
        self.relu, self.norm = nn.ReLU(inplace=True), nn.BatchNorm1d(width)
        self.branch = nn.Sequential(nn.ReLU(), nn.Linear(width, width))
        self.pre_activations: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        first = self.norm(self.stem(x))
        second = self.again(first) + self.branch(first)
        self.pre_activations = [first.clone(), first.clone(), second.clone()]
        return self.relu(first) + self.relu(second)


def distinct_by_pairs(codes: Tensor) -> int:
    """Number of rows that equal no earlier row."""
    equal = (codes[:, None] == codes[None]).all(2)
    return int((~equal.tril(-1).any(1)).sum())


@pytest.mark.parametrize("width", [1, 2, 8, 9, 40])
def test_equals_comparison_of_all_pairs(width: int) -> None:
    network, x = Repeating(width), torch.randn(200, 2)
    network(x)
    codes = torch.cat(network.pre_activations, 1) > 0
    assert linear_regions(network, x) == distinct_by_pairs(codes)


def test_counts_one_unit_among_thousands() -> None:
    class Shift(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x - 0.5

    patterns = torch.ones(4, 4097)
    patterns[1, 4096] = patterns[2, 0] = patterns[3, 2050] = 0
    assert linear_regions(nn.Sequential(Shift(), nn.ReLU()), patterns[[0, 1, 2, 3, 0, 3]]) == 4


def test_maps_and_shared_relu() -> None:
    relu = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), relu, nn.Conv2d(2, 2, 1), relu)
    x = torch.randn(100, 1, 4, 4)
    first = network[:2](x)
    second = network[3](first.relu())
    codes = torch.cat([first.flatten(1), second.flatten(1)], 1) > 0
    assert linear_regions(network, x) == distinct_by_pairs(codes)


@pytest.mark.parametrize("fails", [False, True])
def test_leaves_all_as_it_was(fails: bool) -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2, 2))
    if fails:
        network.append(nn.Linear(3, 3))
    x, random = torch.randn(5, 2), torch.get_rng_state()
    inputs, buffers = x.clone(), {k: v.clone() for k, v in network.named_buffers()}
    if fails:
        with pytest.raises(RuntimeError, match="shapes"):
            linear_regions(network, x)
    else:
        linear_regions(network, x)
    assert all(not module._forward_hooks for module in network.modules())
    torch.testing.assert_close(dict(network.named_buffers()), buffers, rtol=0, atol=0)
    assert network.training
    assert torch.equal(x, inputs)
    assert torch.equal(random, torch.get_rng_state())


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x)


class Merging(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x.flatten(0, 1))


@pytest.mark.parametrize(
    ("network", "x", "named"),
    [
        (Functional(), torch.randn(4, 2), "no nn.ReLU"),
        (Merging(), torch.randn(4, 2), r"act sees \(8,\)"),
        (nn.ReLU(), torch.randn(1, 2), "2 samples"),
        (nn.ReLU(), torch.ones(3, 2, dtype=torch.int64), "inputs.*int64"),
    ],
)
def test_refuses(network: nn.Module, x: Tensor, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        linear_regions(network, x)
    assert all(not module._forward_hooks for module in network.modules())
