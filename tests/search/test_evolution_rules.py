"""The rules of an evolution against slow ones, and what children are."""

import random
from collections import Counter
from typing import Any

import pytest
import torch

from models.indicators import Layers, Parameters, RankAggregate, SynFlow
from models.search.evolution_rules import (
    TRIES,
    Parents,
    draw_children,
    fittest,
    ranked,
    tournament,
    values_of,
    youngest,
)
from models.spaces import DartsSpace, NasBench201Space

SPACE = NasBench201Space()


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def slow_keys(values: list[tuple[float, ...]], indices: list[int]) -> dict[int, tuple[Any, ...]]:
    """Front and crowding by definition (Deb et al. 2002): greater is better."""
    left, keys, rank = set(indices), {}, 0
    while left:
        front = [
            i
            for i in sorted(left)
            if not any(
                all(a >= b for a, b in zip(values[j], values[i], strict=True))
                and values[j] != values[i]
                for j in left
            )
        ]
        crowding = dict.fromkeys(front, 0.0)
        for place in range(len(values[0])):
            order = sorted(front, key=lambda i: values[i][place])
            spread = values[order[-1]][place] - values[order[0]][place]
            crowding[order[0]] = crowding[order[-1]] = float("inf")
            for before, i, after in zip(order, order[1:], order[2:], strict=False):
                gap = values[after][place] - values[before][place]
                crowding[i] += gap / spread / len(values[0])
        keys |= {i: (-rank, crowding[i], -i) for i in front}
        left -= set(front)
        rank += 1
    return keys


@pytest.mark.parametrize("objectives", [2, 3])
def test_several_objectives_are_nsga2(objectives: int) -> None:
    draw = random.Random(objectives)
    values: list[Any] = [tuple(draw.random() for _ in range(objectives)) for _ in range(40)]
    values[3] = values[17] = None
    among = [i for i in range(40) if i % 4]
    valid = [i for i in among if values[i] is not None]
    expected = slow_keys(values, valid)
    found = ranked(values, valid)
    for i, key in zip(valid, found, strict=True):
        assert key == pytest.approx(expected[i])
    survivors = sorted(sorted(valid, key=lambda i: expected[i], reverse=True)[:12])
    assert fittest(values, among, 12) == survivors
    assert fittest(values, among, 100) == valid


def test_one_objective_is_age_and_value() -> None:
    values = [(3.0,), None, (1.0,), (3.0,), (2.0,)]
    assert youngest(values, 3) == [2, 3, 4]
    assert youngest(values, 9) == [0, 2, 3, 4]
    keys = ranked(values, [0, 2, 3])
    assert max(keys) == keys[0]  # evaluated before its equal
    assert keys[2] > keys[1]
    assert ranked(values, []) == []


def test_tournament_finds_the_best_of_its_draws() -> None:
    generator = seeded(0)
    wins = Counter(tournament([(0.0,), (1.0,), (2.0,)], 2, generator) for _ in range(3000))
    for place, expected in enumerate((1 / 9, 3 / 9, 5 / 9)):
        assert wins[place] / 3000 == pytest.approx(expected, abs=0.03)


def test_objectives_of_entries() -> None:
    aggregate = RankAggregate([SynFlow(), Layers()], "linear")
    entries = [
        {"scores": {"synflow": [2.0], "layers": [3.0]}, "costs": {"parameters": 10.0}},
        {"scores": {"synflow": [1.0]}, "costs": {"parameters": 5.0}, "error": "layers: it broke"},
        {"scores": {"synflow": [4.0], "layers": [3.0]}, "costs": {"parameters": 20.0}},
    ]
    found = values_of([aggregate, "parameters", SynFlow()], entries)
    assert found == [(1 / 2 + 1.5 / 2, -10.0, 2.0), None, (1 + 1.5 / 2, -20.0, 4.0)]
    assert values_of([Parameters()], []) == []


@pytest.mark.parametrize("space", [NasBench201Space(), DartsSpace()], ids=lambda one: one.name)
def test_children_are_new_different_and_near(space: Any) -> None:
    parents = [space.canonical(space.random_architecture(seeded(i))) for i in range(3)]
    keys = [(0.0,), (1.0,), (2.0,)]

    def draw(crossover: float) -> Any:
        chosen = Parents(parents, keys, 2, crossover)
        return draw_children(space, chosen, 30, parents, lambda _: True, seeded(5))

    found = draw(0.0)
    assert len(set(found.architectures)) == 30
    assert not set(found.architectures) & set(parents)
    assert all(space.canonical(one) == one for one in found.architectures)
    assert found.drawn == 30 + found.known
    assert draw(0.0) == found
    assert draw(1.0) != found


def test_without_parents_children_are_drawn_from_the_space() -> None:
    found = draw_children(SPACE, Parents(), 20, [], lambda _: True, seeded(1))
    generator = seeded(1)
    drawn = [SPACE.canonical(SPACE.random_architecture(generator)) for _ in range(found.drawn)]
    assert found.architectures == list(dict.fromkeys(drawn))


def test_a_known_child_is_mutated_on() -> None:
    parent = SPACE.canonical(SPACE.random_architecture(seeded(2)))
    neighbours = {parent}
    generator = seeded(3)
    for _ in range(400):
        neighbours.add(SPACE.canonical(SPACE.mutate(parent, generator)))
    parents = Parents([parent], [(0.0,)], 2, 0.0)
    found = draw_children(SPACE, parents, 5, neighbours, lambda _: True, seeded(4))
    assert len(found.architectures) == 5
    assert found.known >= 5
    for child in found.architectures:
        pairs = zip(child.operations, parent.operations, strict=True)
        assert sum(a != b for a, b in pairs) >= 2


def test_refused_children_are_drawn_anew_and_given_up() -> None:
    def without_pool(cell: Any) -> bool:
        return "avg_pool_3x3" not in cell.operations

    found = draw_children(SPACE, Parents(), 20, [], without_pool, seeded(1))
    assert all(map(without_pool, found.architectures))
    assert found.drawn > len(found.architectures) + found.known
    none = draw_children(SPACE, Parents(), 20, [], lambda _: False, seeded(1))
    assert none.architectures == []
    assert none.drawn == TRIES
