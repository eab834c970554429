"""What every indicator promises, on the networks and supernets of both spaces."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from models.indicators.az_nas import Expressivity, Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.gradient_flow import GradientFlow
from models.indicators.grasp import Grasp
from models.indicators.jacobian_covariance import JacobianCovariance
from models.indicators.meco import MeCo
from models.indicators.naswot import ActivationOverlap
from models.indicators.near import Near
from models.indicators.size import Flops, Layers, Parameters
from models.indicators.snip import Snip
from models.indicators.swap import Swap
from models.indicators.synflow import SynFlow
from models.indicators.vkdnw import VKDNW
from models.indicators.zico import ZiCo
from models.spaces import DartsSpace, NasBench201Space

INDICATORS = [
    Snip(),
    Grasp(),
    JacobianCovariance(),
    ZiCo(),
    SynFlow(),
    GradientFlow(),
    Expressivity(),
    Progressivity(),
    Trainability(),
    VKDNW(),
    Parameters(),
    Layers(),
    Flops(),
    NTKConditionNumber(),
    ActivationOverlap(),
    Near(),
    MeCo(),
    Swap(),
]
SIZES = {"parameters", "layers", "flops"}
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"
REFUSED = r"no trainable|blocks|constant|no nn.ReLU|no feature maps"
NO_PATH = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"


def _nasbench201(cell: str = CELL) -> nn.Module:
    space = NasBench201Space()
    return space.network(space.parse(cell), channels=2, cells_per_stage=1)


def _nasbench201_supernet() -> nn.Module:
    space = NasBench201Space()
    mask = space.full_mask()
    mask[0, 0, 3] = mask[0, 2, 1] = False
    return space.supernet(mask=mask, channels=2)


def _darts() -> nn.Module:
    space = DartsSpace()
    genotype = space.random_architecture(torch.Generator().manual_seed(0))
    return space.network(genotype, channels=2, cells=3)


def _darts_supernet() -> nn.Module:
    space = DartsSpace()
    genotype = space.random_architecture(torch.Generator().manual_seed(0))
    mask = space.mask_of(genotype)
    mask[:, 0, 1:4] = mask[:, 2, 4:] = mask[:, 5, 1] = mask[:, 9, 2] = True
    return space.supernet(mask=mask, channels=2)


def _batch(size: int) -> tuple[Tensor, Tensor]:
    return torch.randn(8, 3, size, size), torch.arange(8)


@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda i: i.name)
@pytest.mark.parametrize("build", [_nasbench201, _nasbench201_supernet, _darts, _darts_supernet])
def test_scores_and_leaves_the_network_as_found(
    build: Callable[[], nn.Module], indicator: Indicator
) -> None:
    network = build()
    images, labels = _batch(8)
    next(network.parameters()).grad = torch.ones_like(next(network.parameters()))
    before = copy.deepcopy(network)
    next(before.parameters()).grad = torch.ones_like(next(before.parameters()))
    image_copy, state = images.clone(), torch.get_rng_state()

    score = indicator.score(network, images, labels)

    assert isinstance(score, float)
    assert score == score
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, image_copy)
    assert not images.requires_grad
    for (name, old), new in zip(
        before.state_dict().items(), network.state_dict().values(), strict=True
    ):
        assert torch.equal(old, new), name
    for (name, old_p), new_p in zip(before.named_parameters(), network.parameters(), strict=True):
        assert (old_p.grad is None) == (new_p.grad is None), name
        assert old_p.grad is None or torch.equal(old_p.grad, new_p.grad), name
    for module in network.modules():
        assert module.training
        assert "forward" not in vars(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert indicator.score(network, images, labels) == score


@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda i: i.name)
def test_labels_matter_where_they_are_said_to(indicator: Indicator) -> None:
    network = _nasbench201()
    images, labels = _batch(8)
    same = indicator.score(network, images, labels) == indicator.score(network, images, 9 - labels)
    assert same is not indicator.needs_labels


@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda i: i.name)
def test_a_cell_without_a_path_is_a_failure_or_the_worst(indicator: Indicator) -> None:
    images, labels = _batch(8)
    good = indicator.score(_nasbench201(), images, labels)
    try:
        score = indicator.score(_nasbench201(NO_PATH), images, labels)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        if indicator.name not in SIZES:
            assert (score < good) is indicator.higher_is_better


@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda i: i.name)
def test_a_network_that_overflows_is_a_failure_or_the_worst(indicator: Indicator) -> None:
    network = _nasbench201()
    for p in network.parameters():
        nn.init.constant_(p, float("nan"))
    if indicator.name in SIZES:
        return
    if indicator.name == "activation_overlap":
        assert indicator.score(network, *_batch(8)) == -math.inf
        return
    if indicator.name == "swap":
        assert indicator.score(network, *_batch(8)) == 1
        return
    with pytest.raises(FloatingPointError):
        indicator.score(network, *_batch(8))


@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda i: i.name)
def test_refuses_a_batch_or_a_network_that_is_none(indicator: Indicator) -> None:
    network = _nasbench201()
    images, labels = _batch(8)
    with pytest.raises(ValueError, match="floating-point"):
        indicator.score(network, images.long(), labels)
    with pytest.raises(ValueError, match="at least"):
        indicator.score(network, images[:1], labels[:1])
    with pytest.raises(ValueError, match=REFUSED):
        indicator.score(nn.Flatten(), images, labels)
    if indicator.needs_labels:
        with pytest.raises(ValueError, match="labels must be int64"):
            indicator.score(network, images, labels[:4])
        with pytest.raises(ValueError, match="labels must lie in"):
            indicator.score(network, images, labels + 5)


def test_names_differ_and_directions_are_set() -> None:
    names = [indicator.name for indicator in INDICATORS]
    assert len(set(names)) == len(names)
    assert [i.name for i in INDICATORS if not i.higher_is_better] == ["ntk_condition_number"]
