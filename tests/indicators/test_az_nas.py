"""AZ-NAS's traits against loops over images and positions."""

import numpy as np
import pytest
import torch
from torch import nn

from models.indicators.az_nas import Expressivity, Progressivity, Trainability


class _Chain(nn.Module):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2, 1)
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.stages(self.stem(x)))
        return logits


@pytest.fixture
def network() -> nn.Module:
    network = _Chain(
        nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, 3, padding=1)),
        nn.Sequential(nn.Conv2d(3, 4, 2, stride=2), nn.BatchNorm2d(4), nn.ReLU()),
    )
    network(torch.randn(2, 3, 4, 4))
    return network.double()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 3, 4, 4, dtype=torch.float64)


def _features(network: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    features = [network.get_submodule("stem")(images)]
    for block in network.get_submodule("stages").children():
        features.append(block(features[-1]))
    return features


def _entropy(features: torch.Tensor) -> float:
    pixels = features.detach().movedim(1, -1).flatten(0, -2).numpy()
    values = np.linalg.eigvalsh(np.cov(pixels.T, bias=True))
    p = values / values.sum()
    return float(-sum(q * np.log(q) for q in p if q > 0))


def test_expressivity_and_progressivity(network: nn.Module, images: torch.Tensor) -> None:
    H = [_entropy(f) for f in _features(network, images)]
    labels = torch.zeros(5)
    assert Expressivity().score(network, images, labels) == pytest.approx(sum(H), rel=1e-9)
    expected = min(H[1] - H[0], H[2] - H[1])
    assert Progressivity().score(network, images, labels) == pytest.approx(expected, rel=1e-9)


def test_trainability(network: nn.Module, images: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(3)
    features = _features(network, images)
    scores = []
    for f_in, f_out, stride in ((features[0], features[1], 1), (features[1], features[2], 2)):
        g_out = torch.randint(2, f_out.shape, generator=generator, dtype=torch.int8) * 2.0 - 1.0
        g_out = g_out.double()
        (g_in,) = torch.autograd.grad(f_out, f_in, g_out, retain_graph=True)
        N, C, H, W = f_out.shape
        mean = np.zeros((f_in.shape[1] * stride**2, C))
        for n in range(N):
            for h in range(H):
                for w in range(W):
                    patch = g_in[n, :, stride * h : stride * (h + 1), stride * w : stride * (w + 1)]
                    mean += np.outer(patch.flatten(), g_out[n, :, h, w]) / (N * H * W)
        sigma = np.linalg.svd(mean)[1].max()
        scores.append(2 - sigma - 1 / sigma)
    score = Trainability(seed=3).score(network, images, torch.zeros(5))
    assert score == pytest.approx(np.mean(scores), rel=1e-9)
    assert score != Trainability(seed=4).score(network, images, torch.zeros(5))


def test_maps_of_odd_size_are_continued_by_zeros(images: torch.Tensor) -> None:
    network = _Chain(nn.Conv2d(2, 3, 3, stride=2, padding=1))
    images = torch.randn(3, 3, 5, 7, dtype=torch.float64)
    network(images[..., :4, :4].float())
    network = network.double()
    f_in, f_out = _features(network, images)
    g_out = torch.randint(2, f_out.shape, generator=torch.Generator().manual_seed(0),
                          dtype=torch.int8).double() * 2 - 1  # fmt: skip
    (g_in,) = torch.autograd.grad(f_out, f_in, g_out)
    mean = np.zeros((2, 2, 2, 3))  # channel, row and column in a window, channel
    for n, h, w in np.ndindex(3, 3, 4):
        for row, column in np.ndindex(2, 2):
            y, x = 2 * h + row, 2 * w + column
            if y < 5 and x < 7:
                mean[:, row, column] += np.outer(g_in[n, :, y, x], g_out[n, :, h, w]) / 36
    sigma = np.linalg.svd(mean.reshape(8, 3))[1].max()
    score = Trainability().score(network, images, torch.zeros(3))
    assert score == pytest.approx(2 - sigma - 1 / sigma, rel=1e-9)


def test_names_the_block_that_has_no_score(images: torch.Tensor) -> None:
    def chain(block: nn.Module) -> nn.Module:
        network = _Chain(nn.Conv2d(2, 2, 1), block)
        network(torch.randn(2, 3, 4, 4))
        return network.double()

    class Zero(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0 * x

    labels = torch.zeros(5)
    with pytest.raises(ValueError, match="block 1 is the identity"):
        Trainability().score(chain(nn.Identity()), images, labels)
    with pytest.raises(ValueError, match="block 1 passes no gradient"):
        Trainability().score(chain(Zero()), images, labels)
    for indicator in (Expressivity(), Progressivity()):
        with pytest.raises(ValueError, match=r"features 2 .* are constant"):
            indicator.score(chain(Zero()), images, labels)
    with pytest.raises(ValueError, match="one whole number, turns"):
        Trainability().score(chain(nn.AvgPool2d(3)), images[..., :3], labels)
