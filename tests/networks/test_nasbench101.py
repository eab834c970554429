"""Networks of NAS-Bench-101: channels, parameters, and a module by hand."""

import csv
import json
from pathlib import Path

import pytest
import torch

from models.networks.nasbench101 import NasBench101Module, NasBench101Network, vertex_channels
from models.topology import NasBench101Cell

C1, C3, POOL = NasBench101Cell.OPERATIONS
DIAMOND = NasBench101Cell(
    ((0, 1, 1, 1, 0), (0, 0, 1, 0, 1), (0, 0, 0, 0, 1), (0, 0, 0, 0, 1), (0, 0, 0, 0, 0)),
    (C3, POOL, C1),
)
"""Three vertices share the output; the first also leads to the second."""
CHAIN = NasBench101Cell(
    ((0, 1, 0, 1), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 0)),
    (C1, C3),
)


def test_channels() -> None:
    assert vertex_channels(DIAMOND, 128) == [43, 43, 42]
    assert vertex_channels(CHAIN, 128) == [128, 128]
    assert vertex_channels(NasBench101Cell(((0, 1), (0, 0)), ()), 128) == []
    with pytest.raises(ValueError, match=r"channels: 3 vertices share the output.* got 2"):
        vertex_channels(DIAMOND, 2)


def test_a_module_by_hand() -> None:
    torch.manual_seed(0)
    module = NasBench101Module(DIAMOND, 4, 8).eval()  # maps 3, 3, 2
    x = torch.randn(2, 4, 5, 5)
    into = {int(name): projection(x) for name, projection in module.projections.items()}
    assert {vertex: maps.shape[1] for vertex, maps in into.items()} == {1: 3, 2: 3, 3: 2}
    one = module.operations[0](into[1])
    two = module.operations[1](one + into[2])
    three = module.operations[2](into[3])
    torch.testing.assert_close(module(x), torch.cat([one, two, three], dim=1))
    wider = NasBench101Module(CHAIN, 4, 8).eval()
    inner = wider.operations[1](wider.operations[0](wider.projections["1"](x)))
    torch.testing.assert_close(wider(x), inner + wider.projections["3"](x))


def test_a_wider_vertex_is_cut() -> None:
    """Vertex 1 leads to vertices of 43 and 42 maps, and so has 43."""
    matrix = ((0, 1, 0, 0, 1), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1), (0, 0, 0, 0, 1), (0, 0, 0, 0, 0))
    cell = NasBench101Cell(matrix, (C1, C3, C3))
    assert vertex_channels(cell, 7) == [4, 4, 3]
    assert NasBench101Module(cell, 4, 7)(torch.randn(2, 4, 3, 3)).shape == (2, 7, 3, 3)


def parameters(cell: NasBench101Cell) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in NasBench101Network(cell).parameters())


def test_parameters_of_the_smallest_cell() -> None:
    """A stem, nine projections and the readout."""
    projections = [
        (128, 128),
        *[(128, 128)] * 2,
        (128, 256),
        *[(256, 256)] * 2,
        (256, 512),
        *[(512, 512)] * 2,
    ]
    expected = 3 * 128 * 9 + 2 * 128 + sum(a * b + 2 * b for a, b in projections) + 512 * 10 + 10
    assert parameters(NasBench101Cell(((0, 1), (0, 0)), ())) == expected == 882_570


def test_sizes() -> None:
    network = NasBench101Network(DIAMOND, 8, 2, num_classes=5, in_channels=1)
    assert len(network.cells) == 6
    assert network(torch.randn(2, 1, 9, 9)).shape == (2, 5)
    assert network.depth_width().depth > 0


@pytest.mark.real_data
def test_parameters_are_those_of_the_benchmark(shared_data: Path) -> None:
    """All 250 records, to the four decimals that the table has."""
    with (shared_data / "nasbench101_sample.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 250
    for row in rows:
        names = ("module_adjacency", "module_operations")
        cell = NasBench101Cell.from_json({name: json.loads(row[name]) for name in names})
        assert round(parameters(cell) / 1e6, 4) == float(row["million_parameters"])
