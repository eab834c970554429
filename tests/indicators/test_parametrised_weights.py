"""Indicators of weights name a layer whose weight is no parameter."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from models.indicators.base import Indicator
from models.indicators.grasp import Grasp
from models.indicators.snip import Snip
from models.indicators.synflow import SynFlow
from models.indicators.vkdnw import VKDNW
from models.indicators.zico import ZiCo


@pytest.mark.parametrize(
    "parametrise",
    [
        weight_norm,
        spectral_norm,
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    ],
)
@pytest.mark.parametrize("indicator", [SynFlow(), Snip(), Grasp(), ZiCo(), VKDNW()])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_names_the_layer(
    indicator: Indicator, parametrise: Callable[[nn.Module], nn.Module]
) -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), parametrise(nn.Linear(4, 2)))
    with pytest.raises(ValueError, match="layer 2 has a weight that is no parameter"):
        indicator.score(network, torch.randn(4, 4), torch.tensor([0, 1, 0, 1]))
