"""The generations of an evolution, as they are drawn and as checkpoints have them."""

from collections.abc import Callable, Sequence
from typing import Any

from models.search.budget import Budget
from models.search.constraints import Filtering
from models.search.evolution_archive import Archive
from models.search.evolution_rules import (
    Children,
    Parents,
    draw_children,
    first_population,
    ranked,
)
from models.seeding import generator


class Draws:
    """Draw generations; every process draws the same.

    Args:
        filtering: what may be evaluated.
        budget: with the costs of the networks that will be trained.
        costs: names of those that are worked out for every child.
        tournament: draws of which the best becomes a parent.
        crossover: chance that a child has two parents.
        seed: of the search.
    """

    def __init__(
        self,
        filtering: Filtering,
        budget: Budget,
        costs: Sequence[str],
        tournament: int,
        crossover: float,
        seed: int,
    ) -> None:
        self._space = budget.costs.space
        self._filtering = filtering
        self._budget = budget
        self._costs = costs
        self._tournament = tournament
        self._crossover = crossover
        self._seed = seed

    def first(self, count: int) -> dict[str, Any]:
        """Draw the first generation from the whole space. Raises ValueError if nothing fits."""
        return self._described(
            lambda: first_population(self._space, count, self._filtering, self._budget, self._seed)
        )

    def next(
        self, count: int, archive: Archive, living: Sequence[int], number: int
    ) -> dict[str, Any]:
        """Draw the children of those who live.

        Args:
            count: how many.
            archive: everything that was evaluated.
            living: indices in it.
            number: of the generation.
        """
        parents = Parents(
            [archive.architectures[i] for i in living],
            ranked(archive.values, living),
            self._tournament,
            self._crossover,
        )
        draw = generator(self._seed, "sample", number)
        return self._described(
            lambda: draw_children(
                self._space, parents, count, archive.architectures, self._filtering.keeps, draw
            )
        )

    def _described(self, draw: Callable[[], Children]) -> dict[str, Any]:
        """Draw, and return children, their costs and how many were refused, as builtins."""
        before = self._filtering.refused.copy()
        found = draw()
        return {
            "children": [self._space.format(one) for one in found.architectures],
            "costs": [self._budget.costs.of(one, self._costs) for one in found.architectures],
            "drawn": found.drawn,
            "known": found.known,
            "refused": dict(self._filtering.refused - before),
        }
