"""Gradient flow against a retained gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.indicators.az_nas import Expressivity, Progressivity
from models.indicators.gradient_flow import GradientFlow
from models.spaces import NasBench201Space

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def test_is_the_log_norm_of_the_gradient_after_the_stem() -> None:
    space = NasBench201Space()
    network = space.network(space.parse(CELL), channels=2, cells_per_stage=1).double()
    images, labels = torch.randn(6, 3, 8, 8, dtype=torch.float64), torch.arange(6)
    f = network.stem(images)
    f.retain_grad()
    functional.cross_entropy(network.head(network.stages(f)), labels).backward()
    assert f.grad is not None
    score = GradientFlow().score(network, images, labels)
    assert score == pytest.approx(f.grad.norm().log().item(), rel=1e-9)


def test_names_what_is_missing() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    images, labels = torch.randn(2, 4), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="no Sequential or ModuleList named 'stages' or 'cells"):
        GradientFlow().score(network, images, labels)
    with pytest.raises(ValueError, match="named 'body'"):
        GradientFlow("body").score(network, images, labels)


def test_blocks_that_begin_in_place_change_no_feature() -> None:
    class Network(nn.Module):
        def __init__(self, inplace: bool) -> None:
            super().__init__()
            self.stages = nn.Sequential(
                nn.Sequential(nn.ReLU(inplace), nn.Conv2d(3, 3, 1)),
                nn.Sequential(nn.ReLU(inplace), nn.Conv2d(3, 3, 1)),
            )
            self.stem = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.stages(self.stem(x)).mean((2, 3))

    network, twin = Network(inplace=True).double(), Network(inplace=False).double()
    twin.load_state_dict(network.state_dict())
    images, labels = torch.randn(6, 3, 4, 4, dtype=torch.float64), torch.tensor([0, 1, 2] * 2)
    for indicator in (GradientFlow(), Expressivity(), Progressivity()):
        expected = indicator.score(twin, images, labels)
        assert indicator.score(network, images, labels) == pytest.approx(expected, rel=1e-12)
