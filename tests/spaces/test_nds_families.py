"""Extremes of the NDS family's depths and widths against all of its cells."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from models.spaces import NdsSpace
from models.spaces.nds_families import FAMILIES, Name
from models.topology import NdsCell, effective_depth_width


def of_all_cells(nodes: int, loose: bool, none: bool) -> tuple[tuple[Fraction, Fraction], ...]:
    """Least and greatest depth and width over every wiring with every kind of operation.

    Kinds are `none` (−1), without parameters (0) and with (1); for all of them at once, the paths
    to a node, the sum of their depths and those of depth 0 follow from those to its two inputs.
    """
    kinds = np.array(list(itertools.product((-1, 0, 1)[1 - none :], repeat=2 * nodes))).T
    one = np.ones(kinds.shape[1], dtype=np.int64)
    found: tuple[list[Fraction], list[Fraction]] = ([], [])
    pairs = (itertools.combinations_with_replacement(range(2 + k), 2) for k in range(nodes))
    for wiring in itertools.product(*pairs):
        into = [np.stack([one, 0 * one, one])] * 2
        for pair, own in zip(wiring, kinds.reshape(nodes, 2, -1), strict=True):
            terms = []
            for source, kind in zip(pair, own, strict=True):
                paths, depths, shallow = into[source] * (kind >= 0)
                terms.append(np.stack([paths, depths + paths * (kind > 0), shallow * (kind == 0)]))
            into.append(terms[0] + terms[1])
        taken = {source for pair in wiring for source in pair} if loose else set()
        ends = [node for node in range(2, 2 + nodes) if node not in taken]
        paths, depths, shallow = sum(into[node] for node in ends)
        some = depths > 0
        deep, paths, depths = (paths - shallow)[some], paths[some], depths[some]
        for values, top, bottom in ((found[0], depths, paths), (found[1], deep * paths, depths)):
            ratio = top / bottom
            values += [
                Fraction(int(top[i]), int(bottom[i])) for i in (ratio.argmin(), ratio.argmax())
            ]
    return tuple((min(values), max(values)) for values in found)


@pytest.mark.slow  # 17 to 58 million cells
@pytest.mark.parametrize("name", ["darts", "nasnet", "pnas"])
def test_extremes_are_those_of_all_cells(name: Name) -> None:
    """Of `darts`, of spaces of loose ends, and of all nodes; the others are alike."""
    family = FAMILIES[name]
    assert of_all_cells(family.nodes, family.loose_ends, "none" in family.operations) == (
        family.extremes
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_lie_within(name: Name) -> None:
    space, generator = NdsSpace(name), torch.Generator().manual_seed(0)
    depth, width = space.extremes()
    for _ in range(50):
        for graph in space.topologies(space.random_architecture(generator)).values():
            found = effective_depth_width(graph)
            if found.depth > 0:
                assert depth[0] <= found.depth <= depth[1]
                assert width[0] <= found.width <= width[1]


def test_cells_that_reach_them() -> None:
    """Of loose ends: a chain of nodes that take the one before twice, and one that takes all."""
    depth, width = NdsSpace("nasnet").extremes()
    chain = [("conv_3x3", 0)] * 2 + [("conv_3x3", node) for node in (2, 3, 4, 5) for _ in range(2)]
    assert effective_depth_width(NdsCell.of(chain, True)).depth == depth[1]
    once = [(name if i == 9 else "skip_connect", node) for i, (name, node) in enumerate(chain)]
    assert effective_depth_width(NdsCell.of(once, True)).width == width[1]
    sources = (0, 0, 0, 2, 0, 3, 0, 4, 0, 5)
    narrow = [("conv_3x3" if i != 8 else "skip_connect", s) for i, s in enumerate(sources)]
    assert effective_depth_width(NdsCell.of(narrow, True)).width == pytest.approx(float(width[0]))
