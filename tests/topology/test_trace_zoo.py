"""Graphs of torchvision's models, against path depths worked out from their blocks by hand."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import networkx as nx
import pytest
import torch
from torch import nn
from torchvision import models as zoo
from torchvision.models.densenet import _DenseBlock, _Transition
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck

from models.topology import effective_depth_width
from models.topology.trace import trace


def in_series(parts: Iterable[Counter[int]]) -> Counter[int]:
    """Paths by depth of parts that follow one another."""
    total = Counter({0: 1})
    for part in parts:
        longer: Counter[int] = Counter()
        for a, m in total.items():
            for b, n in part.items():
                longer[a + b] += m * n
        total = longer
    return total


def check(graph: "nx.MultiDiGraph[int]", by_hand: Counter[int]) -> None:
    paths = by_hand.total()
    depth = Fraction(sum(d * n for d, n in by_hand.items()), paths)
    result = effective_depth_width(graph)
    assert result.depth == float(depth)
    assert result.width == float((paths - by_hand[0]) / depth)


def resnet_by_hand(network: nn.Module) -> Counter[int]:
    parts = [Counter({1: 1})]
    for block in network.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            branch = 2 if isinstance(block, BasicBlock) else 3
            parts.append(Counter([branch, int(block.downsample is not None)]))
    parts.append(Counter({1: 1}))
    return in_series(parts)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet(name: str) -> None:
    network = zoo.get_model(name)
    check(trace(network.eval(), torch.zeros(1, 3, 32, 32)), resnet_by_hand(network))


def densenet_by_hand(network: Any) -> Counter[int]:
    parts = [Counter({1: 1})]
    for stage in network.features:
        if isinstance(stage, _DenseBlock):
            features = Counter({0: 1})
            for _ in stage.values():
                features = features + in_series([features, Counter({2: 1})])
            parts.append(features)
        elif isinstance(stage, _Transition):
            parts.append(Counter({1: 1}))
    parts.append(Counter({1: 1}))
    return in_series(parts)


def test_densenet() -> None:
    network = zoo.DenseNet(8, (3, 2), 16)
    by_hand = densenet_by_hand(network)
    check(trace(network.eval(), torch.zeros(1, 3, 32, 32)), by_hand)


def test_densenet201_has_2_to_the_98_paths() -> None:
    assert densenet_by_hand(zoo.densenet201()).total() == 2 ** (6 + 12 + 48 + 32)


def test_vit() -> None:
    network = zoo.VisionTransformer(32, 16, 2, 2, 8, 16, num_classes=5).eval()
    block = [Counter({0: 1, 2: 3}), Counter({0: 1, 2: 1})]
    by_hand = in_series([Counter({1: 1}), *block, *block, Counter({1: 1})])
    check(trace(network, torch.zeros(1, 3, 32, 32)), by_hand)


def test_mobilenet_counts_a_separable_pair_as_two() -> None:
    network = zoo.mobilenet_v2().eval()
    parts = [Counter({1: 1})]
    for block in network.features:
        if isinstance(block, InvertedResidual):
            convolutions = sum(isinstance(layer, nn.Conv2d) for layer in block.modules())
            parts.append(Counter({convolutions: 1} | ({0: 1} if block.use_res_connect else {})))
    parts += [Counter({1: 1}), Counter({1: 1})]
    check(trace(network, torch.zeros(1, 3, 32, 32)), in_series(parts))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "packed"),
    [("efficientnet_b0", 0), ("shufflenet_v2_x1_0", 0), ("swin_t", 0), ("vit_b_16", 12)],
)
def test_every_layer_of_the_zoo_is_one_operation(name: str, packed: int) -> None:
    """`packed`: projections that are no module of their own."""
    network = zoo.get_model(name).train()
    graph = trace(network, torch.zeros(2, 3, 224, 224))
    layers = [name for name, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    operations = [
        label for *_, data in graph.edges(data=True) if (label := data["label"]) != "skip"
    ]
    assert len(operations) == len(layers) + packed
    assert set(layers) <= set(operations)
