"""The MobileNet space: its notation, its draws, its sizes, and what can be done with it."""

import json
from collections import Counter
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from models.networks import MobileStage
from models.spaces import MobileChain, MobileNetSpace, NasBench201Space, space_named
from models.testing import check_space
from models.topology import effective_depth_width

SPACE = MobileNetSpace()
V2 = SPACE.mobilenet_v2
TEXT = (
    "k3_e1_c16_n1_se0-k3_e6_c24_n2_se0-k3_e6_c32_n3_se0-k3_e6_c64_n4_se0-k3_e6_c96_n3_se0-"
    "k3_e6_c160_n3_se0-k3_e6_c320_n1_se0"
)
SMALLEST, LARGEST = (
    MobileChain(tuple(MobileStage(k, e, widths[place], n, se) for widths in MobileChain.WIDTHS))
    for place, k, e, n, se in ((0, 3, 1, 1, False), (-1, 7, 6, 4, True))
)


def numbers(architecture: MobileChain, num_classes: int = 10) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in SPACE.network(architecture, num_classes).parameters())


def values(architecture: MobileChain) -> list[int]:
    """The 35 choices."""
    return [value for stage in SPACE.to_json(architecture) for value in stage.values()]


def test_keeps_the_contract() -> None:
    check_space(SPACE)
    assert isinstance(space_named("mobilenet"), MobileNetSpace)


def test_mobilenet_v2_is_a_member() -> None:
    assert SPACE.format(V2) == TEXT
    assert SPACE.parse(f" {TEXT}\n") == V2
    assert numbers(V2, 1000) == 3_504_872
    assert effective_depth_width(SPACE.topologies(V2)["network"]) == (23.0, 2**10 / 23)


def test_sizes_from_thousands_to_ten_millions() -> None:
    assert (numbers(SMALLEST), numbers(LARGEST)) == (13_730, 10_111_782)


def test_count() -> None:
    assert SPACE.count == 3**8 * 4**6 * (3 * 4) ** 0 * (4 * 4 * 2) ** 7


def test_draws_are_uniform_over_every_choice() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = [values(SPACE.random_architecture(generator)) for _ in range(10_000)]
    p = []
    for place, column in enumerate(zip(*drawn, strict=True)):
        counts = Counter(column)
        allowed = list(MobileChain.choices(place // 5).values())[place % 5]
        assert set(counts) == set(allowed)
        p.append(chisquare(list(counts.values())).pvalue)
    assert min(p) > 0.05 / len(p) / 10
    assert sum(value < 0.05 for value in p) < 7  # of 35, 1.75 expected


def test_mutation_changes_one_choice_and_reaches_all() -> None:
    generator = torch.Generator().manual_seed(2)
    seen: set[tuple[int, int]] = set()
    one = V2
    for _ in range(2_000):
        other = SPACE.mutate(one, generator)
        changed = [i for i, (a, b) in enumerate(zip(values(one), values(other), strict=True))
                   if a != b]  # fmt: skip
        assert len(changed) == 1
        assert SPACE.parse(SPACE.format(other)) == other
        one = other
        seen |= set(enumerate(values(one)))
    offered = sum(len(v) for stage in range(7) for v in MobileChain.choices(stage).values())
    assert len(seen) == offered


def test_crossover_takes_every_choice_from_one_of_two() -> None:
    generator = torch.Generator().manual_seed(3)
    shares = torch.zeros(35)
    for _ in range(400):
        child = SPACE.crossover(SMALLEST, LARGEST, generator)
        parents = zip(values(child), values(SMALLEST), values(LARGEST), strict=True)
        first = []
        for own, small, large in parents:
            assert own in (small, large)
            first.append(own == small)
        shares += torch.tensor(first) / 400
    assert shares.min() > 0.38
    assert shares.max() < 0.62


def test_extremes_are_those_of_all_chains() -> None:
    """d̄ and m̄ depend on the sums over stages alone: these are found stage by stage."""
    sums = {(0, 0)}  # residual connections, twice the depth
    for _ in range(7):
        sums = {
            (r + n - 1, d + operations * (n + 1))
            for r, d in sums
            for n in (1, 2, 3, 4)
            for operations in (1, 2)
        }
    depths = {d / 2 for _, d in sums}
    widths = {2**r / (d / 2) for r, d in sums}
    extremes = SPACE.extremes()
    assert [float(end) for end in extremes.depth] == [min(depths), max(depths)]
    assert [float(end) for end in extremes.width] == [min(widths), max(widths)]
    for architecture in (SMALLEST, LARGEST):
        depth, _ = effective_depth_width(SPACE.topologies(architecture)["network"])
        assert depth in extremes.depth


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (
            TEXT.replace("k3_e1", "k4_e1"),
            "stage 1 is 'k4_e1_c16_n1_se0': kernel must be one of",
        ),
        (TEXT.replace("c160", "c320"), "'k3_e6_c320_n3_se0': width must be one of 40, 80, 160"),
        (TEXT.replace("_se0-", "_se2-", 1), "'k3_e1_c16_n1_se2' is no stage"),
        (TEXT.partition("-")[2], "expected 7 stages, got 6: 'k3_e6_c24_n2_se0-"),
        ("|nor_conv_3x3~0|", "'|nor_conv_3x3~0|' is no stage, such as k3_e6_c24_n2_se0"),
        (None, "expected a string, got None"),
    ],
)
def test_errors_quote_the_offending_part(text: Any, quoted: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is looked at below
        SPACE.parse(text)
    assert quoted in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        "k3",
        [3],
        [{"kernel": 3}] * 7,
        [{**json.loads(json.dumps(SPACE.to_json(V2)))[0], "squeeze": 1}] * 7,
        [{**SPACE.to_json(V2)[0], "kernel": "3"}] * 7,
    ],
)
def test_refuses_other_json(value: Any) -> None:
    with pytest.raises(ValueError, match=r"MobileNet: .*(is no stage|expected a list of stages)"):
        SPACE.from_json(value)


def test_refuses_what_is_not_its_own() -> None:
    cell = next(NasBench201Space().architectures())
    for method in (SPACE.format, SPACE.to_json, SPACE.network, SPACE.topologies):
        with pytest.raises(ValueError, match="expected a MobileChain, got NasBench201Cell"):
            method(cell)  # type: ignore[operator]
