"""Cells of NAS-Bench-101: up to seven vertices, an operation on each (Ying et al. 2019)."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import networkx as nx

from models.topology._shown import shown

Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class NasBench101Cell:
    """A cell by its adjacency matrix and the operations of its vertices (arXiv 1902.09635, §2.2).

    Vertex 0 is the input, the last one the output; what no path from one to the other crosses is
    not part of the cell: see `pruned`.

    Args:
        matrix: (V, V) of 0 and 1, 2 ≤ V ≤ 7, strictly upper triangular, at most nine edges;
            `matrix[s][t]` is the edge s→t.
        operations: V − 2 names, of the vertices between input and output.

    Raises:
        ValueError: none such, or a vertex that no path crosses.
    """

    matrix: Matrix
    operations: tuple[str, ...]

    MAXIMUM_VERTICES: ClassVar[int] = 7
    MAXIMUM_EDGES: ClassVar[int] = 9
    OPERATIONS: ClassVar[tuple[str, ...]] = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
    PARAMETERISED: ClassVar[frozenset[str]] = frozenset({"conv1x1-bn-relu", "conv3x3-bn-relu"})
    """The operations that count 1 towards depth."""

    def __post_init__(self) -> None:
        _check_matrix(self.matrix)
        if len(self.operations) != len(self.matrix) - 2:
            raise ValueError(
                f"NAS-Bench-101 cell: {len(self.matrix)} vertices have {len(self.matrix) - 2} "
                f"operations between input and output, got {shown(list(self.operations))}"
            )
        for operation in self.operations:
            if operation not in self.OPERATIONS:
                raise ValueError(
                    f"NAS-Bench-101 cell: unknown operation {shown(operation)}; "
                    f"allowed: {', '.join(self.OPERATIONS)}"
                )
        crossed = _crossed(self.matrix)
        for vertex in range(len(self.matrix)):
            if vertex not in crossed:
                raise ValueError(
                    f"NAS-Bench-101 cell: no path from input to output crosses vertex {vertex} of "
                    f"{shown(self.matrix)}"
                )
        edges = sum(map(sum, self.matrix))
        if edges > self.MAXIMUM_EDGES:
            raise ValueError(
                f"NAS-Bench-101 cell: {edges} edges in {shown(self.matrix)}, "
                f"expected at most {self.MAXIMUM_EDGES}"
            )

    @classmethod
    def pruned(cls, matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> Self:
        """Build a cell of a matrix that may have vertices which no path crosses.

        Args:
            matrix: (V, V), strictly upper triangular, any number of edges.
            operations: V − 2 names, or those of the vertices that stay.

        Raises:
            ValueError: no path from input to output, or no cell is left.
        """
        whole = tuple(map(tuple, matrix))
        _check_matrix(whole)
        if len(operations) != len(whole) - 2:
            return cls(whole, tuple(operations))  # which says so
        kept = sorted(_crossed(whole))
        if not kept:
            raise ValueError(f"NAS-Bench-101 cell: no path from input to output in {shown(matrix)}")
        return cls(
            tuple(tuple(whole[s][t] for t in kept) for s in kept),
            tuple(operations[v - 1] for v in kept[1:-1]),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `{"module_adjacency": [[0, 1], [0, 0]], "module_operations": ["input", "output"]}`.

        So the benchmark's records name a cell; other fields of a record are left out. Vertices
        that no path crosses are pruned.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        if not isinstance(text, str):
            raise ValueError(f"NAS-Bench-101 cell: expected a string, got {shown(text)}")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"NAS-Bench-101 cell: {shown(text)} is not JSON: {error}") from None
        return cls.from_json(value)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Build from a record, as `parse` does."""
        match value:
            case {"module_adjacency": [*rows], "module_operations": [*names]}:
                pass
            case _:
                raise ValueError(
                    "NAS-Bench-101 cell: expected module_adjacency and module_operations, lists, "
                    f"in {shown(value)}"
                )
        for row in rows:
            if not isinstance(row, list):
                raise ValueError(f"NAS-Bench-101 cell: {shown(row)} is no row of a matrix")
        if names[:1] != ["input"] or names[1:][-1:] != ["output"]:
            raise ValueError(
                "NAS-Bench-101 cell: module_operations: expected 'input', …, 'output', got "
                f"{shown(names)}"
            )
        return cls.pruned(rows, names[1:-1])

    def to_json(self) -> dict[str, Any]:
        """Return the fields of a record of the benchmark."""
        return {
            "module_adjacency": [list(row) for row in self.matrix],
            "module_operations": ["input", *self.operations, "output"],
        }

    def __str__(self) -> str:
        return json.dumps(self.to_json())

    @cached_property
    def graph(self) -> "nx.DiGraph[int]":
        """The networkx graph over the vertices. Do not change it: it is shared.

        A vertex's operation stands on each edge into it. The projections (1×1 convolutions that
        bring the input to a vertex's maps) are not counted: every path has exactly one.
        """
        output = len(self.matrix) - 1
        graph: nx.DiGraph[int] = nx.DiGraph(inputs=(0,), output=output)
        graph.add_nodes_from(range(len(self.matrix)))
        for source, target in _edges(self.matrix):
            name = self.operations[target - 1] if target < output else "skip"
            count = int(name in self.PARAMETERISED)
            graph.add_edge(source, target, operations=count, label=name)
        return graph

    def canonical(self) -> Self:
        """Return the cell of the same graph that comes first among all orders of its vertices.

        Two cells have the same one exactly if their labelled graphs are isomorphic, so that it
        serves as the benchmark's graph hash, without its collisions.
        """
        inner = range(1, len(self.matrix) - 1)
        last = len(self.matrix) - 1
        edges = list(_edges(self.matrix))
        best = self.matrix, self.operations
        for order in itertools.permutations(inner):
            place = dict(zip((0, *order, last), range(last + 1), strict=True))
            moved = [(place[s], place[t]) for s, t in edges]
            if any(s >= t for s, t in moved):
                continue
            rows = [[0] * (last + 1) for _ in range(last + 1)]
            for s, t in moved:
                rows[s][t] = 1
            operations = tuple(self.operations[v - 1] for v in order)
            best = min(best, (tuple(map(tuple, rows)), operations))
        return type(self)(*best)


