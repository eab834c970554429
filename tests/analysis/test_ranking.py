"""How orders of architectures agree with their accuracy."""

import math
from itertools import combinations

import pytest
import torch

from models.analysis.ranking import aggregate, agreement, as_text, depth_width_scores, ranking
from models.indicators import NTKConditionNumber, Parameters
from models.spaces import DartsSpace
from models.topology import effective_depth_width

SCORES = [3.0, 1.0, 2.0, 2.0, 5.0, -math.inf]
ACCURACIES = [90.0, 10.0, 60.0, 80.0, 70.0, 20.0]


def by_hand_kendall(x: list[float], y: list[float]) -> float:
    """τ_b = (concordant − discordant) / √(pairs untied in x · pairs untied in y)."""
    agree = untied_x = untied_y = 0
    for (a, b), (c, d) in combinations(zip(x, y, strict=True), 2):
        sign_x, sign_y = (a > c) - (a < c), (b > d) - (b < d)
        agree += sign_x * sign_y
        untied_x += sign_x != 0
        untied_y += sign_y != 0
    return agree / math.sqrt(untied_x * untied_y)


def test_agreement_is_that_by_hand() -> None:
    found = agreement(SCORES, ACCURACIES, top=3)
    assert found.kendall == pytest.approx(by_hand_kendall(SCORES, ACCURACIES))
    ranks, truth = [5, 2, 3.5, 3.5, 6, 1], [6, 1, 3, 5, 4, 2]
    mean = 3.5
    covariance = sum((a - mean) * (b - mean) for a, b in zip(ranks, truth, strict=True))
    spread = [sum((a - mean) ** 2 for a in row) for row in (ranks, truth)]
    assert found.spearman == pytest.approx(covariance / math.sqrt(spread[0] * spread[1]))
    gain = [2 ** (a / 100) - 1 for a in (70, 90)] + [(2**0.6 + 2**0.8) / 2 - 1]  # a tie: the mean
    ideal = [2 ** (a / 100) - 1 for a in (90, 80, 70)]
    discount = [1 / math.log2(i + 2) for i in range(3)]
    ratio = [sum(g * d for g, d in zip(row, discount, strict=True)) for row in (gain, ideal)]
    assert found.ndcg == pytest.approx(ratio[0] / ratio[1])
    assert found.top_recall == pytest.approx(2 / 3)  # of 90, 80, 70: 70 and 90
    assert found.best_accuracy == 70


def test_a_perfect_order_and_its_reverse() -> None:
    perfect = agreement(ACCURACIES, ACCURACIES, 2)
    assert perfect == pytest.approx((1, 1, 1, 1, 90))
    assert agreement([-a for a in ACCURACIES], ACCURACIES, 2)[:2] == pytest.approx((-1, -1))


@pytest.mark.parametrize(("scores", "top"), [([1.0], 1), ([1.0, 2.0], 3), ([1.0, 2.0], 0)])
def test_refuses_too_few(scores: list[float], top: int) -> None:
    with pytest.raises(ValueError, match="top: expected 1"):
        agreement(scores, scores, top)


def test_ranking_counts_failures_and_takes_the_median_time() -> None:
    scores = {"one": {"a": 1.0, "b": 2.0}, "two": {"a": 2.0, "b": 1.0, "c": 3.0}}
    table = {"d1": {"a": 10.0, "b": 20.0, "c": 30.0}}
    rows = ranking(scores, table, 0.5, {"one": [1.0, 9.0, 2.0]}, drawn=3)
    assert [(row.cells, row.failed, row.kendall) for row in rows[:1]] == [(2, 1, 1.0)]
    assert rows[0].milliseconds == 2
    assert math.isnan(rows[1].milliseconds)
    lines = as_text(rows).splitlines()
    assert lines[1].startswith("one")  # the best first
    assert "–" in lines[2]
    with pytest.raises(ValueError, match="samples: few scored 1 of 3 cells"):
        ranking({"few": {"a": 1.0}}, table, 0.5, {}, 3)


def test_cells_without_an_accuracy_are_left_out_and_losses_have_no_gain() -> None:
    scores = {"one": {"a": 1.0, "b": 2.0, "c": 0.0, "d": 3.0}}
    table = {"d1": {"a": 10.0, "c": 5.0, "d": 30.0}, "−loss": {"a": -2.0, "b": -1.0, "c": -3.0}}
    first, second = ranking(scores, table, 0.5, {}, drawn=5)
    assert (first.cells, first.failed, first.kendall) == (3, 1, 1.0)
    assert first.ndcg == pytest.approx(1)
    assert (second.cells, second.kendall, second.best_accuracy) == (3, 1.0, -1.0)
    assert math.isnan(second.ndcg)
    assert "1.000/–" in as_text([first, second])


def test_an_aggregate_counts_directions() -> None:
    parts = [Parameters(), NTKConditionNumber()]
    scores = {
        "parameters": {"a": 1.0, "b": 2.0, "c": 3.0},
        "ntk_condition_number": {"a": 9, "b": 5},
    }
    totals = aggregate(parts, scores, ["a", "b", "c"])
    assert list(totals) == ["a", "b"]
    assert totals["b"] > totals["a"]  # more parameters, and better conditioned


def test_depth_and_width_are_means_over_cells() -> None:
    space = DartsSpace()
    genotype = space.random_architecture(torch.Generator().manual_seed(0))
    cells = [effective_depth_width(cell) for cell in (genotype.normal, genotype.reduce)]
    found = depth_width_scores(space, {"a": genotype})
    assert found["effective_depth"]["a"] == pytest.approx((cells[0].depth + cells[1].depth) / 2)
    assert found["effective_width"]["a"] == pytest.approx((cells[0].width + cells[1].width) / 2)
