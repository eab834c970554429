"""What indicators share is what each computes alone, and takes as long in the books."""

import itertools

import pytest
import torch
from torch import nn

from models.indicators import (
    Expressivity,
    Flops,
    Indicator,
    Layers,
    Parameters,
    Progressivity,
    SynFlow,
    Trainability,
)
from models.indicators.shared import Shared, offer, once
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
