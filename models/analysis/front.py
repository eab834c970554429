"""Architectures between several objectives: the front, its knee, and tables of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

LINES = 10
"""Rows that a table on the terminal has at most."""
_WIDTH = 90  # of an architecture in such a table


def non_dominated_fronts(values: Sequence[Sequence[float]]) -> list[list[int]]:
    """Sort points into fronts: the first is dominated by none, the next by the first alone, …

    Args:
        values: (points, objectives), higher is better.

    Returns:
        Indices of each front's points, ascending; equal points are of one front.
    """
    if not values:
        return []
    # Loaded by who needs it: the library takes half a second.
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    return [front.tolist() for front in NonDominatedSorting().do(-np.array(values, dtype=float))]


def knee(values: Sequence[Sequence[float]]) -> int:
    """Return the point of a front with the least to lose: the one farthest beyond its ends.

    Every objective is scaled to [0, 1] over the front. The knee has the greatest sum, which among
    two objectives is the point farthest from the line through both ends (Das 1999); the first on a
    tie.

    Args:
        values: (points, objectives), higher is better.
    """
    points = np.array(values, dtype=float)
    low, high = points.min(axis=0), points.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    return int(((points - low) / spread).sum(axis=1).argmax())


class Front(NamedTuple):
    """Everything that was evaluated, between its objectives."""

    objectives: tuple[str, ...]
    """Names."""
    higher_is_better: tuple[bool, ...]
    """The direction of each."""
    values: list[tuple[float, ...]]
    """Of each architecture, in its objectives' own directions."""
    names: list[str]
    """Of each architecture, its text."""
    members: list[int]
    """Who is on the front, the best by the first objective first."""
    chosen: int
    """The place of the chosen one among the members."""
    why: str
    """Why it was chosen."""

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per member: number from 1, objectives, whether chosen, architecture."""
        return [
            {
                "number": number,
                **dict(zip(self.objectives, self.values[i], strict=True)),
                "chosen": number == self.chosen + 1,
                "architecture": self.names[i],
            }
            for number, i in enumerate(self.members, start=1)
        ]


def make_front(
    objectives: Sequence[str],
    higher_is_better: Sequence[bool],
    values: Sequence[tuple[float, ...]],
    names: Sequence[str],
    prefer_first: bool,
) -> Front:
    """Find who is on the front, and choose one.

    With one objective the "front" is the ten best, and the best is chosen. With several it is those
    that none is better than in every respect, and the knee is chosen, or the best by the first
    objective.

    Args:
        objectives: names.
        higher_is_better: the direction of each.
        values: (architectures, objectives), higher is better, one architecture or more.
        names: texts of the architectures.
        prefer_first: whether the first objective alone decides who is chosen, as within a budget.
    """
    if len(objectives) == 1:
        members = sorted(range(len(values)), key=lambda i: (-values[i][0], i))[:LINES]
        chosen, why = 0, f"the best {objectives[0]}"
    else:
        front = non_dominated_fronts(values)[0]
        members = sorted(front, key=lambda i: (*(-value for value in values[i]), i))
        chosen = 0 if prefer_first else knee([values[i] for i in members])
        why = f"the best {objectives[0]} within the budget" if prefer_first else "the front's knee"
    signs = [1 if higher else -1 for higher in higher_is_better]
    own = [tuple(s * v for s, v in zip(signs, row, strict=True)) for row in values]
    return Front(tuple(objectives), tuple(higher_is_better), own, list(names), members, chosen, why)


def table(front: Front) -> str:
    """Write the front in at most ten lines under a header, the chosen one marked by `>`.

    Of more members there are the first, the last, the chosen one and others evenly between.
    """
    count = len(front.members)
    shown = set(np.linspace(0, count - 1, min(count, LINES)).round().astype(int).tolist())
    if front.chosen not in shown:
        shown.remove(min(shown - {0, count - 1}, key=lambda i: abs(i - front.chosen)))
        shown.add(front.chosen)
    cells = [["", "#", *front.objectives, "architecture"]]
    for place in sorted(shown):
        i = front.members[place]
        mark = ">" if place == front.chosen else ""
        figures = [
            f"{value:,.0f}" if value.is_integer() else f"{value:.5g}" for value in front.values[i]
        ]
        cells.append([mark, str(place + 1), *figures, _short(front.names[i])])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        " ".join(
            cell.ljust(width) if j in (0, len(row) - 1) else cell.rjust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
