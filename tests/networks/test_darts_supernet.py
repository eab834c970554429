"""The DARTS supernet: published sizes and the places of reduction cells."""

import pytest
import torch

from models.networks.darts_cells import reduction_cells
from models.networks.darts_supernet import DartsSupernet


def test_parameters() -> None:
    assert sum(p.numel() for p in DartsSupernet().parameters()) == 5_431
    region = DartsSupernet(in_channels=1, use_stem=False)
    assert sum(p.numel() for p in region.parameters()) == 5_413
    assert region(torch.randn(4, 1, 3, 3)).shape == (4, 10)


@pytest.mark.parametrize(
    ("cells", "reductions"), [(1, []), (2, [1]), (3, [1, 2]), (8, [2, 5]), (20, [6, 13])]
)
def test_reduction_cells(cells: int, reductions: list[int]) -> None:
    assert [i for i in range(cells) if i in reduction_cells(cells)] == reductions
    network = DartsSupernet(2, cells)
    assert [i for i, cell in enumerate(network.cells) if cell.cell_type] == reductions


def test_stem_multiplier_and_shapes() -> None:
    network = DartsSupernet(2, 4, num_classes=7, in_channels=1, stem_multiplier=3)
    assert network.stem[0].out_channels == 6
    assert network(torch.randn(2, 1, 9, 9)).shape == (2, 7)


def test_each_row_rules_its_own_cells() -> None:
    network = DartsSupernet(2, 2)
    x = torch.randn(4, 3, 8, 8)
    full = network(x)
    for row in range(2):
        mask = DartsSupernet(2, 2).mask
        mask[row, :, 3:] = False
        network.mask = mask
        changed = network(x)
        assert not torch.allclose(full, changed)
        normal = network.cells[0](network.stem(x), network.stem(x))
        network.mask = DartsSupernet(2, 2).mask
        same = torch.allclose(normal, network.cells[0](network.stem(x), network.stem(x)))
        assert same == (row == 1)
