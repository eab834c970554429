"""Cells of NAS-Bench-101: records, pruning, graphs and isomorphism."""

import itertools
import json

import pytest
import torch

from models.topology import NasBench101Cell, effective_depth_width

C1, C3, POOL = NasBench101Cell.OPERATIONS
LOOSE = [[0, 1, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
"""Vertex 2 has no input, vertex 3 leads nowhere."""


def record(matrix: object, *operations: object) -> str:
    names = ["input", *operations, "output"]
    return json.dumps({"module_adjacency": matrix, "module_operations": names})


def test_a_record_is_pruned() -> None:
    cell = NasBench101Cell.parse(record(LOOSE, C3, POOL, C1))
    assert cell == NasBench101Cell(((0, 1, 1), (0, 0, 1), (0, 0, 0)), (C3,))
    assert NasBench101Cell.parse(str(cell)) == cell
    whole = json.loads(record(LOOSE, C3, POOL, C1)) | {"trainable_parameters": 3}
    assert NasBench101Cell.parse(json.dumps(whole)) == cell


def test_many_edges_are_pruned_before_they_are_counted() -> None:
    rows = [[int(t > s) for t in range(7)] for s in range(7)]
    rows[0] = [0, 0, 0, 0, 0, 0, 1]  # nothing else is reached
    assert NasBench101Cell.parse(record(rows, *[C3] * 5)).operations == ()


def test_graph() -> None:
    """A vertex's operation stands on the edges into it; projections do not count."""
    # input → conv → pool → output, input → pool, conv → output, input → output
    matrix = ((0, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    graph = NasBench101Cell(matrix, (C3, POOL)).graph
    assert graph.edges[0, 1] == {"operations": 1, "label": C3}
    assert graph.edges[1, 2] == {"operations": 0, "label": POOL}
    assert graph.edges[0, 3] == {"operations": 0, "label": "skip"}
    # Paths 0-1-2-3 and 0-1-3 of depth 1, 0-2-3 and 0-3 of depth 0.
    assert effective_depth_width(graph) == (0.5, 4)


def test_canonical_is_one_of_each_isomorphism_class() -> None:
    """Against every order of the vertices of random cells, compared as labelled graphs."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        bits = (torch.rand(6, 6, generator=generator) < 0.35).tolist()
        rows = [[int(t > s and bits[s][t]) for t in range(6)] for s in range(6)]
        kinds = torch.randint(3, (4,), generator=generator).tolist()
        try:
            cell = NasBench101Cell.pruned(rows, [NasBench101Cell.OPERATIONS[k] for k in kinds])
        except ValueError:
            continue
        size = len(cell.operations)
        forms = set()
        for order in itertools.permutations(range(1, size + 1)):
            whole = (0, *order, size + 1)
            moved = tuple(tuple(cell.matrix[s][t] for t in whole) for s in whole)
            if all(not moved[s][t] for s in range(size + 2) for t in range(s + 1)):
                names = tuple(cell.operations[v - 1] for v in order)
                forms.add(NasBench101Cell(moved, names))
        assert cell in forms
        assert {form.canonical() for form in forms} == {cell.canonical()}
        assert cell.canonical() in forms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", r"expected module_adjacency and module_operations, lists, in \[1\]"),
        (record("x", C3), "lists, in .*'x'"),
        (record([[0, 1], 7]), "7 is no row of a matrix"),
        (record([[0, 1], [0, 2]]), "2 in row 1 of the matrix is not 0 or 1"),
        (record([[0, True], [0, 0]]), "True in row 0"),
        (record([[0, 1], [1, 0]]), r"edge 1→0 does not lead to a later vertex in row 1: \[1, 0\]"),
        (record([[0, 1], [0]]), r"row 1 of the matrix has 1 entries, expected 2: \[0\]"),
        (record([[0]]), r"1 vertices in \(\(0,\),\), expected 2 to 7"),
        (record([[0] * 8] * 8, *[C3] * 6), "8 vertices"),
        (record([[0, 0], [0, 0]]), "no path from input to output in"),
        (record(LOOSE, C3), "5 vertices have 3 operations between input and output, got"),
        (record(LOOSE, "conv", POOL, C1), "unknown operation 'conv'; allowed: conv1x1-bn-relu"),
        (record([[0, 1], [0, 0]]).replace("output", "end"), "'output', got .*'end'"),
        (None, "expected a string, got None"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NasBench101Cell.parse(text)


def test_a_cell_is_pruned_and_has_at_most_nine_edges() -> None:
    with pytest.raises(ValueError, match="no path from input to output crosses vertex 2"):
        NasBench101Cell(tuple(map(tuple, LOOSE)), (C3, POOL, C1))
    full = tuple(tuple(int(t > s) for t in range(5)) for s in range(5))
    with pytest.raises(ValueError, match="10 edges in"):
        NasBench101Cell(full, (C3,) * 3)
