"""Networks against the definitions of their papers, written down plainly, in float64.

Only weights are taken over, in the order in which they act.
"""

from collections.abc import Callable, Iterator
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.darts import DartsNetworkCifar, DartsNetworkImageNet
from models.networks.nasbench101 import NasBench101Network
from models.networks.transnas import TransNasNetwork
from models.spaces import DartsSpace, NasBench101Space, NdsSpace, TransNasMicroSpace
from models.spaces.nds import Name
from models.topology import DartsCell, NasBench101Cell, NasBench201Cell, NdsCell

Layers = Iterator[nn.Module]


def convolve(layers: Layers, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """By the next convolution's weight alone; padded to keep the size at stride 1."""
    weight = next(layers).get_parameter("weight")
    groups = x.shape[1] // weight.shape[1]
    padding = tuple(dilation * (size - 1) // 2 for size in weight.shape[2:])
    return F.conv2d(x, weight, None, stride, padding, dilation, groups)


def normalise(layers: Layers, x: Tensor) -> Tensor:
    layer = next(layers)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), False, keepdim=True)
    scale, shift = (layer.get_parameter(name)[:, None, None] for name in ("weight", "bias"))
    return scale * (x - mean) / (variance + 1e-5).sqrt() + shift


def relu_conv_bn(layers: Layers, x: Tensor, stride: int = 1) -> Tensor:
    return normalise(layers, convolve(layers, x.relu(), stride))


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