def _edges(matrix: Matrix) -> Iterator[tuple[int, int]]:
    for source, row in enumerate(matrix):
        yield from ((source, target) for target, one in enumerate(row) if one)


def _check_matrix(matrix: Matrix) -> None:
    """Refuse what is no strictly upper triangular matrix of 2 to 7 vertices."""
    vertices = len(matrix)
    if not 2 <= vertices <= NasBench101Cell.MAXIMUM_VERTICES:
        raise ValueError(
            f"NAS-Bench-101 cell: {vertices} vertices in {shown(matrix)}, "
            f"expected 2 to {NasBench101Cell.MAXIMUM_VERTICES}"
        )
    for source, row in enumerate(matrix):
        if len(row) != vertices:
            raise ValueError(
                f"NAS-Bench-101 cell: row {source} of the matrix has {len(row)} entries, "
                f"expected {vertices}: {shown(list(row))}"
            )
        for target, one in enumerate(row):
            if type(one) is not int or one not in (0, 1):
                raise ValueError(
                    f"NAS-Bench-101 cell: {shown(one)} in row {source} of the matrix is not 0 or 1"
                )
            if one and target <= source:
                raise ValueError(
                    f"NAS-Bench-101 cell: edge {source}→{target} does not lead to a later vertex "
                    f"in row {source}: {shown(list(row))}"
                )


def _crossed(matrix: Matrix) -> set[int]:
    """Find the vertices on paths from the first to the last; none without such a path."""
    last = len(matrix) - 1
    after, before = {0}, {last}
    for vertex in range(last + 1):
        if vertex in after:
            after |= {t for t, one in enumerate(matrix[vertex]) if one}
    for vertex in reversed(range(last + 1)):
        if any(matrix[vertex][t] for t in before):
            before.add(vertex)
    return after & before if last in after else set()
