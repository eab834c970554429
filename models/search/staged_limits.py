"""What an architecture must meet to be scored in stages, and to go on."""

from collections.abc import Iterable, Mapping
from typing import Any

from models.search.budget import Budget
from models.search.constraints import Filter, Filtering


class StagedLimits:
    """Constraints and a budget, of which a latency that must be measured comes last.

    Measuring takes longer than the scores of a first stage. So it is done for those alone that
    would go on to the second, the best first, and not before anything is scored.

    Args:
        filter: constraints, one or a list; by default none.
        budget: the whole of it, with the costs of the networks that will be trained.

    Raises:
        ValueError: constraints that cannot be asked of the space.
    """

    def __init__(
        self,
        filter: Filter,
        budget: Budget,
    ) -> None:
        self.budget = budget
        self.costs = budget.costs
        bounds = dict(self.budget.bounds)
        self._measured = bounds.pop("latency_ms") if self.budget.measures else None
        self._filtering = Filtering(
            filter,
            self.costs.space,
            self.costs.in_shape,
            self.costs.num_classes,
            Budget(bounds or None, self.costs),
        )

    def refuses(self, architecture: Any) -> str | None:
        """Return what refuses an architecture before it is scored, such as `budget.parameters`."""
        if self._filtering.keeps(architecture):
            return None
        (name,) = self._filtering.refused
        self._filtering.clear()
        return name

    def is_fast(self, architecture: Any) -> bool:
        """Whether a latency that must be measured keeps its bound; measures it the first time."""
        if self._measured is None:
            return True
        return self.costs.latency(architecture).median <= self._measured

    @property
    def too_slow(self) -> int:
        """How many architectures were measured and refused."""
        if self._measured is None:
            return 0
        return sum(median > self._measured for median, _ in self.costs.state().values())

    def state(self) -> dict[str, list[float]]:
        """Return the latencies measured, on which a resume decides."""
        return {} if self._measured is None else self.costs.state()

    def explain(self, architectures: Iterable[Any], refused: Mapping[str, int]) -> str:
        """Say in one line why none of some architectures is left.

        Args:
            architectures: all of them.
            refused: how many of them each constraint and bound refused.
        """
        given = list(architectures)
        line = ", ".join(f"{number} by {name}" for name, number in refused.items())
        if not self.budget.bounds:
            return f"filter: keeps none of {len(given)} architectures; refused {line}"
        least = ", ".join(
            f"{name} {min(self.costs.of(one, [name])[name] for one in given):g}"
            for name in self.budget.bounds
            if name != "latency_ms" or self._measured is None
        )
        smallest = f"; the least that one of them has: {least}" if least else ""
        return f"budget: keeps none of {len(given)} architectures; refused {line}{smallest}"
