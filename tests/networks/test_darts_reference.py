"""The networks of genotypes against their definition, written down plainly, in float64."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.darts import DartsNetworkCifar, DartsNetworkImageNet
from models.spaces import DartsSpace
from models.topology import DartsCell

Layers = Iterator[nn.Module]


def convolve(layers: Layers, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """By the next convolution's weight alone; padded to keep the size at stride 1."""
    weight = next(layers).get_parameter("weight")
    groups = x.shape[1] // weight.shape[1]
    padding = dilation * (weight.shape[2] - 1) // 2
    return F.conv2d(x, weight, None, stride, padding, dilation, groups)


def normalise(layers: Layers, x: Tensor) -> Tensor:
    layer = next(layers)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), False, keepdim=True)
    scale, shift = (layer.get_parameter(name)[:, None, None] for name in ("weight", "bias"))
    return scale * (x - mean) / (variance + 1e-5).sqrt() + shift


def relu_conv_bn(layers: Layers, x: Tensor) -> Tensor:
    return normalise(layers, convolve(layers, x.relu()))


def halve(layers: Layers, x: Tensor) -> Tensor:
    """Two 1×1 convolutions of every other pixel, the second of the odd ones."""
    x = x.relu()
    maps = [convolve(layers, x[..., i::2, i::2]) for i in (0, 1)]
    return normalise(layers, torch.cat(maps, 1))


def separable(layers: Layers, x: Tensor, stride: int, dilation: int = 1) -> Tensor:
    x = convolve(layers, x.relu(), stride, dilation)
    return normalise(layers, convolve(layers, x))


def average(x: Tensor, stride: int) -> Tensor:
    """Of the pixels of a 3×3 window that are in the image."""
    share = F.avg_pool2d(torch.ones_like(x), 3, stride, 1)
    return F.avg_pool2d(x, 3, stride, 1) / share


OPERATIONS: dict[str, Callable[[Layers, Tensor, int], Tensor]] = {
    "max_pool_3x3": lambda _, x, stride: F.max_pool2d(x, 3, stride, 1),
    "avg_pool_3x3": lambda _, x, stride: average(x, stride),
    "skip_connect": lambda layers, x, stride: x if stride == 1 else halve(layers, x),
    "sep_conv_3x3": lambda layers, x, stride: separable(layers, separable(layers, x, stride), 1),
    "sep_conv_5x5": lambda layers, x, stride: separable(layers, separable(layers, x, stride), 1),
    "dil_conv_3x3": lambda layers, x, stride: separable(layers, x, stride, 2),
    "dil_conv_5x5": lambda layers, x, stride: separable(layers, x, stride, 2),
}


def cell(layers: Layers, wiring: DartsCell, reduction: bool, a: Tensor, b: Tensor) -> Tensor:
    first = halve(layers, a) if a.shape[2] != b.shape[2] else relu_conv_bn(layers, a)
    nodes = [first, relu_conv_bn(layers, b)]
    for i in range(0, 8, 2):
        pair = [
            OPERATIONS[name](layers, nodes[source], 2 if reduction and source < 2 else 1)
            for name, source in wiring.edges[i : i + 2]
        ]
        nodes.append(pair[0] + pair[1])
    return torch.cat(nodes[2:], 1)


def weighted(module: nn.Module) -> Layers:
    """Layers with weights, in the order in which they act."""
    return (m for m in module.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d)))


def reference(network: nn.Module, genotype: object, x: Tensor) -> Tensor:
    if isinstance(network, DartsNetworkCifar):
        layers = weighted(network.stem)
        a = b = normalise(layers, convolve(layers, x))
    else:
        layers = weighted(network.stem0)
        a = normalise(layers, convolve(layers, x, 2)).relu()
        a = normalise(layers, convolve(layers, a, 2))
        layers = weighted(network.stem1)
        b = normalise(layers, convolve(layers, a.relu(), 2))
    count = len(network.cells)
    for i, module in enumerate(network.cells):
        reduction = i in (count // 3, 2 * count // 3)
        wiring = genotype.reduce if reduction else genotype.normal
        a, b = b, cell(weighted(module), wiring, reduction, a, b)
    linear = network.head[-1]
    return b.mean((2, 3)) @ linear.weight.T + linear.bias


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "cells", "size"), [(DartsNetworkCifar, 7, 16), (DartsNetworkImageNet, 6, 64)]
)
def test_networks_are_as_defined(kind: type[nn.Module], cells: int, size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    genotype = DartsSpace().random_architecture(generator)
    network = kind(genotype.normal, genotype.reduce, 4, cells, 7).double().train()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(3, 3, size, size, dtype=torch.float64)
    torch.testing.assert_close(network(x), reference(network, genotype, x))
