"""TransNAS-Bench-101's micro space."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare

from models.spaces import NasBench201Space, TransNasMicroSpace

SPACE = TransNasMicroSpace()


def test_count_and_uniform_draws() -> None:
    cells = list(SPACE.architectures())
    assert len(set(cells)) == SPACE.count == 4_096
    generator = torch.Generator().manual_seed(0)
    counts = Counter(SPACE.random_architecture(generator) for _ in range(10_000))
    assert chisquare([counts[cell] for cell in cells]).pvalue > 0.001


def test_neighbours_are_the_cells_of_one_other_operation() -> None:
    cell = SPACE.random_architecture(torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    near = {SPACE.mutate(cell, generator) for _ in range(1_000)}
    assert near == {
        other
        for other in SPACE.architectures()
        if sum(a != b for a, b in zip(cell.operations, other.operations, strict=True)) == 1
    }


def test_pooling_is_of_the_other_space() -> None:
    text = "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    cell = NasBench201Space().parse(text)
    for refuses in (SPACE.parse, SPACE.from_json):
        with pytest.raises(ValueError, match="unknown operation 'avg_pool_3x3'; allowed: none"):
            refuses(text)
    for refused in (SPACE.format, SPACE.network):
        with pytest.raises(ValueError, match="unknown operation 'avg_pool_3x3'"):
            refused(cell)


@pytest.mark.real_data
def test_the_table_has_the_whole_space(shared_data: Path) -> None:
    with (shared_data / "transnas_micro.csv").open(newline="") as file:
        listed = [row["architecture"] for row in csv.DictReader(file)]
    assert set(map(SPACE.parse, listed)) == set(SPACE.architectures())
