"""NASWOT as an indicator."""

import math

import pytest
import torch

from models.indicators.naswot import ActivationOverlap
from models.spaces import NasBench201Space

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def test_is_the_log_determinant_of_agreeing_signs() -> None:
    space = NasBench201Space()
    network = space.network(space.parse(CELL), channels=2, cells_per_stage=1)
    images, codes = torch.randn(6, 3, 8, 8), []
    hooks = [
        m.register_forward_hook(lambda _, __, y: codes.append((y > 0).flatten(1)))
        for m in network.modules()
        if isinstance(m, torch.nn.ReLU)
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    c = torch.cat(codes, 1)
    K = torch.tensor([[float((c[i] == c[j]).sum()) for j in range(6)] for i in range(6)])
    score = ActivationOverlap().score(network, images, torch.zeros(6))
    assert score == pytest.approx(torch.linalg.slogdet(K.double()).logabsdet.item(), rel=1e-9)


def test_equal_images_sort_last() -> None:
    space = NasBench201Space()
    network = space.network(space.parse(CELL), channels=2, cells_per_stage=1)
    images = torch.randn(1, 3, 8, 8).repeat(4, 1, 1, 1)
    assert ActivationOverlap().score(network, images, torch.zeros(4)) == -math.inf
