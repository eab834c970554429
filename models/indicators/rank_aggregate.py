"""Several indicators as one: sums of ranks over a population."""

from collections.abc import Sequence
from math import isnan
from typing import Literal

import torch

from models.indicators.az_nas import Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.size import Layers, Parameters
from models.indicators.synflow import SynFlow


class RankAggregate:
    """Ranks the candidates by each indicator, worst 1 to best m, and adds up; higher is better.

    `log` adds log(rank/m), so that one bad rank weighs more than many good ones make up for
    (AZ-NAS, arXiv 2403.19232, Eq. 12; VKDNW); `linear` adds rank/m (TE-NAS). Ties share the mean of
    their ranks.

    Args:
        indicators: what to aggregate. By default SynFlow, parameters, layers, trainability and
            progressivity, which find good NAS-Bench-201 cells on deep and narrow networks
            (docs/search.md).
        scale: `log` or `linear`.

    Raises:
        ValueError: no indicator, or another scale.
    """

    name = "rank_aggregate"
    higher_is_better = True

    def __init__(
        self,
        indicators: Sequence[Indicator] | None = None,
        scale: Literal["log", "linear"] = "log",
    ) -> None:
        if indicators is None:
            indicators = (SynFlow(), Parameters(), Layers(), Trainability(), Progressivity())
        if not indicators:
            raise ValueError("indicators must hold at least one, given none")
        if scale not in ("log", "linear"):
            raise ValueError(f"scale must be log or linear, given {scale!r}")
        self.indicators = tuple(indicators)
        self.scale = scale

    def aggregate(self, scores: Sequence[Sequence[float | None]]) -> list[float | None]:
        """One score per candidate, comparable within this population only.

        Args:
            scores: for each indicator, in order, the scores of all candidates; None where an
                evaluation failed. A candidate that failed once is left out of every ranking, and
                its aggregate is None. Infinite scores are ranked.

        Raises:
            ValueError: not one row per indicator, rows of different lengths, or NaN.
        """
        if len(scores) != len(self.indicators):
            raise ValueError(
                f"scores must have one row for each of {len(self.indicators)} indicators, "
                f"given {len(scores)}"
            )
        if len({len(row) for row in scores}) != 1:
            raise ValueError(
                f"scores must have rows of one length, given {[len(row) for row in scores]}"
            )
        for indicator, row in zip(self.indicators, scores, strict=True):
            if any(s is not None and isnan(s) for s in row):
                raise ValueError(f"scores must not be NaN, given one for {indicator.name}")
        valid = [i for i, column in enumerate(zip(*scores, strict=True)) if None not in column]
        total = torch.zeros(len(valid), dtype=torch.float64)
        for indicator, row in zip(self.indicators, scores, strict=True):
            sign = 1 if indicator.higher_is_better else -1
            values = [sign * s for i in valid if (s := row[i]) is not None]
            share = ranks(torch.tensor(values, dtype=torch.float64)) / len(valid)
            total += share.log() if self.scale == "log" else share
        result: list[float | None] = [None] * len(scores[0])
        for i, value in zip(valid, total.tolist(), strict=True):
            result[i] = value
        return result


def ranks(values: torch.Tensor) -> torch.Tensor:
    """1 for the lowest to m for the highest, float64; ties share their mean rank."""
    sorted_values = values.sort().values
    below = torch.searchsorted(sorted_values, values)
    up_to = torch.searchsorted(sorted_values, values, side="right")
    return (below + 1 + up_to).double() / 2
