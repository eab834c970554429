"""Everything that an evolution has evaluated: its objectives, the best of it, the front."""

from collections.abc import Iterable, Sequence
from typing import Any

from models.analysis.front import Front, make_front
from models.indicators.base import Indicator
from models.indicators.naswot import ActivationOverlap
from models.indicators.rank_aggregate import RankAggregate
from models.search.costs import COSTS
from models.search.evolution_rules import Objective, Values, objective_name, values_of
from models.search.sampling_rules import indicators_of
from models.spaces import SearchSpace

_SCORES = Indicator | RankAggregate


class Archive:
    """Architectures and what is on record of them, in the order of their evaluation.

    Args:
        space: whose architectures.
        objectives: indicators, aggregates and costs.

    Attributes:
        entries: text, costs and scores, or the reason of a failure, as `history` has them.
        architectures: the same ones.
    """

    def __init__(self, space: SearchSpace, objectives: Sequence[Objective]) -> None:
        self.space = space
        self.objectives = objectives
        self.entries: list[dict[str, Any]] = []
        self.architectures: list[Any] = []
        self.values: list[Values] = []
        """Objectives, higher is better; None for a failure. An aggregate's change as it grows."""

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entries: Iterable[dict[str, Any]]) -> None:
        """Take in what was evaluated."""
        for entry in entries:
            self.entries.append(entry)
            self.architectures.append(self.space.parse(entry["candidate"]))
        self.values = values_of(self.objectives, self.entries)

    @property
    def failed(self) -> int:
        """How many evaluations failed."""
        return self.values.count(None)

    def best(self) -> dict[str, float]:
        """Return the best score by each indicator, of an aggregate's best its parts' scores.

        The tags are `best_<indicator>` and `least_<cost>`; none while nothing has a score.
        """
        found: dict[str, float] = {}
        if self.failed == len(self):
            return found
        for place, one in enumerate(self.objectives):
            own = [(values[place], -i) for i, values in enumerate(self.values) if values]
            entry = self.entries[-max(own)[1]]
            if isinstance(one, str):
                found[f"least_{one}"] = entry["costs"][one]
            else:
                for part in indicators_of(one):
                    found[f"best_{part.name}"] = entry["scores"][part.name][0]
        return found

    def front(self, prefer_first: bool) -> Front | None:
        """Return the front over everything, as `make_front`; None while nothing has a score."""
        scored = [(values, i) for i, values in enumerate(self.values) if values]
        if not scored:
            return None
        return make_front(
            [objective_name(one) for one in self.objectives],
            [not isinstance(one, str) and one.higher_is_better for one in self.objectives],
            [values for values, _ in scored],
            [self.entries[i]["candidate"] for _, i in scored],
            prefer_first,
        )


def checked_objectives(objectives: Objective | Sequence[Objective] | None) -> list[Objective]:
    """Return objectives as a list, by default `ActivationOverlap`.

    Raises:
        ValueError: two of one name, a cost that does not exist, or no indicator.
    """
    given: list[Any] = [ActivationOverlap()] if objectives is None else []
    if objectives is not None:
        given = list(objectives) if isinstance(objectives, list | tuple) else [objectives]
    for one in given:
        if one not in COSTS if isinstance(one, str) else not isinstance(one, _SCORES):
            raise ValueError(
                f"objectives: expected indicators and costs ({', '.join(COSTS)}), got {one!r:.40}"
            )
    names = [str(getattr(one, "name", one)) for one in given]
    if len(set(names)) != len(names):
        raise ValueError(f"objectives: expected different ones, got {', '.join(names)}")
    if all(isinstance(one, str) for one in given):
        found = ", ".join(names) or "none"
        raise ValueError(f"objectives: expected one indicator or more, got {found}")
    return given


def check_numbers(**numbers: tuple[float, float, float | None]) -> None:
    """Refuse arguments out of range.

    Args:
        **numbers: by the argument's name its value, the least and the greatest allowed, None for
            no greatest.

    Raises:
        ValueError: one line that names the argument and what is allowed.
    """
    for name, (value, least, greatest) in numbers.items():
        if not (value >= least and (greatest is None or value <= greatest)):
            allowed = f"{least} or more" if greatest is None else f"{least} to {greatest}"
            raise ValueError(f"{name}: expected {allowed}, got {value}")
