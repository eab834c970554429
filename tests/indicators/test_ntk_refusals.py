"""What the empirical NTK refuses, and how it says so."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from models.indicators import empirical_ntk

LINEAR = nn.Linear(3, 2)


class Stochastic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.calls = itertools.count()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * next(self.calls)


@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
@pytest.mark.parametrize(
    ("network", "named"),
    [
        (nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.1)), r"1 \(Dropout\)"),
        (nn.Sequential(LINEAR, nn.Sequential(nn.BatchNorm1d(2), nn.RReLU())), r"1\.1 \(RReLU\)"),
        (Stochastic(), "second forward"),
    ],
)
def test_refuses_a_random_network(network: nn.Module, named: str, batch_norm: str) -> None:
    with pytest.raises(ValueError, match=named):
        empirical_ntk(network, torch.randn(5, 3), batch_norm)


def test_accepts_dropout_that_drops_nothing() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.0), nn.Dropout(0.5).eval())
    assert empirical_ntk(network, torch.randn(5, 3)).shape == (5, 5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"inputs": torch.zeros(4, 3, dtype=torch.int64)}, "inputs.*int64"),
        ({"inputs": torch.zeros(1, 3)}, "inputs.*2 samples"),
        ({"batch_norm": "live"}, "batch_norm.*coupled, frozen.*live"),
        ({"parameters": "biases"}, "parameters.*weights"),
        ({"output": "max"}, "output.*trace"),
        ({"chunk_size": 0}, "chunk_size.*0"),
        ({"network": nn.Linear(3, 2).requires_grad_(False)}, "no trainable parameter"),
        ({"network": nn.Sequential(LINEAR, nn.Unflatten(1, (2, 1)))}, r"logits.*\(4, 2, 1\)"),
        ({"network": nn.LSTM(3, 2)}, "tensor of shape.*tuple"),
    ],
)
def test_refuses_bad_arguments(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        empirical_ntk(**{"network": LINEAR, "inputs": torch.randn(4, 3), **arguments})


@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
def test_says_that_a_kernel_is_not_finite(batch_norm: str) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with torch.no_grad():
        network[2].weight[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        empirical_ntk(network, torch.randn(4, 3), batch_norm)


def test_frozen_refuses_a_batch_norm_that_it_does_not_know() -> None:
    class Own(nn.BatchNorm1d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 2

    network = nn.Sequential(nn.Linear(3, 2), Own(2))
    with pytest.raises(ValueError, match=r"1 \(Own\)"):
        empirical_ntk(network, torch.randn(4, 3), "frozen")
    assert empirical_ntk(network, torch.randn(4, 3), "coupled").shape == (4, 4)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_an_error_of_the_device_is_passed_on(error: type[RuntimeError]) -> None:
    class Fails(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) == 3:  # the forward that looks for independent samples
                raise error("of the device")
            return super().forward(x)

    with pytest.raises(error, match="of the device"):
        empirical_ntk(Fails(4, 2), torch.randn(8, 4), batch_norm="frozen")
