"""The rules of an evolution, on plain values: who lives, who has children, what these are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from models.analysis.front import non_dominated_fronts
from models.indicators.base import Indicator
from models.indicators.rank_aggregate import RankAggregate
from models.search.budget import Budget
from models.search.constraints import Filtering
from models.search.feasible import draw_feasible
from models.search.sampling_rules import indicators_of, merits
from models.seeding import generator
from models.spaces import SearchSpace

Objective = Indicator | RankAggregate | Literal["parameters", "multiply_adds", "latency_ms"]
"""What an evolution looks for: high scores, or low costs."""

Values = tuple[float, ...] | None
"""An architecture's objectives, higher is better, or None where an evaluation failed."""

TRIES = 500
"""Draws in a row that give nothing new before a generation is left smaller than asked for."""


def objective_name(objective: Objective) -> str:
    """Return what logs and files call an objective."""
    return objective if isinstance(objective, str) else objective.name


def values_of(
    objectives: Sequence[Objective], entries: Sequence[Mapping[str, Any]]
) -> list[Values]:
    """Return the objectives of what was evaluated, higher is better, None for a failure.

    Those of an aggregate are merits among all entries.

    Args:
        objectives: indicators, aggregates and costs.
        entries: of the history, with `scores` and `costs` by name, or an `error`.
    """
    columns: list[list[float | None]] = []
    for one in objectives:
        if isinstance(one, str):
            columns.append([None if "error" in e else -e["costs"][one] for e in entries])
            continue
        names = [own.name for own in indicators_of(one)]
        scores = [
            None if "error" in e else tuple(e["scores"][name][0] for name in names) for e in entries
        ]
        columns.append(merits(one, scores))
    rows = zip(*columns, strict=True)
    return [None if None in row else tuple(map(float, row)) for row in rows]


def youngest(values: Sequence[Values], population: int) -> list[int]:
    """Return who lives by age, the oldest dying: the last `population` that did not fail.

    Args:
        values: of all that was evaluated, in that order.
        population: how many live.
    """
    return [i for i, own in enumerate(values) if own is not None][-population:]


def fittest(values: Sequence[Values], among: Sequence[int], population: int) -> list[int]:
    """Return who lives by NSGA-II: the first fronts whole, of the last the least crowded.

    Args:
        values: of all that was evaluated, in that order.
        among: indices of those who lived before and of the new; who failed among them dies.
        population: how many live.
    """
    valid = [i for i in among if values[i] is not None]
    order = ranked(values, valid)
    kept = sorted(range(len(valid)), key=lambda i: order[i], reverse=True)[:population]
    return sorted(valid[i] for i in kept)


def ranked(values: Sequence[Values], living: Sequence[int]) -> list[tuple[float, ...]]:
    """Return what the living compete by, one tuple each, in their order; the greatest wins.

    With one objective that is the objective; with several the front, then the crowding distance in
    it (Deb et al. 2002). Whoever was evaluated first wins a tie.
    """
    own = [one for i in living if (one := values[i]) is not None]
    if not own or len(own[0]) == 1:
        return [(*one, -i) for one, i in zip(own, living, strict=True)]
    # Loaded by who needs it: the library takes half a second.
    from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function

    points = -np.array(own, dtype=float)
    keys: list[tuple[float, ...]] = [()] * len(living)
    for rank, front in enumerate(non_dominated_fronts(own)):
        crowding = get_crowding_function("cd").do(points[front])
        for i, distance in zip(front, crowding.tolist(), strict=True):
            keys[i] = (-rank, distance, -living[i])
    return keys


def tournament(keys: Sequence[tuple[float, ...]], size: int, draw: torch.Generator) -> int:
    """Return the place of the best of `size` draws, with replacement."""
    drawn = torch.randint(len(keys), (size,), generator=draw).tolist()
    return max(map(int, drawn), key=lambda i: keys[i])


class Parents(NamedTuple):
    """Who may have children, and how they are chosen."""

    architectures: Sequence[Any] = ()
    """None: children are drawn from the whole space."""
    keys: Sequence[tuple[float, ...]] = ()
    """What each competes by; the greatest wins."""
    tournament: int = 2
    """Draws of which the best becomes a parent."""
    crossover: float = 0.0
    """Chance of a second parent."""


class Children(NamedTuple):
    """The architectures that a generation evaluates."""

    architectures: list[Any]
    """Representatives of their isomorphism classes, all different and new."""
    drawn: int
    """How many were drawn, the known and the refused among them."""
    known: int
    """How many had been evaluated, or drawn before in this generation."""


def draw_children(
    space: SearchSpace,
    parents: Parents,
    count: int,
    known: Collection[Any],
    keeps: Callable[[Any], bool],
    draw: torch.Generator,
) -> Children:
    """Draw new architectures: mutants of the parents, or of what two parents have in common.

    A child that is known is mutated on, so that parents all of whose neighbours are known still
    have children; one that is refused is drawn anew. After `TRIES` draws in a row without a new
    architecture there are fewer than `count`.

    Args:
        space: whose `random_architecture`, `mutate`, `crossover` and `canonical`.
        parents: of the children.
        count: how many.
        known: representatives of the classes that were evaluated.
        keeps: whether an architecture may be evaluated.
        draw: the only source of randomness; it advances.
    """
    seen = set(known)
    children: list[Any] = []
    drawn = repeated = in_vain = 0
    child: Any = None  # a known one, to be mutated on
    while len(children) < count and in_vain < TRIES:
        drawn += 1
        in_vain += 1
        if not parents.architectures:
            child = space.random_architecture(draw)
        elif child is None:
            child = _mated(space, parents, draw)
        else:
            child = space.mutate(child, draw)
        own = space.canonical(child)
        if own in seen:
            repeated += 1
            continue
        if keeps(own):
            seen.add(own)
            children.append(own)
            in_vain = 0
        child = None
    return Children(children, drawn, repeated)


def first_population(
    space: SearchSpace, count: int, filtering: Filtering, budget: Budget, seed: int
) -> Children:
    """Draw the first generation from the whole space.

    Raises:
        ValueError: the budget lets nothing through.
    """
    if not budget.bounds:
        draw = generator(seed, "sample", 0)
        return draw_children(space, Parents(), count, (), filtering.keeps, draw)
    kept, tried = draw_feasible(space, count, filtering, budget, seed)
    different = dict.fromkeys(map(space.canonical, kept))
    # The latency of a representative may be another, where a table has one for each.
    return Children(list(filter(filtering.keeps, different)), tried, len(kept) - len(different))


def _mated(space: SearchSpace, parents: Parents, draw: torch.Generator) -> Any:
    """Return a mutant of a parent, or of the child of two."""

    def choose() -> Any:
        return parents.architectures[tournament(parents.keys, parents.tournament, draw)]

    child = choose()
    if float(torch.rand((), generator=draw)) < parents.crossover:
        child = space.crossover(child, choose(), draw)
    return space.mutate(child, draw)
