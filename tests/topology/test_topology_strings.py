"""A thousand strings and values: a valid object, or a ValueError that quotes what is wrong."""

import ast
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from models.topology import Dag, DartsCell, NasBench201Cell

ALPHABET = "0120120122_|+~-. \n\tx九２٣é\x00\ud800{}%'\"\\"
CELL = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def mutated(text: str, rng: random.Random) -> str:
    """A few characters dropped, doubled, replaced, inserted or swapped."""
    chars = list(text)
    for _ in range(rng.randint(0, 3)):
        i = rng.randrange(len(chars)) if chars else 0
        match rng.randrange(5):
            case 0:
                chars[i : i + rng.randint(1, 4)] = []
            case 1:
                chars[i:i] = chars[i : i + rng.randint(1, 5)]
            case 2:
                chars[i : i + 1] = rng.choice(ALPHABET)
            case 3:
                chars.insert(i, rng.choice(ALPHABET))
            case _:
                rng.shuffle(chars) if rng.random() < 0.1 else chars.reverse()
    return "".join(chars)


def random_dag(rng: random.Random) -> str:
    sizes = range(1, rng.randint(2, 7))
    return "_".join("".join(rng.choices("012", k=size)) for size in sizes)


def is_dag(text: str) -> bool:
    """An independent reading: right form, and the output reached by walking forwards."""
    groups = text.strip().split("_")
    if not all(re.fullmatch(r"[012]+", g) and len(g) == t for t, g in enumerate(groups, start=1)):
        return False
    reached = {0}
    for target, group in enumerate(groups, start=1):
        if any(digit != "0" and source in reached for source, digit in enumerate(group)):
            reached.add(target)
    return len(groups) in reached


def is_cell(text: str) -> bool:
    op = f"(?:{'|'.join(NasBench201Cell.OPERATIONS)})"
    nodes = (r"\|" + "".join(rf"{op}~{i}\|" for i in range(n)) for n in (1, 2, 3))
    return re.fullmatch(r"\+".join(nodes), text.strip()) is not None


def quoted(message: str) -> list[str]:
    """What a message quotes."""
    return [ast.literal_eval(text) for text in re.findall(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"", message)]


def check(parse: Callable[[str], object], valid: Callable[[str], bool], text: str) -> None:
    if valid(text):
        assert str(parse(text)) == text.strip()
        return
    with pytest.raises(ValueError, match=r"^(?:dag|NAS-Bench-201 cell): ") as error:
        parse(text)
    assert any(part in text for part in quoted(str(error.value)))


def test_dag_strings() -> None:
    rng = random.Random(0)
    texts = [mutated(random_dag(rng), rng) for _ in range(400)]
    texts += ["".join(rng.choices(ALPHABET, k=rng.randint(0, 12))) for _ in range(100)]
    assert 50 < sum(map(is_dag, texts)) < 450
    for text in texts:
        check(Dag.parse, is_dag, text)


def test_nasbench201_strings() -> None:
    rng = random.Random(1)
    texts = [mutated(CELL, rng) for _ in range(400)]
    texts += ["".join(rng.choices(ALPHABET, k=rng.randint(0, 60))) for _ in range(100)]
    assert 20 < sum(map(is_cell, texts)) < 450
    for text in texts:
        check(NasBench201Cell.parse, is_cell, text)


def test_darts_pairs() -> None:
    rng = random.Random(2)
    junk: list[Any] = [None, -1, 6, 2.0, True, "none", "sep", (), ("skip_connect",), b"x", {0: 1}]
    valid = 0
    for _ in range(200):
        pairs: list[Any] = [
            (rng.choice(DartsCell.OPERATIONS[1:]), source)
            for node in (2, 3, 4, 5)
            for source in rng.sample(range(node), 2)
        ]
        for _ in range(rng.randint(0, 2)):
            i = rng.randrange(len(pairs))
            match rng.randrange(4):
                case 0:
                    del pairs[i]
                case 1:
                    pairs[i] = rng.choice(junk)
                case 2:
                    pairs[i] = (rng.choice(junk), 0)
                case _:
                    pairs[i] = ("skip_connect", rng.choice(junk))
        try:
            cell = DartsCell.parse(pairs)
        except ValueError as error:
            assert "DARTS cell: " in str(error)  # noqa: PT017
        else:
            valid += 1
            assert list(cell.edges) == pairs
    assert 20 < valid < 150


@pytest.mark.parametrize("parse", [Dag.parse, NasBench201Cell.parse, DartsCell.parse])
@pytest.mark.parametrize(
    "value", [None, 2.5, b"2", [], {}, object(), "", "|" * 300_000, ["2"], [[]] * 8]
)
def test_whatever_else(parse: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(dag|NAS-Bench-201 cell|DARTS cell): ") as error:
        parse(value)
    assert len(str(error.value)) < 600
