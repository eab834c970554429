"""Fronts against their definition, what is chosen, and the table."""

import random

import pytest

from models.analysis.front import knee, make_front, non_dominated_fronts, table
from models.analysis.front_figures import front_figure


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True)) and a != b


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_fronts_are_what_none_dominates(objectives: int) -> None:
    draw = random.Random(0)
    points = [tuple(float(draw.randint(0, 6)) for _ in range(objectives)) for _ in range(60)]
    left, expected = set(range(60)), []
    while left:
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        expected.append(sorted(front))
        left -= set(front)
    assert non_dominated_fronts(points) == expected
    assert non_dominated_fronts([]) == []


def test_the_knee_is_farthest_from_the_line_between_the_ends() -> None:
    points = [(10.0, 0.0), (9.0, 60.0), (6.0, 80.0), (0.0, 100.0)]
    assert knee(points) == 1
    assert knee([(1.0, 5.0)]) == 0
    assert knee([(1.0, 2.0), (1.0, 2.0)]) == 0


def make(count: int, prefer_first: bool = False):
    """Of `count` on the front, beside one that is dominated."""
    values = [(float(i), -float(i * i)) for i in range(count)] + [(-1.0, -5.0)]
    names = [f"cell {i}" for i in range(count + 1)]
    return make_front(["score", "parameters"], [True, False], values, names, prefer_first)


def test_members_from_the_best_by_the_first_objective() -> None:
    front = make(5)
    assert front.members == [4, 3, 2, 1, 0]
    assert front.values[4] == (4.0, 16.0)
    assert front.names[front.members[front.chosen]] == "cell 2"
    assert front.why == "the front's knee"
    assert front.rows()[0] == {
        "number": 1,
        "score": 4.0,
        "parameters": 16.0,
        "chosen": False,
        "architecture": "cell 4",
    }
    within = make(4, prefer_first=True)
    assert within.chosen == 0
    assert within.why == "the best score within the budget"


def test_one_objective_keeps_the_ten_best() -> None:
    values = [(float(i % 7),) for i in range(30)]
    front = make_front(["kappa"], [False], values, [str(i) for i in range(30)], False)
    assert front.members == [6, 13, 20, 27, 5, 12, 19, 26, 4, 11]
    assert front.chosen == 0
    assert front.values[6] == (-6.0,)
    assert front.why == "the best kappa"


@pytest.mark.parametrize("count", [1, 5, 10, 11, 60])
def test_a_table_has_ten_lines_and_the_chosen_one(count: int) -> None:
    front = make(count)
    header, *lines = table(front).splitlines()
    assert header.split() == ["#", "score", "parameters", "architecture"]
    assert len(lines) == min(count, 10)
    numbers = [int(line.replace(">", " ").split()[0]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert {1, count} <= set(numbers)
    (chosen,) = [line for line in lines if line.startswith(">")]
    assert int(chosen[1:].split()[0]) == front.chosen + 1
    assert chosen.endswith(front.names[front.members[front.chosen]])


def test_the_picture_has_a_panel_per_further_objective() -> None:
    two = front_figure(make(5))
    assert [axes.get_xlabel() for axes in two.axes] == ["parameters"]
    assert two.axes[0].get_ylabel() == "score"
    every, members, chosen = (len(one.get_offsets()) for one in two.axes[0].collections)
    assert (every, members, chosen) == (6, 5, 1)
    one = make_front(["kappa"], [False], [(1.0,), (2.0,)], ["a", "b"], False)
    assert [axes.get_xlabel() for axes in front_figure(one).axes] == ["evaluation"]
