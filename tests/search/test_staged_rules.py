"""Stages on plain values: who is scored, and who goes on."""

from math import log, prod

import pytest
import torch

from models.indicators import Indicator, Parameters, SynFlow, Trainability
from models.search.staged_rules import Stage, default_stages, pool_of, ranking
from models.spaces import MobileNetSpace, NasBench201Space
from models.topology import NasBench201Cell

SPACE = NasBench201Space()


class Up(SynFlow):
    name = "up"


class Down(SynFlow):
    name = "down"
    higher_is_better = False


@pytest.fixture(scope="module")
def pool() -> list[NasBench201Cell]:
    return list(pool_of(SPACE, SPACE.architectures()).architectures)


def test_one_of_each_class_of_the_whole_space(pool: list[NasBench201Cell]) -> None:
    """5,259 functions, and one representative without a path, which is left out."""
    functions = {cell.function for cell in SPACE.architectures()} - {""}
    assert [cell.function for cell in pool] == list(dict.fromkeys(c.function for c in pool))
    assert {cell.function for cell in pool} == functions
    assert len(pool) == 5259
    whole = pool_of(SPACE, SPACE.architectures())
    assert whole.isomorphic == 15_625 - 5259 - 1
    assert whole.disconnected == 1


def test_a_drawn_architecture_stands_for_its_class() -> None:
    longer = SPACE.parse("|skip_connect~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|")
    shorter = SPACE.parse("|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|")
    found = pool_of(SPACE, [longer, shorter, longer])
    assert found == ([shorter], 2, 0)


def test_a_space_without_graphs_or_classes_keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    space, generator = MobileNetSpace(), torch.Generator().manual_seed(0)
    drawn = [space.random_architecture(generator) for _ in range(4)]
    monkeypatch.setattr(space, "topologies", lambda _: {})
    assert pool_of(space, drawn) == (drawn, 0, 0)


def reference(stage: Stage, scores: list[dict[str, list[float]] | None]) -> list[int]:
    """Places by counting, their means over repeats, and the product of these."""
    valid = [i for i, own in enumerate(scores) if own is not None]

    def place(one: Indicator, repeat: int, i: int) -> float:
        sign = 1 if one.higher_is_better else -1
        column = [sign * own[one.name][repeat] for own in scores if own is not None]
        mine = sign * scores[i][one.name][repeat]  # type: ignore[index]
        return sum(v < mine for v in column) + (sum(v == mine for v in column) + 1) / 2

    def merit(i: int) -> float:
        repeats = range(stage.repeats)
        return log(prod(sum(place(one, r, i) for r in repeats) for one in stage.indicators))

    return sorted(valid, key=lambda i: (-round(merit(i), 9), i))


def test_ranks_are_averaged_over_repeats_before_their_logarithms_are_added() -> None:
    stage = Stage([Up(), Down()], repeats=3)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(5, (2, 20, 3), generator=generator).double().tolist()
    scores = [{"up": up, "down": down} for up, down in zip(*drawn, strict=True)]
    scores[4] = scores[11] = None
    order = ranking(stage, scores)
    assert order == reference(stage, scores)
    assert sorted(order) == [i for i in range(20) if i not in (4, 11)]


def test_ties_go_to_the_earlier_and_failures_nowhere() -> None:
    stage = Stage([Up()])
    assert ranking(stage, [{"up": [1.0]}, None, {"up": [2.0]}, {"up": [2.0]}]) == [2, 3, 0]
    assert ranking(stage, [None, None]) == []


def test_a_stage_is_scored_on_the_networks_of_its_proxy() -> None:
    assert Stage([SynFlow()]).setting(SPACE) == SPACE.proxy("small", "synflow")
    both = [SynFlow(), Trainability()]
    assert Stage(both).setting(SPACE) == SPACE.proxy("small", "rank_aggregate")
    assert Stage(both, proxy="synflow").setting(SPACE) == SPACE.proxy("small", "synflow")
    own = Stage(both, network={"channels": 2}, batch_size=3).setting(SPACE)
    assert own == ({"channels": 2}, 3)


def test_the_default_stages_deepen() -> None:
    first, second = (stage.setting(SPACE) for stage in default_stages())
    assert first == ({"channels": 4, "cells_per_stage": 1}, 32)
    assert second == ({"channels": 4, "cells_per_stage": 5}, 16)
    assert default_stages()[-1].keep is None
    assert Parameters.name in {one.name for one in default_stages()[0].indicators}
