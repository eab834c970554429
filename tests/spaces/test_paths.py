"""Paths that are drawn through a supernet."""

import itertools
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from models.networks.masks import check_fed
from models.seeding import generator
from models.spaces import DartsSpace, NasBench201Space, SearchSpace
from models.spaces.paths import random_path
from models.topology import NasBench201Cell


class Skips(NasBench201Space):
    """64 cells of `none` and `skip_connect`; a node is fed in 1·3·7 of them."""

    def random_architecture(self, generator: torch.Generator) -> NasBench201Cell:
        columns = torch.randint(2, (6,), generator=generator).tolist()
        return NasBench201Cell(tuple(self.operations[i] for i in columns))


class Nothing(NasBench201Space):
    """One cell, without any edge."""

    def random_architecture(self, generator: torch.Generator) -> NasBench201Cell:
        return NasBench201Cell(("none",) * 6)


def test_every_valid_path_is_equally_likely() -> None:
    space, random = Skips(), torch.Generator().manual_seed(0)
    drawn = Counter(
        space.architecture_of(random_path(space, random)).operations for _ in range(21 * 200)
    )
    valid = {
        row
        for row in itertools.product(("none", "skip_connect"), repeat=6)
        if row[0] != "none" and set(row[1:3]) != {"none"} and set(row[3:]) != {"none"}
    }
    assert set(drawn) == valid
    assert len(valid) == 21
    assert chisquare(list(drawn.values())).pvalue > 0.01


@pytest.mark.parametrize("space", [NasBench201Space(), DartsSpace()])
def test_a_path_is_an_architecture_that_the_supernet_runs(space: SearchSpace) -> None:
    network = space.supernet(channels=2)
    for step in range(20):
        mask = random_path(space, generator(0, "path", step))
        check_fed(mask, space.cells, space.edges)
        assert torch.equal(space.mask_of(space.architecture_of(mask)), mask)
        network.mask = mask
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_a_space_without_a_path() -> None:
    with pytest.raises(ValueError, match="space: 1000 architectures of nasbench201 all leave a no"):
        random_path(Nothing(), torch.Generator())


def test_paths_and_validation_paths_are_drawn_apart() -> None:
    space = NasBench201Space()
    first, second = (
        [random_path(space, generator(0, stream, i)) for i in range(5)]
        for stream in ("path", "validation")
    )
    assert not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
