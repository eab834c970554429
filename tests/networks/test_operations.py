"""Every operation: shapes, parameters, and what it does to its input."""

import pytest
import torch
from torch import nn

from models.networks.operations import (
    OPERATIONS,
    ShiftedConvPair,
    build_operation,
    factorized_reduce,
)
from models.topology import DartsCell, NasBench201Cell, NdsCell

C = 4
PARAMETERS = {
    "none": 0,
    "skip_connect": 0,
    "nor_conv_1x1": C * C + 2 * C,
    "nor_conv_3x3": 9 * C * C + 2 * C,
    "conv_1x1": C * C + 2 * C,
    "conv_3x3": 9 * C * C + 2 * C,
    "conv_3x1_1x3": 2 * 3 * C * C + 2 * C,
    "conv_7x1_1x7": 2 * 7 * C * C + 2 * C,
    "sep_conv_3x3": 2 * (9 * C + C * C + 2 * C),
    "sep_conv_5x5": 2 * (25 * C + C * C + 2 * C),
    "sep_conv_7x7": 2 * (49 * C + C * C + 2 * C),
    "dil_sep_conv_3x3": 2 * (9 * C + C * C + 2 * C),
    "dil_conv_3x3": 9 * C + C * C + 2 * C,
    "dil_conv_5x5": 25 * C + C * C + 2 * C,
    "avg_pool_3x3": 0,
    "max_pool_3x3": 0,
    "max_pool_5x5": 0,
    "max_pool_7x7": 0,
}


def test_all_spaces_have_their_operations() -> None:
    of_nds = NdsCell.PARAMETERISED | NdsCell.PARAMETER_FREE
    assert {*NasBench201Cell.OPERATIONS, *DartsCell.OPERATIONS, *of_nds} == set(OPERATIONS)
    for name in of_nds:
        operation = build_operation(name, C)
        assert any(True for _ in operation.parameters()) == (name in NdsCell.PARAMETERISED)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", [8, 5, 3, 1])
def test_shape_and_parameters(name: str, size: int) -> None:
    x = torch.randn(3, C, size, size)
    kept = x.clone()
    operation = build_operation(name, C)
    assert operation(x).shape == x.shape
    assert sum(p.numel() for p in operation.parameters()) == PARAMETERS[name]
    halved = build_operation(name, C, stride=2)
    assert halved(x).shape == (3, C, (size + 1) // 2, (size + 1) // 2)
    assert torch.equal(x, kept), "an operation must not write to the input it shares"


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_parameters_follow_a_relu(name: str, stride: int) -> None:
    operation = build_operation(name, C, stride)
    if any(True for _ in operation.parameters()):
        assert isinstance(operation, nn.Sequential)
        assert isinstance(operation[0], nn.ReLU)


def test_unknown_operation() -> None:
    with pytest.raises(ValueError, match=r"unknown 'conv_7x7'.*skip_connect"):
        build_operation("conv_7x7", C)


def test_average_pooling_leaves_padding_out() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(build_operation("avg_pool_3x3", 1)(ones), ones)


def test_none_keeps_gradients_of_zero() -> None:
    x = torch.randn(1, C, 5, 5, requires_grad=True)
    y = build_operation("none", C, 2)(x)
    assert not y.any()
    y.sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize("size", [6, 5])
def test_shifted_pair_samples_even_and_odd_pixels(size: int) -> None:
    pair = ShiftedConvPair(1, 2)
    nn.init.ones_(pair.even.weight)
    nn.init.ones_(pair.odd.weight)
    x = torch.arange(1.0, size * size + 1).reshape(1, 1, size, size)
    y = pair(x)
    half = (size + 1) // 2
    odd = torch.zeros(half, half)
    odd[: size // 2, : size // 2] = x[0, 0, 1::2, 1::2]
    assert torch.equal(y[0, 0], x[0, 0, ::2, ::2])
    assert torch.equal(y[0, 1], odd)


def test_reduction_to_one_map_is_refused() -> None:
    with pytest.raises(ValueError, match="out_channels: a reduction needs at least 2, got 1"):
        factorized_reduce(1, 1)
