"""The NAS-Bench-101 space: its classes, its draws and its extremes."""

import itertools
from collections import Counter
from fractions import Fraction

import pytest
import torch
from scipy.stats import chisquare

from models.spaces import NasBench101Space, NasBench201Space, nasbench101
from models.spaces.nasbench101_graphs import CellGraph, cell_graphs
from models.topology import NasBench101Cell

SPACE = NasBench101Space()


def test_the_paper_s_count() -> None:
    assert sum(graph.cells for graph in cell_graphs()) == SPACE.count == 423_624


def small() -> tuple[CellGraph, ...]:
    return tuple(graph for graph in cell_graphs() if len(graph.matrix) <= 4)


def classes(vertices: int) -> set[NasBench101Cell]:
    """Every matrix with every choice of operations, one of each class."""
    found = set()
    pairs = list(itertools.combinations(range(vertices), 2))
    for bits in itertools.product((0, 1), repeat=len(pairs)):
        chosen = {pair for pair, bit in zip(pairs, bits, strict=True) if bit}
        span = range(vertices)
        matrix = tuple(tuple(int((s, t) in chosen) for t in span) for s in span)
        for names in itertools.product(NasBench101Cell.OPERATIONS, repeat=vertices - 2):
            try:
                found.add(NasBench101Cell(matrix, names).canonical())
            except ValueError:  # a vertex on no path
                break
    return found


def test_graphs_and_their_cells_against_enumeration() -> None:
    for vertices in (2, 3, 4):
        own = [graph for graph in small() if len(graph.matrix) == vertices]
        cells = classes(vertices)
        assert {cell.matrix for cell in cells} == {graph.matrix for graph in own}
        counts = Counter(cell.matrix for cell in cells)
        assert counts == {graph.matrix: graph.cells for graph in own}


def test_draws_are_uniform_over_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all classes of at most four vertices, and over groups of graphs of the whole space."""
    generator = torch.Generator().manual_seed(0)
    graphs = cell_graphs()
    place = {graph.matrix: i * 40 // len(graphs) for i, graph in enumerate(graphs)}
    expected = [0.0] * 40
    for graph in graphs:
        expected[place[graph.matrix]] += 10_000 * graph.cells / SPACE.count
    drawn = [SPACE.random_architecture(generator) for _ in range(10_000)]
    counts = Counter(place[cell.matrix] for cell in drawn)
    assert chisquare([counts[i] for i in range(40)], expected).pvalue > 0.001
    assert all(cell.canonical() == cell for cell in drawn[:200])

    few = small()
    monkeypatch.setattr(nasbench101, "cell_graphs", lambda: few)
    totals = list(itertools.accumulate(graph.cells for graph in few))
    monkeypatch.setattr(nasbench101, "_totals", lambda: totals)
    own = Counter(SPACE.random_architecture(generator) for _ in range(10_000))
    assert len(own) == totals[-1]
    assert chisquare(list(own.values())).pvalue > 0.001


def test_what_pruning_takes_away_is_drawn_anew() -> None:
    generator = torch.Generator().manual_seed(0)
    for cell in [NasBench101Cell(((0, 1), (0, 0)), ())] + [
        SPACE.random_architecture(generator) for _ in range(50)
    ]:
        matrix, kinds = nasbench101._unpruned(cell, generator)
        names = [NasBench101Cell.OPERATIONS[kind] for kind in kinds.tolist()]
        assert NasBench101Cell.pruned(matrix.int().tolist(), names) == cell


def test_mutations_lead_to_cells_of_every_size() -> None:
    generator = torch.Generator().manual_seed(0)
    cell = NasBench101Cell(((0, 1), (0, 0)), ())
    seen: Counter[tuple[int, int]] = Counter()
    for _ in range(1_000):
        new = SPACE.mutate(cell, generator)
        assert new.canonical() != cell.canonical()
        cell = new
        seen[len(cell.matrix), sum(map(sum, cell.matrix))] += 1
    assert {vertices for vertices, _ in seen} >= {3, 4, 5, 6, 7}
    assert max(edges for _, edges in seen) == 9


def test_extremes() -> None:
    """Depth and width of every graph with every choice of what has parameters."""
    depths, widths = [], []
    for graph in cell_graphs():
        last = len(graph.matrix) - 1
        for choice in itertools.product((0, 1), repeat=last - 1):
            paths, depth, shallow = [1], [0], [1]
            for vertex, own in enumerate((*choice, 0), start=1):
                before = [s for s in range(vertex) if graph.matrix[s][vertex]]
                paths.append(sum(paths[s] for s in before))
                depth.append(sum(depth[s] + own * paths[s] for s in before))
                shallow.append(0 if own else sum(shallow[s] for s in before))
            if depth[-1]:
                depths.append(Fraction(depth[-1], paths[-1]))
                widths.append(Fraction((paths[-1] - shallow[-1]) * paths[-1], depth[-1]))
    found = SPACE.extremes()
    assert found.depth == (min(depths), max(depths))
    assert found.width == (min(widths), max(widths))


def test_refuses_architectures_of_another_space() -> None:
    other = NasBench201Space().random_architecture(torch.Generator())
    with pytest.raises(ValueError, match="expected a NasBench101Cell, got NasBench201Cell"):
        SPACE.format(other)  # type: ignore[arg-type]
