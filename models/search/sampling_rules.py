"""The rules of a search by sampling, on plain values: what is drawn, what wins."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from models.indicators.base import Indicator
from models.indicators.rank_aggregate import RankAggregate
from models.spaces import SearchSpace

Scores = Sequence[float] | None
"""An architecture's score by each indicator, or None where one failed."""


def draw_distinct(space: SearchSpace, samples: int, generator: torch.Generator) -> list[Any]:
    """`samples` different architectures, in the order in which they were drawn.

    Raises:
        ValueError: the space has fewer.
    """
    if not 1 <= samples <= space.count:
        raise ValueError(f"samples: expected 1 to {space.count} for {space.name}, got {samples}")
    drawn: dict[Any, None] = {}
    while len(drawn) < samples:
        drawn[space.random_architecture(generator)] = None
    return list(drawn)


def indicators_of(indicator: Indicator | RankAggregate) -> tuple[Indicator, ...]:
    """Return the indicators to compute: the one given, or those of an aggregate."""
    return indicator.indicators if isinstance(indicator, RankAggregate) else (indicator,)


def merits(indicator: Indicator | RankAggregate, scores: Sequence[Scores]) -> list[float | None]:
    """One number per architecture, higher is better, None where an evaluation failed.

    Those of an aggregate are comparable within `scores` only.
    """
    if isinstance(indicator, RankAggregate):
        rows = [
            [None if own is None else own[i] for own in scores]
            for i in range(len(indicator.indicators))
        ]
        return indicator.aggregate(rows)
    sign = 1 if indicator.higher_is_better else -1
    return [None if own is None else sign * own[0] for own in scores]


def best(indicator: Indicator | RankAggregate, scores: Sequence[Scores]) -> int | None:
    """Index of the best architecture, the first one on a tie; None if all failed."""
    valued = [(merit, -i) for i, merit in enumerate(merits(indicator, scores)) if merit is not None]
    return -max(valued)[1] if valued else None


class Repetition(NamedTuple):
    """Outcome of many searches over one pool."""

    winners: list[int]
    """Index of each run's winner in the pool; runs in which nothing was left are missing."""
    evaluated: list[int]
    """Architectures that each run scored."""


def repeat(
    indicator: Indicator | RankAggregate,
    scores: Sequence[Scores],
    kept: Sequence[bool],
    samples: int,
    runs: int,
    generator: torch.Generator,
) -> Repetition:
    """Search `runs` times over a pool of architectures whose scores are known.

    Args:
        indicator: what picks the winner.
        scores: of each architecture of the pool.
        kept: whether the filter keeps each of them.
        samples: different architectures that a run draws from the pool.
        runs: how many searches.
        generator: the only source of randomness; it advances.

    Raises:
        ValueError: a pool smaller than `samples`.
    """
    if not 1 <= samples <= len(scores):
        raise ValueError(
            f"samples: expected 1 to {len(scores)}, the size of the pool, got {samples}"
        )
    winners, evaluated = [], []
    for _ in range(runs):
        drawn = torch.randperm(len(scores), generator=generator)[:samples].tolist()
        own = [i for i in drawn if kept[i]]
        evaluated.append(len(own))
        winner = best(indicator, [scores[i] for i in own])
        if winner is not None:
            winners.append(own[winner])
    return Repetition(winners, evaluated)
