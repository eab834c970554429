"""Aggregates of ranks against scipy's ranks."""

import math

import pytest
import torch
from scipy.stats import rankdata

from models.indicators.base import Indicator
from models.indicators.rank_aggregate import RankAggregate
from models.indicators.size import Layers, Parameters


class _Lower(Indicator):
    name = "lower"
    higher_is_better = False

    def score(self, network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        raise NotImplementedError


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_adds_the_ranks_of_every_indicator(scale: str) -> None:
    a, b = torch.randint(20, (30,)).double().tolist(), torch.randn(30).double().tolist()
    ranks = [rankdata(a) / 30, rankdata([-x for x in b]) / 30]
    expected = [sum(math.log(r[i]) if scale == "log" else r[i] for r in ranks) for i in range(30)]
    result = RankAggregate([Layers(), _Lower()], scale).aggregate([a, b])
    assert result == pytest.approx(expected)


def test_a_failed_candidate_is_left_out_and_cannot_win() -> None:
    aggregate = RankAggregate([Layers(), Parameters()], "linear")
    assert aggregate.aggregate([[1, 2, None, 3], [1, 3, 99, None]]) == [1.0, 2.0, None, None]
    assert aggregate.aggregate([[None], [1.0]]) == [None]


def test_an_infinite_condition_number_ranks_last() -> None:
    result = RankAggregate([_Lower()], "linear").aggregate([[math.inf, 3.0, 2.0]])
    assert result == pytest.approx([1 / 3, 2 / 3, 1])


def test_large_scores_keep_their_order() -> None:
    result = RankAggregate([Parameters()], "linear").aggregate([[2.0**53 - 1, 2.0**53]])
    assert result == pytest.approx([0.5, 1])


def test_the_default_holds_five() -> None:
    names = [indicator.name for indicator in RankAggregate().indicators]
    assert names == ["synflow", "parameters", "layers", "trainability", "progressivity"]


def test_refuses_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RankAggregate([])
    with pytest.raises(ValueError, match="log or linear, given 'cubic'"):
        RankAggregate([Layers()], "cubic")  # type: ignore[arg-type]
    aggregate = RankAggregate([Layers(), Parameters()])
    with pytest.raises(ValueError, match="one row for each of 2 indicators, given 1"):
        aggregate.aggregate([[1.0]])
    with pytest.raises(ValueError, match=r"rows of one length, given \[1, 2\]"):
        aggregate.aggregate([[1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match="NaN, given one for parameters"):
        aggregate.aggregate([[1.0], [math.nan]])
