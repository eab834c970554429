"""Contracts that spaces and indicators are held to, and that catch what breaks them."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models import indicators
from models.indicators import Indicator
from models.spaces import DartsSpace, NasBench201Space, SearchSpace
from models.testing import check_indicator, check_space

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
ALL = [
    kind()
    for name in indicators.__all__
    if isinstance(kind := getattr(indicators, name), type)
    and issubclass(kind, Indicator)
    and kind is not Indicator
]


@pytest.mark.parametrize("indicator", ALL, ids=lambda one: one.name)
def test_our_indicators(indicator: Indicator) -> None:
    check_indicator(indicator)


@pytest.mark.parametrize("space", [NasBench201Space(), DartsSpace()], ids=lambda one: one.name)
def test_our_spaces(space: SearchSpace) -> None:
    check_space(space)


@pytest.mark.parametrize(
    ("module", "name"),
    [("chain_space", "ChainSpace"), ("small_space", "SmallSpace"), ("gated_space", "GatedSpace")],
)
def test_the_spaces_of_the_page(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    check_space(getattr(importlib.import_module(module), name)())


class Mean(Indicator):
    """A score that keeps every promise."""

    name = "mean"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        if len(images) < 2:
            raise ValueError(f"images: expected 2 or more, got {len(images)}")
        return float(images.mean())


class Unnamed(Mean):
    name = None  # type: ignore[assignment]


class Forgetful(Mean):
    def __init__(self, power: int = 2) -> None:
        self.exponent = power


class Moving(Mean):
    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        super().score(network, images, labels)
        return float(network(images).sum())  # moves running statistics


class Training(Mean):
    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        network.eval()
        return super().score(network, images, labels)


class Counting(Mean):
    calls = 0

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        self.calls += 1
        return super().score(network, images, labels) + self.calls


class Infinite(Mean):
    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        return float("inf")


class OneImage(Mean):
    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        return float(images.mean())


def test_a_sound_indicator_passes() -> None:
    check_indicator(Mean())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Unnamed, "Unnamed.name is None, expected a str"),
        (Forgetful, "Forgetful has no attribute power"),
        (Moving, "Moving changes the network: .*running_mean"),
        (Training, "Training changes the network: .*mode"),
        (Counting, "Counting: another score from the same random state"),
        (Infinite, "Infinite: the score is inf"),
        (OneImage, "OneImage scores a single image, expected ValueError"),
    ],
)
def test_a_broken_indicator_is_told(kind: Callable[[], Indicator], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_indicator(kind())


class Words(SearchSpace[str]):
    """Four words: the smallest space that keeps every promise."""

    name = "words"
    count = 4  # type: ignore[assignment]

    def parse(self, text: str) -> str:
        if text not in ("a", "b", "c", "d"):
            raise ValueError(f"expected a, b, c or d, got {text!r}")
        return text

    def format(self, architecture: str) -> str:
        return architecture

    def to_json(self, architecture: str) -> str:
        return architecture

    def from_json(self, value: Any) -> str:
        return self.parse(value)

    def random_architecture(self, generator: torch.Generator) -> str:
        return "abcd"[int(torch.randint(4, (1,), generator=generator))]

    def network(
        self, architecture: str, num_classes: int = 10, in_channels: int = 3, **_: Any
    ) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


class Lossy(Words):
    def format(self, architecture: str) -> str:
        return "a"


class Global(Words):
    def random_architecture(self, generator: torch.Generator) -> str:
        return "abcd"[int(torch.randint(4, (1,)))]


class Narrow(Words):
    def random_architecture(self, generator: torch.Generator) -> str:
        return "abc"[int(torch.randint(3, (1,), generator=generator))]


class Idle(Words):
    def mutate(self, architecture: str, generator: torch.Generator) -> str:
        return architecture


class Twins(Words):
    def canonical(self, architecture: str) -> str:
        return "bada"["abcd".index(architecture)]


class Wide(Words):
    def network(self, *args: Any, **_: Any) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))


def test_a_sound_space_passes() -> None:
    check_space(Words())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Lossy, "Lossy.parse gives another one for a"),
        (Global, "Global.random_architecture is no function of the generator alone"),
        (Narrow, "Narrow: 80 draws give 3 architectures"),
        (Idle, "Idle.mutate gives the same architecture"),
        (Twins, "Twins.canonical of [abcd] has another canonical"),
        (Wide, r"Wide.network returns \(2, 3\), expected \(2, 5\)"),
    ],
)
def test_a_broken_space_is_told(kind: Callable[[], SearchSpace], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind())
