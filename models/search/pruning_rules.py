"""The rules of pruning by rank, on plain values: what competes, what is spared, what goes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from models.spaces import SupernetSpace
from models.topology import effective_depth_width


@dataclass(frozen=True)
class Candidate:
    """A supernet without one operation of an edge, or (`operation` None) without a whole edge."""

    cell: int
    edge: int
    operation: int | None

    def apply(self, mask: Tensor) -> Tensor:
        """A copy of the full mask (cells, edges, operations) without what this removes."""
        pruned = mask.clone()
        pruned[self.cell, self.edge, slice(None) if self.operation is None else self.operation] = (
            False
        )
        return pruned


@dataclass(frozen=True)
class Group:
    """Candidates that compete with one another, and how many of them a round prunes."""

    name: str
    candidates: tuple[Candidate, ...]
    prune_number: int


def groups_of(space: SupernetSpace, mask: Tensor, prune_number: int) -> list[Group]:
    """Group the candidates that a round compares, from the full mask (cells, edges, operations).

    While any edge has more than one operation, a group is an edge and its candidates are the
    operations on it, of which `prune_number` go (never the last one). After that, in spaces that
    choose edges, a group is a node and its candidates are the edges into it, which all go at once
    but for `edges_per_group`. No group is left when the mask is one architecture.
    """
    counts = mask.sum(-1)
    groups = []
    if (counts > 1).any():
        for cell, edge in (counts > 1).nonzero().tolist():
            kept = mask[cell, edge].nonzero().flatten().tolist()
            candidates = tuple(Candidate(cell, edge, operation) for operation in kept)
            source, target = space.edges[edge]
            name = f"{space.cells[cell]} {source}→{target}"
            groups.append(Group(name, candidates, min(prune_number, len(kept) - 1)))
        return groups
    for cell in range(len(space.cells)):
        for start, stop in space.edge_groups:
            edges = [edge for edge in range(start, stop) if counts[cell, edge]]
            surplus = len(edges) - space.edges_per_group
            if surplus > 0:
                name = f"{space.cells[cell]} node {space.edges[start][1]}"
                candidates = tuple(Candidate(cell, edge, None) for edge in edges)
                groups.append(Group(name, candidates, surplus))
    return groups


def label(space: SupernetSpace, candidate: Candidate) -> str:
    """A unique readable name, such as `normal 0→2 sep_conv_3x3`."""
    source, target = space.edges[candidate.edge]
    removed = "edge" if candidate.operation is None else space.operations[candidate.operation]
    return f"{space.cells[candidate.cell]} {source}→{target} {removed}"


def reserved(space: SupernetSpace, mask: Tensor, group: Group, reserve: int) -> list[Candidate]:
    """The candidates of a group that depth and width spare from evaluation and from pruning.

    They are the `reserve` candidates whose (d̄, m̄) lie nearest the centroid of the group's, in
    Euclidean distance, the first ones on a tie; and fewer where less than `prune_number` + 1
    candidates would be left to compare (arXiv 2205.05662, §4.2).
    """
    number = min(reserve, len(group.candidates) - group.prune_number - 1)
    if number <= 0:
        return []
    points = []
    for candidate in group.candidates:
        rows = candidate.apply(mask)[candidate.cell]
        points.append(effective_depth_width(space.topology(rows)))
    centre = (fmean(p.depth for p in points), fmean(p.width for p in points))
    # Rounded, so that a tie is a tie whatever the last bits say.
    distances = [round(math.dist(point, centre), 9) for point in points]
    order = sorted(range(len(points)), key=lambda i: (distances[i], i))
    return [group.candidates[i] for i in sorted(order[:number])]


def gain(base: float, without: float, higher_is_better: bool) -> float:
    """Return the improvement of a score by a removal, relative to its absolute value before."""
    if base == without:
        return 0.0
    change = (without - base) / abs(base) if base else math.copysign(math.inf, without - base)
    return change if higher_is_better else -change


def ranks(values: Sequence[float], precision: int) -> list[int]:
    """Rank of each value, the highest first; ties share a rank, compared after rounding."""
    rounded = [round(value, precision) for value in values]
    place = {value: i for i, value in enumerate(sorted(set(rounded), reverse=True))}
    return [place[value] for value in rounded]


def choose(
    groups: Sequence[Group],
    gains: Mapping[Candidate, Sequence[float]],
    precision: int,
) -> list[Candidate]:
    """The candidates to prune: in every group the `prune_number` of the lowest sum of ranks.

    Of equal sums, the better rank by the first score (κ by default) goes first, as in the code of
    TE-NAS. Two departures from it: a mean over repeats is rounded once more before it is ranked;
    and where edges are pruned, the nodes are ranked together and pruned at once, not one by one on
    the supernet pruned so far.

    Args:
        groups: what competes.
        gains: per evaluated candidate, the gain in each score. Candidates that were reserved or
            whose evaluation failed are missing here, and stay.
        precision: decimals after which gains are equal.

    Returns:
        Candidates in the order of the groups; on a tie in that rank too, the
            first ones of a group.
    """
    candidates = [c for group in groups for c in group.candidates if c in gains]
    scores = zip(*(gains[c] for c in candidates), strict=True)
    per_score = [ranks(values, precision) for values in scores]
    total = {c: sum(r[i] for r in per_score) for i, c in enumerate(candidates)}
    first = dict(zip(candidates, per_score[0], strict=True)) if per_score else {}
    pruned: list[Candidate] = []
    for group in groups:
        ordered = sorted(
            (c for c in group.candidates if c in total), key=lambda c: (total[c], first[c])
        )
        pruned += ordered[: group.prune_number]
    return pruned


def prune(mask: Tensor, candidates: Sequence[Candidate]) -> Tensor:
    """The full mask without what all the candidates remove."""
    for candidate in candidates:
        mask = candidate.apply(mask)
    assert mask.dtype == torch.bool
    return mask
