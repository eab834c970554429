"""The rules of a search by sampling, on plain values."""

from statistics import fmean

import pytest
import torch

from models.indicators import NTKConditionNumber, Parameters, RankAggregate, SynFlow
from models.search.sampling_rules import best, draw_distinct, merits, repeat
from models.spaces import NasBench201Space

UP, DOWN = Parameters(), NTKConditionNumber()


def test_what_is_drawn_is_distinct_and_uniform_whatever_the_number():
    space = NasBench201Space()
    few = draw_distinct(space, 10, torch.Generator().manual_seed(3))
    many = draw_distinct(space, 2000, torch.Generator().manual_seed(3))
    assert many[:10] == few
    assert len(set(many)) == 2000
    share = fmean(cell.operations[0] == "none" for cell in many)
    assert share == pytest.approx(1 / 5, abs=0.03)


@pytest.mark.parametrize("samples", [0, 15626])
def test_more_than_the_space_has_is_refused(samples):
    with pytest.raises(ValueError, match=f"samples: expected 1 to 15625 .*, got {samples}"):
        draw_distinct(NasBench201Space(), samples, torch.Generator())


def test_the_best_by_direction():
    assert best(UP, [(1.0,), (3.0,), (2.0,)]) == 1
    assert best(DOWN, [(2.0,), (3.0,), (1.0,)]) == 2


def test_failures_cannot_win_however_bad_the_rest():
    assert best(UP, [None, (-1e300,), None]) == 1
    assert best(DOWN, [None, (1e300,), None]) == 1
    assert best(UP, [None, None]) is None
    assert best(UP, []) is None


def test_ties_go_to_the_first():
    assert best(UP, [(1.0,), (3.0,), (3.0,)]) == 1
    assert best(RankAggregate([UP, DOWN]), [(1.0, 1.0), (2.0, 2.0)]) == 0


def test_an_aggregate_ranks_what_was_scored():
    aggregate = RankAggregate([UP, DOWN, SynFlow()], "linear")
    scores = [(1.0, 1.0, 5.0), None, (2.0, 2.0, 6.0), (3.0, 9.0, 7.0)]
    # ranks 1+3+1, 2+2+2, 3+1+3 of three
    assert merits(aggregate, scores) == [pytest.approx(5 / 3), None, 2.0, pytest.approx(7 / 3)]
    assert best(aggregate, scores) == 3
    assert best(aggregate, [None, None]) is None


def test_repetition_against_one_search_at_a_time():
    scores = [(float(s),) for s in torch.randperm(50).tolist()]
    scores[7] = None
    kept = [i % 3 != 0 for i in range(50)]
    found = repeat(UP, scores, kept, 10, 20, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    for winner, evaluated in zip(found.winners, found.evaluated, strict=True):
        own = [i for i in torch.randperm(50, generator=generator)[:10].tolist() if kept[i]]
        assert evaluated == len(own)
        assert winner == max((i for i in own if scores[i]), key=lambda i: scores[i])
    whole = repeat(UP, scores, [True] * 50, 50, 3, torch.Generator())
    assert {scores[i] for i in whole.winners} == {max(s for s in scores if s)}


def test_runs_in_which_nothing_is_left_have_no_winner():
    found = repeat(UP, [(1.0,), (2.0,)], [False, True], 1, 40, torch.Generator().manual_seed(0))
    assert set(found.winners) == {1}
    assert len(found.winners) == sum(found.evaluated) < 40


def test_a_pool_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="samples: expected 1 to 2, the size of the pool, got 3"):
        repeat(UP, [(1.0,), (2.0,)], [True, True], 3, 1, torch.Generator())
