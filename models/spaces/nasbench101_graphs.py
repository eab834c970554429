"""The graphs of NAS-Bench-101 up to isomorphism, and how many cells each has."""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.topology import NasBench101Cell

_KINDS = len(NasBench101Cell.OPERATIONS)


class CellGraph(NamedTuple):
    """A graph without operations, its vertices in the canonical order."""

    matrix: tuple[tuple[int, ...], ...]
    """Adjacency, (V, V): the least of all orders of the vertices."""
    symmetries: tuple[tuple[int, ...], ...]
    """Orders of the V − 2 inner vertices, from 0, that leave the matrix as it is."""
    cells: int
    """Ways to put operations on the inner vertices that no symmetry maps onto each other."""


@cache
def cell_graphs() -> tuple[CellGraph, ...]:
    """List the graphs of 2 to 7 vertices and at most nine edges, each vertex on a path.

    Of all matrices those are kept that no order of the vertices makes smaller. By Burnside's lemma
    the cells of a graph are the mean over its symmetries of 3 to the number of cycles; together
    they are the 423,624 of the benchmark. Takes about a second, once per process.
    """
    found = []
    for vertices in range(2, NasBench101Cell.MAXIMUM_VERTICES + 1):
        codes = _connected(vertices)
        inner = range(1, vertices - 1)
        least, fixed = codes, []
        for order in itertools.permutations(inner):
            moved = _reordered(codes, (0, *order, vertices - 1))
            least = np.minimum(least, moved)
            fixed.append((moved == codes, tuple(v - 1 for v in order)))
        for i in np.flatnonzero(least == codes):
            symmetries = tuple(order for same, order in fixed if same[i])
            cells = sum(_KINDS ** _cycles(order) for order in symmetries) // len(symmetries)
            found.append(CellGraph(_matrix(int(codes[i]), vertices), symmetries, cells))
    return tuple(found)


def _places(vertices: int) -> list[tuple[int, int]]:
    """Return the edges in the order of the bits of a code, the most significant first."""
    return list(itertools.combinations(range(vertices), 2))


def _bit(codes: NDArray[np.int64], place: int, vertices: int) -> NDArray[np.int64]:
    return (codes >> (vertices * (vertices - 1) // 2 - 1 - place)) & 1


def _connected(vertices: int) -> NDArray[np.int64]:
    """Return the codes of all matrices of few enough edges whose vertices are all on a path."""
    places = _places(vertices)
    codes = np.arange(1 << len(places), dtype=np.int64)
    edges = sum(_bit(codes, i, vertices) for i in range(len(places)))
    codes = codes[edges <= NasBench101Cell.MAXIMUM_EDGES]
    bits = {edge: _bit(codes, i, vertices) for i, edge in enumerate(places)}
    # The graph is acyclic: a vertex is on a path if something enters it and something leaves it.
    kept = np.ones(len(codes), dtype=bool)
    for vertex in range(vertices):
        if vertex > 0:
            kept &= sum(bits[s, vertex] for s in range(vertex)) > 0
        if vertex < vertices - 1:
            kept &= sum(bits[vertex, t] for t in range(vertex + 1, vertices)) > 0
    return codes[kept]


def _reordered(codes: NDArray[np.int64], order: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the codes with vertex `order[i]` as vertex i; too large where an edge goes back."""
    vertices = len(order)
    place_of = {edge: i for i, edge in enumerate(_places(vertices))}
    rank = {vertex: i for i, vertex in enumerate(order)}
    moved = np.zeros_like(codes)
    for (source, target), i in place_of.items():
        new = place_of.get((rank[source], rank[target]))
        bit = _bit(codes, i, vertices)
        if new is None:
            moved += bit << len(place_of)
        else:
            moved += bit << (len(place_of) - 1 - new)
    return moved


def _matrix(code: int, vertices: int) -> tuple[tuple[int, ...], ...]:
    rows = [[0] * vertices for _ in range(vertices)]
    places = _places(vertices)
    for i, (source, target) in enumerate(places):
        rows[source][target] = (code >> (len(places) - 1 - i)) & 1
    return tuple(map(tuple, rows))


def _cycles(order: tuple[int, ...]) -> int:
    seen: set[int] = set()
    cycles = 0
    for start in order:
        cycles += start not in seen
        while start not in seen:
            seen.add(start)
            start = order[start]
    return cycles
