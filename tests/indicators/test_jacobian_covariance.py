"""Jacobian covariance against NumPy's correlations."""

import numpy as np
import pytest
import torch
from torch import nn

from models.indicators.jacobian_covariance import JacobianCovariance


def test_equals_the_formula_by_numpy() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)
    ).double()
    images = torch.randn(6, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    network(images).sum().backward()
    assert images.grad is not None
    v = np.linalg.eigvalsh(np.corrcoef(images.grad.flatten(1).numpy()))
    expected = -np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5))
    score = JacobianCovariance().score(network, images, torch.zeros(6))
    assert score == pytest.approx(expected, rel=1e-8)


def test_refuses_gradients_without_variation() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with pytest.raises(ValueError, match="of 4 images is constant"):
        JacobianCovariance().score(network, torch.randn(4, 1, 3, 3), torch.zeros(4))
