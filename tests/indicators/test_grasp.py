"""GraSP against a finite difference of the gradient along itself."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.indicators.grasp import Grasp


def test_is_minus_the_weights_times_hessian_times_gradient() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.Tanh(),
        nn.Conv2d(2, 2, 2),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Conv2d(2, 2, 1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).double()
    images, labels = torch.randn(5, 1, 3, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    weights = [network[i].weight for i in (0, 2, 5, 7)]
    sizes = [w.numel() for w in weights]
    w = torch.cat([weight.detach().flatten() for weight in weights])

    def gradient(at: Tensor) -> Tensor:
        for weight, part in zip(weights, torch.split(at, sizes), strict=True):
            weight.data = part.view_as(weight).clone()
        loss = functional.cross_entropy(network(images), labels)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])

    g, eps = gradient(w), 1e-6
    product = (gradient(w + eps * g) - gradient(w - eps * g)) / (2 * eps)
    gradient(w)
    score = Grasp().score(network, images, labels)
    assert score == pytest.approx(-(w @ product).item(), rel=1e-5)


def test_float32_is_precise_enough_under_batch_normalisation() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )
    images, labels = torch.randn(16, 3, 8, 8), torch.arange(16) % 10
    single = Grasp().score(network, images, labels)
    double = Grasp().score(network.double(), images.double(), labels)
    assert single == pytest.approx(double, rel=1e-3)
