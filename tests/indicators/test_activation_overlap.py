"""Activation overlap against the matrix of agreements, written out."""

import importlib
import math

import pytest
import torch
from torch import Tensor, nn

from models.indicators.activation_overlap import activation_overlap


def by_agreement(codes: Tensor) -> float:
    """log|det K|, K counted position by position in float64."""
    c = codes.double()
    K = torch.stack([torch.stack([(a == b).double().sum() for b in c]) for a in c])
    return float(torch.linalg.slogdet(K).logabsdet)


@pytest.mark.parametrize("training", [True, False])
def test_equals_naive(training: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 20), nn.ReLU(),
    ).train(training)  # fmt: skip
    x = torch.randn(12, 3, 4, 4)
    buffers = {k: v.clone() for k, v in network.named_buffers()}
    score = activation_overlap(network, x)
    torch.testing.assert_close(dict(network.named_buffers()), buffers, rtol=0, atol=0)
    layers, codes = x, []
    with torch.no_grad():
        for layer in network:
            layers = layer(layers)
            if isinstance(layer, nn.ReLU):
                codes.append((layers > 0).flatten(1))
    assert score == pytest.approx(by_agreement(torch.cat(codes, 1)), rel=1e-8)


def test_wide_layers_are_summed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = nn.ReLU(), torch.randn(6, 1000)
    expected = by_agreement(x > 0)
    assert activation_overlap(network, x) == pytest.approx(expected, rel=1e-8)
    module = importlib.import_module("models.indicators.activation_overlap")
    monkeypatch.setattr(module, "_EXACT", 7)
    assert activation_overlap(network, x) == pytest.approx(expected, rel=1e-8)


def test_equal_signs_are_infinitely_bad() -> None:
    x = torch.randn(6, 1000)
    x[4] = x[2] * 3
    assert activation_overlap(nn.ReLU(), x) == -math.inf


def test_needs_a_relu() -> None:
    with pytest.raises(ValueError, match=r"no nn\.ReLU"):
        activation_overlap(nn.Sequential(nn.Linear(2, 2), nn.GELU()), torch.randn(4, 2))
