"""VKDNW against the Fisher information of full Jacobians."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from models.indicators.vkdnw import VKDNW


def _network() -> nn.Module:
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, dilation=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, (3, 2), groups=2, bias=False),
        nn.ReLU(),
        nn.Conv2d(4, 3, 3, padding="same", dilation=2),
        nn.Flatten(),
        nn.Linear(6, 4),
    ).double()
    network(torch.randn(8, 2, 6, 6, dtype=torch.float64))  # so that statistics are not 0 and 1
    return network.eval()


def _entropy(network: nn.Module, images: torch.Tensor) -> float:
    parameters = dict(network.named_parameters())
    jacobians = jacrev(lambda p: functional_call(network, p, (images,)))(parameters)
    J = torch.stack([j.flatten(2)[..., 0] for j in jacobians.values()], dim=2)
    p = 0.95 * network(images).softmax(1) + 0.05 / 4
    F = torch.zeros(J.shape[2], J.shape[2], dtype=torch.float64)
    for J_n, p_n in zip(J, p, strict=True):
        F += J_n.T @ (torch.diag(p_n) - torch.outer(p_n, p_n)) @ J_n / len(images)
    # rounding can make an eigenvalue that is 0 negative
    eigenvalues = np.linalg.eigvalsh(F.detach().numpy()).clip(min=0)
    deciles = np.quantile(eigenvalues, np.arange(1, 10) / 10)
    share = torch.from_numpy(deciles / deciles.sum())
    return float(torch.special.entr(share).sum())


def test_equals_the_entropy_of_a_full_fisher_information() -> None:
    network = _network()
    images = torch.randn(7, 2, 6, 6, dtype=torch.float64)
    expected = _entropy(network, images)
    entropy = VKDNW(add_layers=False)
    assert entropy.score(network, images, torch.zeros(7)) == pytest.approx(expected, rel=1e-6)
    assert VKDNW().score(network, images, torch.zeros(7)) == pytest.approx(4 + expected, rel=1e-6)


def test_evaluates_a_network_in_training_mode_as_in_evaluation() -> None:
    network, images = _network(), torch.randn(7, 2, 6, 6, dtype=torch.float64)
    expected = VKDNW().score(network, images, torch.zeros(7))
    assert VKDNW().score(network.train(), images, torch.zeros(7)) == expected
    assert network[1].training


def test_names_a_parameter_without_known_derivative() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.PReLU(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"no derivative by 2\.weight"):
        VKDNW().score(network, torch.randn(3, 4), torch.zeros(3))
