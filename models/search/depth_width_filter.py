"""Which architectures depth and width let through to be scored (arXiv 2205.05662, §4.2)."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.spaces import SearchSpace
from models.topology import effective_depth_width

Range = tuple[float, float]


class Extremes(NamedTuple):
    """Least and greatest effective depth and width of the cells with depth above 0."""

    depth: tuple[Fraction, Fraction]
    width: tuple[Fraction, Fraction]


PUBLISHED = {
    "darts": Extremes(
        (Fraction("0.1"), Fraction("2.9")),
        (Fraction("0.9"), Fraction("20.1")),
    )
}
"""Where the paper's extremes are not those of Definition 4.1: DARTS, centre 1.5 and 10.5."""


class DepthWidthFilter:
    """Keeps architectures whose depth and width are moderate, every cell of them.

    The paper's rule: |d̄ − d*| ≤ ρ·r_d and |m̄ − m*| ≤ ρ·r_m, with centres (d*, m*) and radii half
    way between the extremes of the space. For NAS-Bench-201 the extremes are computed: centre
    1.625 and 13/6. For DARTS they are the paper's: centre 1.5 and 10.5, at ρ = ½ depth 0.8 to 2.2
    and width 5.7 to 15.3. Ranges of your own take the rule's place, such as those of the released
    code for NAS-Bench-201: depth 0.99 to 2.51, width 0.99 to 3.01.

    Args:
        radius: ρ.
        depth: (least, greatest) d̄, ends included, instead of the rule.
        width: the same of m̄.

    Raises:
        ValueError: a radius of 0 or less, or an empty range.
    """

    def __init__(
        self, radius: float = 0.5, depth: Range | None = None, width: Range | None = None
    ) -> None:
        if not radius > 0:
            raise ValueError(f"radius: expected above 0, got {radius}")
        for name, given in (("depth", depth), ("width", width)):
            if given is not None and not given[0] <= given[1]:
                raise ValueError(f"{name}: expected (least, greatest), got {tuple(given)}")
        self.radius = radius
        self.depth = depth
        self.width = width
        self._of_space: tuple[SearchSpace, tuple[Range, Range]] | None = None

    def ranges(self, space: SearchSpace) -> tuple[Range, Range]:
        """What it keeps of a space: ranges of depth and of width, ends included."""
        if self._of_space is None or self._of_space[0] is not space:
            depth, width = self.depth, self.width
            if depth is None or width is None:
                extremes = extremes_of(space)
                depth = depth or self._around(extremes.depth)
                width = width or self._around(extremes.width)
            self._of_space = space, (depth, width)
        return self._of_space[1]

    def _around(self, extremes: tuple[Fraction, Fraction]) -> Range:
        """Exact until the end, as many cells lie on the boundary."""
        low, high = extremes
        centre, reach = (low + high) / 2, Fraction(self.radius) * (high - low) / 2
        return float(centre - reach), float(centre + reach)

    def keeps(self, space: SearchSpace, architecture: Any) -> bool:
        """Whether every cell of an architecture lies within the ranges."""
        (least_d, greatest_d), (least_m, greatest_m) = self.ranges(space)
        return all(
            least_d <= depth <= greatest_d and least_m <= width <= greatest_m
            for depth, width in map(effective_depth_width, space.topologies(architecture).values())
        )


def extremes_of(space: SearchSpace) -> Extremes:
    """The published extremes of a space, or else the computed ones."""
    return PUBLISHED[space.name] if space.name in PUBLISHED else compute_extremes(space)


def compute_extremes(space: SearchSpace) -> Extremes:
    """Extremes by Definition 4.1 over all cells of a space, counted exactly.

    Operations of the same depth are the same here, so that a space of 10^18 architectures has
    46,080 cells to look at.
    """
    graph = space.topology(space.full_mask()[0])
    inputs, output = graph.graph["inputs"], graph.graph["output"]
    fixed = [edge for edge in dict.fromkeys(graph.edges()) if edge not in space.edges]
    counts = sorted({data["operations"] for *edge, data in graph.edges(data=True)})
    # Where a space chooses edges, a chosen edge has an operation; elsewhere it may have none.
    optional = "none" in space.operations and not space.edge_groups
    values = [*([-1] if optional else []), *counts]

    depths: list[Fraction] = []
    widths: list[Fraction] = []
    for edges in _wirings(space):
        table = np.array(list(itertools.product(values, repeat=len(edges))), dtype=np.int64)
        paths = depth = deep = np.zeros(len(table), dtype=np.int64)
        columns = dict(zip(edges, table.T, strict=True))
        columns |= {edge: np.zeros_like(paths) for edge in fixed}
        for start in inputs:
            P, D, shallow = _count(columns, start, output, len(table))
            paths, depth, deep = paths + P, depth + D, deep + P - shallow
        some = depth > 0
        paths, depth, deep = paths[some], depth[some], deep[some]
        for found, top, bottom in ((depths, depth, paths), (widths, deep * paths, depth)):
            ratio = top / bottom
            for i in (ratio.argmin(), ratio.argmax()):
                found.append(Fraction(int(top[i]), int(bottom[i])))
    return Extremes((min(depths), max(depths)), (min(widths), max(widths)))


def _wirings(space: SearchSpace) -> Iterator[list[tuple[int, int]]]:
    """The edges of a cell, in every way to choose them."""
    grouped = {i for start, stop in space.edge_groups for i in range(start, stop)}
    always = [i for i in range(len(space.edges)) if i not in grouped]
    choices = [
        itertools.combinations(range(start, stop), space.edges_per_group)
        for start, stop in space.edge_groups
    ]
    for chosen in itertools.product(*choices):
        yield [space.edges[i] for i in sorted([*always, *itertools.chain(*chosen)])]


def _count(
    columns: dict[tuple[int, int], NDArray[np.int64]], start: int, output: int, cells: int
) -> tuple[NDArray[np.int64], ...]:
    """Paths from `start` to `output`, the sum of their depths, and those of depth 0, per cell."""
    zero = np.zeros(cells, dtype=np.int64)
    sums = {start: (zero + 1, zero, zero + 1)}
    for (source, target), operations in sorted(columns.items(), key=lambda item: item[0][::-1]):
        if source not in sums:
            continue
        P, D, shallow = (part * (operations >= 0) for part in sums[source])
        before = sums.get(target, (zero, zero, zero))
        own = (P, D + operations * P, shallow * (operations == 0))
        sums[target] = tuple(a + b for a, b in zip(before, own, strict=True))
    return sums.get(output, (zero, zero, zero))