def thin(layers: Layers, x: Tensor, stride: int) -> Tensor:
    """Along rows, then along columns: the product is one square kernel."""
    rows, columns = (next(layers).get_parameter("weight") for _ in range(2))
    kernel = torch.einsum("omi,mcj->ocij", columns[..., 0], rows[:, :, 0])
    return normalise(
        layers, F.conv2d(x.relu(), kernel, stride=stride, padding=kernel.shape[2] // 2)
    )


OPERATIONS: dict[str, Callable[[Layers, Tensor, int], Tensor]] = {
    "none": lambda _, x, stride: torch.zeros_like(x[..., ::stride, ::stride]),
    "conv_1x1": relu_conv_bn,
    "conv_3x3": relu_conv_bn,
    "conv_3x1_1x3": thin,
    "conv_7x1_1x7": thin,
    "max_pool_5x5": lambda _, x, stride: F.max_pool2d(x, 5, stride, 2),
    "max_pool_7x7": lambda _, x, stride: F.max_pool2d(x, 7, stride, 3),
    "sep_conv_7x7": lambda layers, x, stride: separable(layers, separable(layers, x, stride), 1),
    "dil_sep_conv_3x3": lambda layers, x, stride: separable(
        layers, separable(layers, x, stride, 2), 1, 2
    ),
    "max_pool_3x3": lambda _, x, stride: F.max_pool2d(x, 3, stride, 1),
    "avg_pool_3x3": lambda _, x, stride: average(x, stride),
    "skip_connect": lambda layers, x, stride: x if stride == 1 else halve(layers, x),
    "sep_conv_3x3": lambda layers, x, stride: separable(layers, separable(layers, x, stride), 1),
    "sep_conv_5x5": lambda layers, x, stride: separable(layers, separable(layers, x, stride), 1),
    "dil_conv_3x3": lambda layers, x, stride: separable(layers, x, stride, 2),
    "dil_conv_5x5": lambda layers, x, stride: separable(layers, x, stride, 2),
}


def cell(
    layers: Layers, wiring: DartsCell | NdsCell, reduction: bool, a: Tensor, b: Tensor
) -> Tensor:
    first = halve(layers, a) if a.shape[2] != b.shape[2] else relu_conv_bn(layers, a)
    nodes = [first, relu_conv_bn(layers, b)]
    for i in range(0, len(wiring.edges), 2):
        pair = [
            OPERATIONS[name](layers, nodes[source], 2 if reduction and source < 2 else 1)
            for name, source in wiring.edges[i : i + 2]
        ]
        nodes.append(pair[0] + pair[1])
    return torch.cat([nodes[node] for node in wiring.concat], 1)


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
    return readout(network, b)


def readout(network: nn.Module, x: Tensor) -> Tensor:
    linear = network.get_submodule("head")[-1]
    return x.mean((2, 3)) @ linear.weight.T + linear.bias


def random(network: nn.Module) -> nn.Module:
    """Take random weights, shifts and scales too, in float64."""
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    return network.double().train()


def check(network: nn.Module, expected: Callable[[Tensor], Tensor], size: int) -> None:
    x = torch.randn(3, 3, size, size, dtype=torch.float64)
    found = network(x)
    assert found.std(0).min() > 1e-3  # says something of the images
    torch.testing.assert_close(found, expected(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "cells", "size"), [(DartsNetworkCifar, 7, 16), (DartsNetworkImageNet, 6, 64)]
)
def test_darts(kind: type[nn.Module], cells: int, size: int, seed: int) -> None:
    genotype = DartsSpace().random_architecture(torch.Generator().manual_seed(seed))
    network = random(kind(genotype.normal, genotype.reduce, 4, cells, 7))
    check(network, lambda x: reference(network, genotype, x), size)


@pytest.mark.parametrize("name", get_args(Name))
def test_nds(name: Name) -> None:
    space = NdsSpace(name)
    genotype = space.random_architecture(torch.Generator().manual_seed(0))
    if name == "nasnet":  # whose published cell concatenates an input
        genotype = genotype._replace(normal=NdsCell.of(genotype.normal.edges, True, (0,)))
    network = random(space.network(genotype, 7, channels=4, cells=4))
    check(network, lambda x: reference(network, genotype, x), 16)


def module(layers: Layers, one: NasBench101Cell, channels: int, x: Tensor) -> Tensor:
    """A module of NAS-Bench-101, whose blocks are convolution, normalisation, ReLU."""
    last = len(one.matrix) - 1
    leads = {v: [t for t in range(last + 1) if one.matrix[v][t]] for v in range(last)}
    sharing = [v for v in range(1, last) if last in leads[v]]
    maps: dict[int, int] = {}
    for v in reversed(range(1, last)):
        more = sharing.index(v) < channels % len(sharing) if v in sharing else False
        shared = channels // len(sharing) + more if v in sharing else 0
        maps[v] = shared or max(maps[t] for t in leads[v])

    def block(x: Tensor) -> Tensor:
        return normalise(layers, convolve(layers, x)).relu()

    # The modules list all operations before the projections of the input.
    blocks = [(next(layers), next(layers)) for v in one.operations if v != "maxpool3x3"]
    values: dict[int, Tensor] = {}
    projected = {v: block(x) for v in leads[0]}
    for v, operation in enumerate(one.operations, 1):
        terms = [values[s][:, : maps[v]] for s in range(1, v) if v in leads[s]]
        into = sum([*terms, *([projected[v]] if v in projected else [])], torch.zeros(()))
        if operation == "maxpool3x3":
            values[v] = F.max_pool2d(into, 3, 1, 1)
        else:
            own = iter(blocks.pop(0))
            values[v] = normalise(own, convolve(own, into)).relu()
    if not sharing:
        return projected[last]
    out = torch.cat([values[v] for v in sharing], 1)
    return out + projected[last] if last in projected else out


@pytest.mark.parametrize("seed", range(4))
def test_nasbench101(seed: int) -> None:
    one = NasBench101Space().random_architecture(torch.Generator().manual_seed(seed))
    network = random(NasBench101Network(one, 8, 2, 7))

    def expected(x: Tensor) -> Tensor:
        layers = weighted(network)
        x = normalise(layers, convolve(layers, x)).relu()
        for stack in range(3):
            if stack:
                x = F.max_pool2d(x, 2)
            for _ in range(2):
                x = module(layers, one, 8 * 2**stack, x)
        return readout(network, x)

    check(network, expected, 16)


@pytest.mark.parametrize("seed", range(4))
def test_transnas_micro(seed: int) -> None:
    one = TransNasMicroSpace().random_architecture(torch.Generator().manual_seed(seed))
    network = random(TransNasNetwork(one, 4, 2, 7))

    def expected(x: Tensor) -> Tensor:
        layers, maps = weighted(network), 4
        x = relu_conv_bn(layers, normalise(layers, convolve(layers, x, 2)), 2)
        for i in range(10):
            first = i in (0, 4, 8)
            maps *= 1 + first
            nodes = {0: x}
            for (source, target), name in zip(NasBench201Cell.EDGES, one.operations, strict=True):
                strided, x = first and source == 0, nodes[source]
                if name == "none":
                    size = [-(-n // (1 + strided)) for n in x.shape[2:]]
                    value = torch.zeros(len(x), maps, *size, dtype=x.dtype)
                elif name == "skip_connect":
                    value = halve(layers, x) if strided else x
                else:
                    value = relu_conv_bn(layers, x, 1 + strided)
                nodes[target] = nodes[target] + value if target in nodes else value
            x = nodes[3]
        return readout(network, x)

    check(network, expected, 32)
