"""Networks that the empirical NTK is held to."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

IMAGES = (6, 2, 8, 8)


class Branches(nn.Module):
    """Sums of branches, one layer called twice, and a ReLU in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.twice = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.pointwise = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True))
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.head = nn.Linear(4, 3)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.norm(self.twice(self.norm(self.twice(x)))) + self.pointwise(x) + self.pool(x)
        return self.head(functional.relu(x).mean((2, 3)))


class TiedWeights(nn.Module):
    """The same weight in two layers, and in a functional call besides."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(5, 5) for _ in range(3))
        self.second.weight = self.first.weight
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(torch.tanh(self.first(x)))
        return self.head(torch.tanh(functional.linear(self.third(x), self.third.weight)))


class Tokens(nn.Module):
    """Linear and normalisation over tokens, samples first or second, and a bare parameter."""

    def __init__(self, samples_second: bool) -> None:
        super().__init__()
        self.samples_second = samples_second
        self.position = nn.Parameter(torch.randn(4, 5))
        self.layer, self.norm = nn.Linear(5, 6), nn.BatchNorm1d(4)
        self.layer_norm, self.head = nn.LayerNorm(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x * self.position)
        if self.samples_second:
            x = self.layer(x.transpose(0, 1)).transpose(0, 1)
        else:
            x = self.layer(input=x)
        return self.head(self.layer_norm(torch.tanh(x)).mean(1))


class Copied(nn.Module):
    """A class token and positions, copied for every sample; or for another one than it says."""

    def __init__(self, other: bool = False, twice: bool = False) -> None:
        super().__init__()
        self.other, self.twice = other, twice
        self.token = nn.Parameter(torch.randn(1, 1, 5))
        self.positions = nn.Parameter(torch.randn(5, 5))
        self.layer, self.norm, self.head = nn.Linear(5, 5), nn.LayerNorm(5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        token = self.token.expand(len(x), -1, -1)
        if self.other:
            token = token.flip(0)
        x = torch.cat([token, x], dim=1) + self.positions.expand(len(x), -1, -1)
        if self.twice:
            x = x * self.positions.expand(len(x), -1, -1)
        x = self.norm(torch.tanh(self.layer(x).cumsum(1)))
        return self.head(torch.tanh(x).mean(1))


class Centred(nn.Module):
    """Couples its samples without a batch normalisation."""

    def __init__(self, share: float = 1.0) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(5, 4), nn.Linear(4, 3)
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        return self.head(x - self.share * x.mean(0))


class Flipped(Centred):
    """Hands its samples to a layer in another order."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(x.flip(0))).flip(0))


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, (3, 2), padding="same", dilation=2, groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 8, 3, padding=(1, 0), groups=4),
        nn.ReLU(),
        nn.AvgPool2d(2, ceil_mode=True, padding=1),
        nn.Conv2d(8, 6, 1, stride=(1, 2)),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def wide_after_small_maps() -> nn.Module:
    """A convolution with more weights than positions: products between positions are cheaper."""
    return nn.Sequential(
        nn.Conv2d(2, 16, 4, stride=4), nn.ReLU(), nn.Conv2d(16, 16, 2, groups=2), nn.Flatten(),
        nn.BatchNorm1d(16), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3),
    )  # fmt: skip


def mixed_modes() -> nn.Module:
    network = convolutions()
    network[4].eval()
    network[3].weight.requires_grad_(False)
    return network


def reparametrised() -> nn.Module:
    return nn.Sequential(
        parametrizations.weight_norm(nn.Conv2d(2, 3, 3)), nn.BatchNorm2d(3), nn.Flatten(),
        parametrizations.weight_norm(nn.Linear(108, 3)),
    )  # fmt: skip


def other_dimensions() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 3, padding=2, padding_mode="circular"), nn.BatchNorm1d(4),
        nn.Unflatten(1, (2, 2, 1)), nn.Conv3d(2, 3, (2, 1, 3)), nn.BatchNorm3d(3),
        nn.GroupNorm(3, 3), nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], bool]] = {
    # builder, shape of the inputs, whether one backward pass is enough
    "convolutions": (convolutions, IMAGES, True),
    "branches": (Branches, IMAGES, True),
    "small maps": (wide_after_small_maps, (5, 2, 8, 8), True),
    "mixed modes": (mixed_modes, IMAGES, True),
    "other dimensions": (other_dimensions, (5, 2, 6), False),
    "re-parametrised": (reparametrised, IMAGES, False),
    "tied": (TiedWeights, (5, 5), False),
    "tokens": (lambda: Tokens(False), (6, 4, 5), False),
    "copied": (Copied, (6, 4, 5), True),
    "copied for others": (lambda: Copied(other=True), (6, 4, 5), False),
    "copied twice": (lambda: Copied(twice=True), (6, 4, 5), False),
    "samples second": (lambda: Tokens(True), (4, 4, 5), False),
    "centred": (Centred, (6, 5), False),
    "hardly centred": (lambda: Centred(1e-5), (6, 5), False),
    "flipped": (Flipped, (6, 5), False),
    "two samples": (convolutions, (2, 2, 8, 8), False),
}


def build(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor]:
    builder, shape, _ = NETWORKS[name]
    network = builder().to(dtype)
    x = torch.randn(shape, dtype=dtype)
    network(x)  # lazy layers, and running statistics of some size
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn_like(p))  # no bias is 0, no scale 1
    return network, x
