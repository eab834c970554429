"""Networks of DARTS genotypes: published sizes, stems, auxiliary heads, drop-path."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.networks.darts import DartsCellModule, DartsNetworkCifar, DartsNetworkImageNet
from models.spaces import DartsGenotype
from models.topology import DartsCell

# The second-order genotype of Liu et al. 2019.
NORMAL = DartsCell.parse(
    [
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ]
)
REDUCE = DartsCell.parse(
    [
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ]
)


def parameters(network: nn.Module) -> int:
    """Trainable parameters, the auxiliary head not counted."""
    return sum(p.numel() for name, p in network.named_parameters() if "auxiliary" not in name)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_published_parameters(auxiliary: bool) -> None:
    with torch.device("meta"):
        cifar = DartsNetworkCifar(NORMAL, REDUCE, auxiliary=auxiliary)
        imagenet = DartsNetworkImageNet(NORMAL, REDUCE, auxiliary=auxiliary)
    assert parameters(cifar) == 3_349_342
    assert parameters(imagenet) == 4_718_752


def test_multiply_adds_on_imagenet() -> None:
    with torch.device("meta"):
        network = DartsNetworkImageNet(NORMAL, REDUCE)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224))
    # Convolutions and readout. The paper says 574 M without saying what it counts.
    assert counter.get_total_flops() == 2 * 529_911_552


# Xu et al. 2020 (PC-DARTS), searched on CIFAR-10 and on ImageNet.
PC_CIFAR = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), "
    "('dil_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), "
    "('dil_conv_3x3', 1)], normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 1), "
    "('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], reduce_concat=range(2, 6))"
)
PC_IMAGENET = (
    "Genotype(normal=[('skip_connect', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 0), "
    "('skip_connect', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), "
    "('dil_conv_5x5', 4)], normal_concat=range(2, 6), reduce=[('sep_conv_3x3', 0), "
    "('skip_connect', 1), ('dil_conv_5x5', 2), ('max_pool_3x3', 1), ('sep_conv_3x3', 2), "
    "('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 3)], reduce_concat=range(2, 6))"
)


@pytest.mark.parametrize(
    ("genotype", "published", "digits"),
    [
        (DartsGenotype(NORMAL, REDUCE), 544.59, 2),
        (DartsGenotype.parse(PC_CIFAR), 586, 0),
        (DartsGenotype.parse(PC_IMAGENET), 597, 0),
    ],
)
def test_multiply_adds_with_normalisation_relu_and_pooling(
    genotype: DartsGenotype, published: float, digits: int
) -> None:
    """Of DARTS as others counted its code by ptflops; of PC-DARTS as the paper says."""
    others = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal others
        if isinstance(module, nn.BatchNorm2d):
            others += 2 * output.numel()
        elif isinstance(module, (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
            others += inputs[0].numel()

    with torch.device("meta"):
        network = DartsNetworkImageNet(genotype.normal, genotype.reduce).eval()
        for module in network.modules():
            module.register_forward_hook(count)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224))
    assert round((counter.get_total_flops() / 2 + others) / 1e6, digits) == published


@pytest.mark.parametrize("reduction", [False, True])
def test_cell_is_the_sum_of_two_operations_per_node(reduction: bool) -> None:
    module = DartsCellModule(NORMAL, 4, 6, 8, reduction, False, nn.Identity()).eval()
    s0, s1 = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 8, 8)
    o = module.operations
    n0, n1 = module.preprocess0(s0), module.preprocess1(s1)
    n2 = o[0](n0) + o[1](n1)
    n3 = o[2](n0) + o[3](n1)
    n4 = o[4](n1) + o[5](n0)
    n5 = o[6](n0) + o[7](n2)
    y = module(s0, s1)
    assert torch.allclose(y, torch.cat([n2, n3, n4, n5], dim=1))
    assert y.shape == ((2, 32, 4, 4) if reduction else (2, 32, 8, 8))


def test_auxiliary_head_on_imagenet() -> None:
    with torch.device("meta"):
        network = DartsNetworkImageNet(NORMAL, REDUCE, 4, 14, num_classes=9, auxiliary=True)
        logits, auxiliary = network.logits_and_auxiliary(torch.empty(2, 3, 224, 224))
    assert logits.shape == auxiliary.shape == (2, 9)


def test_auxiliary_errors() -> None:
    with pytest.raises(ValueError, match="auxiliary: the head needs at least 3 cells, got 2"):
        DartsNetworkCifar(NORMAL, REDUCE, 4, 2, auxiliary=True)
    with pytest.raises(ValueError, match="built without auxiliary head"):
        DartsNetworkCifar(NORMAL, REDUCE, 4, 2).logits_and_auxiliary(torch.randn(2, 3, 32, 32))


def test_drop_path_acts_in_training_alone() -> None:
    network = DartsNetworkCifar(NORMAL, REDUCE, 4, 2, drop_path=0.5)
    x = torch.randn(8, 3, 16, 16)
    assert not torch.equal(network(x), network(x))
    network.drop_path = 0.0
    assert network.drop_path == 0.0
    assert torch.equal(network(x), network(x))
    network.drop_path = 0.9
    network.eval()
    assert torch.equal(network(x), network(x))
    with pytest.raises(ValueError, match=r"drop_path: expected a probability in \[0, 1\), got 1"):
        network.drop_path = 1.0


def test_identities_are_never_dropped() -> None:
    skips = DartsCell.parse([("skip_connect", source) for source in (0, 1) * 4])
    network = DartsNetworkCifar(skips, skips, 4, 1, drop_path=0.9)
    x = torch.randn(8, 3, 8, 8)
    assert torch.equal(network(x), network(x))


def test_small_networks_and_images() -> None:
    for cells in (1, 2, 3, 5):
        network = DartsNetworkCifar(NORMAL, REDUCE, 2, cells, in_channels=1)
        assert network(torch.randn(2, 1, 8, 8)).shape == (2, 10)
