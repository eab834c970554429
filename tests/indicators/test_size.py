"""Parameters, layers and FLOPs counted by hand."""

import torch
from torch import nn

from models.indicators.size import Flops, Layers, Parameters
from models.spaces import NasBench201Space

SIZES = (Parameters(), Layers(), Flops())
POOLS = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"


def test_counts_of_a_small_network() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 25, 10)
    )
    images, labels = torch.randn(5, 3, 5, 5), torch.zeros(5)
    assert [i.score(network, images, labels) for i in SIZES] == [
        (3 * 9 * 4 + 4) + 8 + (1000 + 10),
        2,
        2 * 25 * 4 * 27 + 2 * 1000,
    ]


def test_operations_on_no_path_do_not_count() -> None:
    space, images, labels = NasBench201Space(), torch.randn(2, 3, 8, 8), torch.zeros(2)
    path = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
    dead = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|none~0|skip_connect~1|none~2|"
    scores = [
        [size.score(space.network(space.parse(text), channels=2), images, labels) for size in SIZES]
        for text in (path, dead)
    ]
    assert scores[0] == scores[1]


def test_a_supernet_counts_what_its_mask_keeps() -> None:
    space = NasBench201Space()
    cell = space.parse(POOLS)
    images, labels = torch.randn(4, 3, 8, 8), torch.zeros(4)
    masked = space.supernet(mask=space.mask_of(cell), channels=2)
    plain = space.network(cell, channels=2, cells_per_stage=1)
    for size in SIZES:
        assert size.score(masked, images, labels) == size.score(plain, images, labels)
        assert size.score(space.supernet(channels=2), images, labels) > size.score(
            masked, images, labels
        )
