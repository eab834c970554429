"""What depth and width let through."""

import pytest
import torch

from models.search import DepthWidthFilter
from models.spaces import DartsGenotype, DartsSpace, NasBench201Space, SupernetSpace
from models.topology import effective_depth_width

RELEASED = {"depth": (0.99, 2.51), "width": (0.99, 3.01)}


@pytest.fixture(scope="module")
def nasbench201():
    """(cell, depth and width) of the whole space."""
    return [(cell, effective_depth_width(cell)) for cell in NasBench201Space().architectures()]


def test_the_paper_s_rule():
    depth, width = DepthWidthFilter().ranges(NasBench201Space())
    assert (sum(depth) / 2, sum(width) / 2) == (1.625, pytest.approx(13 / 6))
    assert depth == (1.625 - 1.375 / 2, 1.625 + 1.375 / 2)
    assert width == (1.25, pytest.approx(13 / 6 + 11 / 12))
    depth, width = DepthWidthFilter().ranges(DartsSpace())
    assert depth == (0.8, 2.2)
    assert width == (5.7, 15.3)
    assert DepthWidthFilter(1.0).ranges(DartsSpace()) == ((0.1, 2.9), (0.9, 20.1))
    assert SupernetSpace.extremes(DartsSpace()) != DartsSpace().extremes()


@pytest.mark.parametrize(("arguments", "kept"), [(RELEASED, 8226), ({}, 6256)])
def test_how_much_of_nasbench201_is_kept(nasbench201, arguments, kept):
    space, chosen = NasBench201Space(), DepthWidthFilter(**arguments)
    (least_d, greatest_d), (least_m, greatest_m) = chosen.ranges(space)
    own = [least_d <= d <= greatest_d and least_m <= m <= greatest_m for _, (d, m) in nasbench201]
    assert sum(own) == kept
    for (cell, _), keep in list(zip(nasbench201, own, strict=True))[::50]:
        assert chosen.keeps(space, cell) == keep


def test_ends_are_included():
    space = NasBench201Space()
    cell = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|skip_connect~1|none~2|")
    depth, width = effective_depth_width(cell)
    assert (depth, width) == (1, 2)
    assert DepthWidthFilter(depth=(1, 2), width=(1, 2)).keeps(space, cell)
    assert DepthWidthFilter(depth=(0, 1), width=(2, 3)).keeps(space, cell)
    assert not DepthWidthFilter(depth=(1.01, 2), width=(1, 2)).keeps(space, cell)
    assert not DepthWidthFilter(depth=(1, 2), width=(1, 1.99)).keeps(space, cell)


def test_one_range_leaves_the_rule_for_the_other():
    depth, width = DepthWidthFilter(depth=(1, 2)).ranges(NasBench201Space())
    assert depth == (1, 2)
    assert width == DepthWidthFilter().ranges(NasBench201Space())[1]


def test_every_cell_of_darts_counts():
    space, chosen = DartsSpace(), DepthWidthFilter()
    generator = torch.Generator().manual_seed(0)
    drawn = [space.random_architecture(generator) for _ in range(50)]
    cells = [cell for g in drawn for cell in (g.normal, g.reduce)]
    good = next(c for c in cells if chosen.keeps(space, DartsGenotype(c, c)))
    bad = next(c for c in cells if not chosen.keeps(space, DartsGenotype(c, c)))
    assert not chosen.keeps(space, DartsGenotype(good, bad))
    assert not chosen.keeps(space, DartsGenotype(bad, good))


def test_a_filter_serves_several_spaces():
    chosen = DepthWidthFilter()
    first = chosen.ranges(NasBench201Space())
    assert chosen.ranges(DartsSpace()) != first
    assert chosen.ranges(NasBench201Space()) == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"radius": 0}, "radius: expected above 0, got 0"),
        ({"radius": float("nan")}, "radius: expected above 0, got nan"),
        ({"depth": (2, 1)}, r"depth: expected \(least, greatest\), got \(2, 1\)"),
        ({"width": (2, 1)}, r"width: expected \(least, greatest\), got \(2, 1\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DepthWidthFilter(**arguments)
