"""Extremes of depth and width against every cell of a space."""

import itertools
from fractions import Fraction

import torch

from models.spaces import DartsSpace, NasBench201Space, SupernetSpace
from models.topology import DartsCell, effective_depth_width


def test_extremes_of_nasbench201_against_every_cell():
    found = [effective_depth_width(cell) for cell in NasBench201Space().architectures()]
    depths = [one.depth for one in found if one.depth > 0]
    widths = [one.width for one in found if one.depth > 0]
    depth, width = NasBench201Space().extremes()
    assert tuple(map(float, depth)) == (min(depths), max(depths))
    assert tuple(map(float, width)) == (min(widths), max(widths))
    assert depth == (Fraction(1, 4), 3)
    assert width == (Fraction(1, 3), 4)


def darts_cell(inputs, values):
    """A cell by the two inputs of each node, and 1 where an edge has an operation of depth 1."""
    names = ["sep_conv_3x3" if value else "max_pool_3x3" for value in values]
    return DartsCell(tuple(zip(names, itertools.chain(*inputs), strict=True)))


def test_extremes_of_darts_bound_every_cell_and_are_reached():
    space = DartsSpace()
    depth, width = SupernetSpace.extremes(space)  # by Definition 4.1, not the paper's
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        for graph in space.topologies(space.random_architecture(generator)).values():
            found = effective_depth_width(graph)
            if found.depth > 0:
                assert depth[0] <= found.depth <= depth[1]
                assert width[0] <= found.width <= width[1]
    chain = ((0, 1), (0, 2), (2, 3), (3, 4))
    shallow = darts_cell(((0, 1), (0, 2), (2, 3), (0, 4)), (0, 0, 0, 0, 0, 0, 1, 0))
    narrow = darts_cell(((0, 1), (0, 1), (0, 2), (0, 4)), (1, 1, 0, 0, 1, 1, 0, 1))
    assert effective_depth_width(shallow).depth == depth[0]
    assert effective_depth_width(darts_cell(chain, [1] * 8)).depth == float(depth[1])
    assert effective_depth_width(narrow).width == float(width[0])
    assert effective_depth_width(darts_cell(chain, [0] * 7 + [1])).width == width[1]
