"""Parts shared by DARTS's supernet and its final networks (Liu et al. 2019)."""

from torch import nn

from models.networks.operations import factorized_reduce, relu_conv_bn


def reduction_cells(cells: int) -> frozenset[int]:
    """Indices of the reduction cells: at a third and two thirds of the depth.

    The first cell is always a normal one, so that two cells are one of each kind.
    """
    return frozenset({max(1, cells // 3), max(2, 2 * cells // 3)})


def preprocess(
    before_last: int, last: int, channels: int, after_reduction: bool
) -> tuple[nn.Sequential, nn.Sequential]:
    """Build the modules that bring a cell's two inputs to `channels` maps of one size.

    Args:
        before_last: maps of the cell before the last.
        last: maps of the last cell.
        channels: maps of this cell's nodes.
        after_reduction: the last cell halved the size, so the one before it is halved here.
    """
    first = (
        factorized_reduce(before_last, channels)
        if after_reduction
        else relu_conv_bn(before_last, channels, 1)
    )
    return first, relu_conv_bn(last, channels, 1)
