"""What indicators share is what each computes alone, and takes as long in the books."""

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datamodules import DigitsDataModule
from models import SamplingSearch
from models.indicators import (
    Expressivity,
    Flops,
    Indicator,
    Layers,
    Parameters,
    Progressivity,
    RankAggregate,
    SynFlow,
    Trainability,
)
from models.indicators.shared import Shared, offer, once
from models.networks import NasBench201Network
from models.spaces import DartsSpace, NasBench201Space

IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(4)
NETWORKS = {
    "nasbench201": (NasBench201Space(), {"channels": 4, "cells_per_stage": 2}),
    "darts": (DartsSpace(), {"channels": 4, "cells": 3}),
}


def network(space: str) -> nn.Module:
    own, sizes = NETWORKS[space]
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    made = own.network(own.random_architecture(generator), **sizes)
    return made.train()


def score(indicator: Indicator, network: nn.Module) -> float:
    torch.manual_seed(1)
    return indicator.score(network, IMAGES, LABELS)


@pytest.mark.parametrize("space", NETWORKS)
@pytest.mark.parametrize(
    "indicators",
    [
        (SynFlow(), Parameters(), Layers(), Trainability(), Progressivity()),
        *itertools.permutations((Trainability(), Progressivity(), Expressivity())),
        (Trainability(seed=1), Trainability(), Flops(), Layers(), Parameters()),
    ],
    ids=lambda indicators: "-".join(one.name for one in indicators),
)
def test_scores_are_those_of_each_alone(space: str, indicators: tuple[Indicator, ...]) -> None:
    alone = [score(one, network(space)) for one in indicators]
    together = network(space)
    with Shared().opened():
        assert [score(one, together) for one in indicators] == alone


def test_networks_images_and_blocks_are_told_apart() -> None:
    first, second = network("nasbench201"), network("darts")
    with Shared().opened():
        for one in (Parameters(), Expressivity()):
            assert score(one, first) != score(one, second)
        whole = Expressivity().score(first, IMAGES, LABELS)
        assert Expressivity().score(first, IMAGES.flip(3) + 1, LABELS) != whole
        assert Expressivity("stem").score(first, IMAGES, LABELS) != whole


def test_nothing_is_kept_after_the_block() -> None:
    calls: list[int] = []

    def compute() -> int:
        calls.append(len(calls))
        return calls[-1]

    assert [once("a", compute), once("a", compute)] == [0, 1]
    with Shared().opened():
        assert [once("a", compute), once("b", compute), once("a", compute)] == [2, 3, 2]
        assert [offer("a", compute, lambda value: -value), once("a", compute)] == [4, -4]
    assert once("a", compute) == 5


def test_a_failure_is_not_kept() -> None:
    def fail() -> int:
        raise ValueError("no")

    with Shared().opened():
        with pytest.raises(ValueError, match="no"):
            once("a", fail)
        assert once("a", lambda: 1) == 1


def test_saved_is_the_time_of_what_was_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def taking(seconds: float, inner: str | None = None) -> int:
        nonlocal now
        if inner:
            once(inner, lambda: taking(10))
        now += seconds
        return 0

    monkeypatch.setattr("models.indicators.shared.time.perf_counter", lambda: now)
    found = Shared()
    with found.opened():
        once("a", lambda: taking(10))
        assert (now, found.saved) == (10, 0)
        once("b", lambda: taking(1, inner="a"))  # 11 by itself
        assert (now, found.saved) == (11, 10)
        once("b", lambda: taking(1, inner="a"))
        assert (now, found.saved) == (11, 21)


# In a search --------------------------------------------------------------------------------------


class TwiceInitialised(Expressivity):
    """Changes the network, and leaves it as it was found."""

    name = "twice_initialised"
    shares = False

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        first = super().score(network, images, labels)
        found = copy.deepcopy(network.state_dict())
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1 + torch.rand(parameter.shape))
        second = super().score(network, images, labels)
        network.load_state_dict(found)
        return second - first


def search(*indicators: Indicator) -> SamplingSearch:
    """Over three cells of the seed, ready to evaluate them."""
    sizes = {"channels": 4, "cells_per_stage": 1}
    made = SamplingSearch(
        DigitsDataModule(),
        NasBench201Space(),
        samples=3,
        indicator=RankAggregate(indicators),
        batch_size=4,
        network=sizes,
    )
    made.images.setup("fit")
    made.on_fit_start()
    return made


def test_a_search_builds_each_network_and_runs_each_forward_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But lets an indicator that changes the network compute by itself."""
    parts = [Expressivity(), TwiceInitialised(), Parameters(), Layers(), Progressivity()]
    alone = [[own.evaluate(cell) for cell in own.kept] for own in map(search, parts)]
    together = search(*parts)
    built, forwards = [], []
    init, forward = NasBench201Network.__init__, NasBench201Network.forward

    def counted_init(self: NasBench201Network, *args: Any, **kwargs: Any) -> None:
        built.append(args)
        init(self, *args, **kwargs)

    def counted_forward(self: NasBench201Network, x: Tensor) -> Tensor:
        forwards.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(NasBench201Network, "__init__", counted_init)
    monkeypatch.setattr(NasBench201Network, "forward", counted_forward)
    found = [together.evaluate(cell) for cell in together.kept]
    assert len(built) == 3
    # features, twice in between, and two images for parameters in use
    assert forwards == 3 * [4, 4, 4, 2]
    for part, own in zip(parts, alone, strict=True):
        assert [one["scores"][part.name] for one in found] == [
            one["scores"][part.name] for one in own
        ]


def test_milliseconds_are_those_of_an_indicator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def features(*_: Any) -> tuple[list[Tensor], None]:
        nonlocal now
        now += 1
        return [torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)], None

    monkeypatch.setattr("models.indicators.az_nas.block_features", features)
    made = search(Expressivity(), Progressivity())
    monkeypatch.setattr("time.perf_counter", lambda: now)
    made.evaluate(made.kept[0])
    assert now == 1
    assert made.milliseconds == {"expressivity": [1000], "progressivity": [1000]}
