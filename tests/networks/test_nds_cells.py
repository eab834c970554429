"""Cells of the NDS family as modules, against their definition in float64."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.darts import DartsCellModule
from models.networks.operations import build_operation
from models.topology import NdsCell


def _normalised(x: Tensor) -> Tensor:
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), False, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def test_a_pair_of_thin_convolutions() -> None:
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    for name, length in (("conv_3x1_1x3", 3), ("conv_7x1_1x7", 7)):
        operation = build_operation(name, 3, stride=2).double()
        rows, columns = operation[1].weight, operation[2].weight
        half = length // 2
        padded = F.pad(x.relu(), (half, half, half, half))
        # the product of the two is one kernel of length×length, at every other pixel
        kernel = torch.einsum("omi,mcj->ocij", columns[..., 0], rows[:, :, 0])
        expected = _normalised(F.conv2d(padded, kernel, stride=2))
        torch.testing.assert_close(operation(x), expected)


def test_an_output_of_loose_ends() -> None:
    cell = NdsCell.of(
        [
            ("skip_connect", 1),
            ("max_pool_3x3", 1),
            ("max_pool_5x5", 0),
            ("skip_connect", 2),
            ("max_pool_7x7", 0),
            ("skip_connect", 0),
        ],
        loose_ends=True,
    )
    assert cell.concat == (3, 4)
    module = DartsCellModule(cell, 2, 3, 4, False, False, nn.Identity()).double()
    inputs = [torch.randn(2, c, 6, 6, dtype=torch.float64) for c in (2, 3)]
    a, b = module.preprocess0(inputs[0]), module.preprocess1(inputs[1])
    node2 = b + F.max_pool2d(b, 3, 1, 1)
    node3 = F.max_pool2d(a, 5, 1, 2) + node2
    node4 = F.max_pool2d(a, 7, 1, 3) + a
    torch.testing.assert_close(module(*inputs), torch.cat([node3, node4], 1))
