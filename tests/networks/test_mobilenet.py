"""Chains of inverted residuals against torchvision's MobileNetV2."""

from itertools import pairwise

import pytest
import torch
from torchvision.models import mobilenet_v2

from models.networks import MobileNet, MobileStage
from models.spaces import MobileNetSpace

STAGES = MobileNetSpace.mobilenet_v2.stages
TINY = [MobileStage(3, 1, 8, 1, False)] * 7


def test_mobilenet_v2_is_torchvisions() -> None:
    theirs, ours = mobilenet_v2().eval(), MobileNet(STAGES, 1000, 3, reduction=32).eval()
    assert sum(p.numel() for p in ours.parameters()) == 3_504_872
    for (name, own), (other, given) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert own.shape == given.shape, f"{name} is not {other}"
        if own.is_floating_point() and own.ndim > 1:  # drawn alike
            assert float(own.std()) == pytest.approx(float(given.std()), rel=0.35), name
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("reduction", "sizes"),
    [
        (1, [32] * 8),
        (2, [32, 32, 32, 32, 32, 32, 16, 16]),
        (4, [32, 32, 32, 32, 16, 16, 8, 8]),
        (8, [32, 32, 32, 16, 8, 8, 4, 4]),
        (16, [32, 32, 16, 8, 4, 4, 2, 2]),
        (32, [16, 16, 8, 4, 2, 2, 1, 1]),
    ],
)
def test_maps_shrink_as_asked(reduction: int, sizes: list[int]) -> None:
    network = MobileNet(TINY, reduction=reduction)
    found = [network.stem(torch.randn(2, 3, 32, 32))]
    for block in network.blocks:
        found.append(block(found[-1]))
    assert [len(x[0, 0]) for x in found] == sizes


def test_blocks_are_as_the_stage_says() -> None:
    stages = [*TINY[:6], MobileStage(7, 6, 24, 3, True)]
    network = MobileNet(stages)
    first, *others = network.blocks[6:]
    assert [block.residual for block in (first, *others)] == [False, True, True]
    for block, channels in ((first, 8), *((other, 24) for other in others)):
        expand, depthwise, squeeze, project = block.layers
        assert expand[0].weight.shape == (6 * channels, channels, 1, 1)
        assert depthwise[0].weight.shape == (6 * channels, 1, 7, 7)
        assert squeeze.fc1.weight.shape == (channels // 4, 6 * channels, 1, 1)
        assert project[0].weight.shape == (24, 6 * channels, 1, 1)
        assert len(project) == 2  # no activation
    x = torch.randn(2, 24, 4, 4)
    block = others[0].eval()
    torch.testing.assert_close(block(x), x + block.layers(x))


def test_deeper_stages_are_residual_and_count() -> None:
    depths = [MobileNet([MobileStage(3, 6, 8, n, False)] * 7).depth_width()[0] for n in range(1, 5)]
    assert [b - a for a, b in pairwise(depths)] == [7.0] * 3


def test_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match=r"reduction: expected one of \(1, 2, 4, 8, 16, 32\), g"):
        MobileNet(STAGES, reduction=64)
    with pytest.raises(ValueError, match="stages: expected 7, got 6"):
        MobileNet(STAGES[:6])
