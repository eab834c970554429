"""MeCo against numpy's correlations, module by module."""

import numpy as np
import pytest
import torch
from torch import nn

from models.indicators.meco import MeCo
from models.testing import check_indicator


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        nn.Conv2d(4, 6, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    ).double()


def _outputs(network: nn.Module, image: torch.Tensor) -> list[np.ndarray]:
    """Feature maps in the order in which modules finish; the last two layers have no pixels."""
    conv = network[0][0](image)
    relu = network[0](image)
    return [y[0].detach().flatten(1).numpy() for y in (conv, relu, relu, network[1](relu))]


def test_equals_the_least_eigenvalues_of_correlations(network: nn.Module) -> None:
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    outputs = _outputs(network, images[:1])
    expected = sum(np.linalg.eigvalsh(np.corrcoef(y)).min() for y in outputs)
    assert MeCo().score(network, images, torch.zeros(2)) == pytest.approx(expected, rel=1e-9)


def test_some_channels_are_drawn_and_weighted(network: nn.Module) -> None:
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    generator, expected = torch.Generator().manual_seed(5), 0.0
    for y in [*_outputs(network, images[:1]), np.zeros((6, 1))]:
        factor = 1.0
        if len(y) > 4:
            factor = len(y) / 4
            y = y[torch.randperm(len(y), generator=generator)[:4].numpy()]
        if y.any():
            expected += factor * np.linalg.eigvalsh(np.corrcoef(y)).min()
    score = MeCo(channels=4, seed=5).score(network, images, torch.zeros(2))
    assert score == pytest.approx(expected, rel=1e-9)
    check_indicator(MeCo(channels=4))


def test_constant_channels_and_few_pixels_count_nothing() -> None:
    dead = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        dead.weight[1] = 0
    images = torch.randn(2, 3, 8, 8)
    assert MeCo().score(dead, images, torch.zeros(2)) == 0
    assert MeCo().score(nn.Conv2d(3, 4, 1), images[..., :2, :2], torch.zeros(2)) < 1e-12


def test_refuses_tokens_and_networks_without_feature_maps() -> None:
    with pytest.raises(ValueError, match=r"works on tokens.*Near scores it"):
        MeCo().score(
            nn.Sequential(nn.Flatten(2), nn.Linear(4, 4)), torch.randn(2, 3, 2, 2), torch.zeros(2)
        )
    with pytest.raises(ValueError, match=r"no feature maps.*Near"):
        MeCo().score(
            nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), torch.randn(2, 3, 2, 2), torch.zeros(2)
        )
    with pytest.raises(ValueError, match="channels must be at least 2, given 1"):
        MeCo(1)
