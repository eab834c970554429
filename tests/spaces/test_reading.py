"""Architectures read from text, and from what a search left."""

import json
import sys
from pathlib import Path

import pytest

from models.spaces import (
    DartsGenotype,
    DartsSpace,
    NasBench201Space,
    as_supernet_space,
    read_architecture,
    space_named,
)

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"

# As published: DARTS (arXiv 1806.09055), both orders, and TE-NAS (arXiv 2102.11535).
RELEASED = {
    "DARTS_V1": (
        "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), "
        "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
        "('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
        "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0), "
        "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], "
        "reduce_concat=[2, 3, 4, 5])"
    ),
    "DARTS_V2": (Path(__file__).parents[1] / "data" / "darts_v2.txt").read_text().strip(),
    # Of TE-NAS's evaluation code.
    "TENAS_imagenet_110": (
        "Genotype(normal=[('dil_conv_5x5', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 0), "
        "('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 2), ('dil_conv_5x5', 1), "
        "('dil_conv_5x5', 3)], normal_concat=[2, 3, 4, 5], reduce=[('dil_conv_5x5', 0), "
        "('sep_conv_3x3', 1), ('dil_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_5x5', 1), "
        "('sep_conv_5x5', 3), ('skip_connect', 3), ('sep_conv_5x5', 4)], "
        "reduce_concat=[2, 3, 4, 5])"
    ),
}


def written(folder: Path, **content: object) -> str:
    path = folder / "architecture.json"
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("name", RELEASED)
def test_released_genotypes_parse(name: str) -> None:
    genotype = read_architecture(DartsSpace(), RELEASED[name])
    assert isinstance(genotype, DartsGenotype)
    ranges = RELEASED[name].replace("[2, 3, 4, 5]", "range(2, 6)")
    assert read_architecture(DartsSpace(), ranges) == genotype
    assert read_architecture(DartsSpace(), str(genotype)) == genotype
    assert read_architecture(DartsSpace(), json.dumps(genotype.to_json())) == genotype


def test_the_file_of_a_search(tmp_path: Path) -> None:
    space = NasBench201Space()
    expected = space.parse(CELL)
    assert read_architecture(space, f" {CELL}\n") == expected
    for content in ({"architecture": CELL, "space": "nasbench201"}, {"architecture": CELL}):
        assert read_architecture(space, written(tmp_path, **content)) == expected


def test_a_member_of_a_search_s_front(tmp_path: Path) -> None:
    space = NasBench201Space()
    other = CELL.replace("none", "skip_connect")
    members = [{"number": 1, "architecture": other}, {"number": 2, "architecture": CELL}]
    path = written(tmp_path, architecture=CELL, members=members)
    assert read_architecture(space, path) == space.parse(CELL)
    assert read_architecture(space, f"{path}#1") == space.parse(other)
    assert read_architecture(space, f" {path}#2\n") == space.parse(CELL)
    for number in (0, 3):
        with pytest.raises(ValueError, match=rf"json has #1 to #2, got #{number}$"):
            read_architecture(space, f"{path}#{number}")
    with pytest.raises(ValueError, match="json has one architecture and no other members, got #1"):
        read_architecture(space, written(tmp_path, architecture=CELL) + "#1")
    for members in ([3], 3, [{}]):
        with pytest.raises(ValueError, match="json has damaged 'members'"):
            read_architecture(space, written(tmp_path, architecture=CELL, members=members) + "#1")
    with pytest.raises(FileNotFoundError, match=r"no file nothere\.json$"):
        read_architecture(space, "nothere.json#2")
    with pytest.raises(ValueError, match="architecture: "):
        read_architecture(space, f"{path}#two")


def test_files_that_are_no_architecture(tmp_path: Path) -> None:
    space = DartsSpace()
    with pytest.raises(FileNotFoundError, match=r"architecture: no file nothere\.json"):
        read_architecture(space, "nothere.json")
    with pytest.raises(ValueError, match=r"architecture: .* has no 'architecture': not the file"):
        read_architecture(space, written(tmp_path, cell=CELL))
    with pytest.raises(ValueError, match="is of the space nasbench201, expected darts"):
        read_architecture(space, written(tmp_path, architecture=CELL, space="nasbench201"))
    with pytest.raises(ValueError, match=r"is of the space nasbench201, expected darts"):
        read_architecture(space, written(tmp_path, architecture=CELL))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"architecture: .*x\.json is no JSON"):
        read_architecture(space, str(tmp_path / "x.json"))


@pytest.mark.parametrize(
    ("space", "text", "message"),
    [
        (
            "nasbench201",
            CELL.replace("avg_pool_3x3", "max_pool"),
            "unknown operation 'max_pool'; a",
        ),
        ("nasbench201", CELL.replace("|avg_pool_3x3~2|", "|"), "with 2 operation.s., expected 3"),
        ("nasbench201", RELEASED["DARTS_V1"], "is of the space darts, expected nasbench201"),
        ("darts", CELL, "is of the space nasbench201, expected darts"),
        ("darts", RELEASED["DARTS_V2"].replace("dil_conv_3x3", "conv"), "unknown operation 'conv'"),
        ("darts", RELEASED["DARTS_V2"].replace("('dil_conv_3x3', 2)", ""), "8 .* pairs, got 7"),
        ("darts", RELEASED["DARTS_V2"].replace("dil_conv_3x3', 2", "dil_conv_3x3', 5"), "enters"),
        ("darts", "hello", "expected Genotype"),
    ],
)
def test_mistakes_are_one_line(space: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read_architecture(space_named(space), text)
    assert str(error.value).startswith("architecture: ")
    assert "\n" not in str(error.value)


def test_a_genotype_must_be_text() -> None:
    genotype = DartsSpace().parse(RELEASED["DARTS_V2"])
    with pytest.raises(ValueError, match=r"expected a string, got DartsGenotype; str\(\)"):
        read_architecture(DartsSpace(), genotype)  # type: ignore[arg-type]


def test_spaces_have_names() -> None:
    assert isinstance(space_named("darts"), DartsSpace)

    class Own(NasBench201Space):
        name = "own"

    with pytest.raises(
        ValueError, match=r"space: expected one of .*darts, .*nasbench201.*got 'dart'"
    ):
        space_named("dart")
    assert isinstance(space_named("own"), Own)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("class Mine(", "own_space.Mine", "own_space.Mine cannot be imported: .*never closed"),
        ("import nothing_of_that_name", "own_space.Mine", "No module named 'nothing_of_that_name'"),
        ("", "own_space.Mine", "cannot be imported: .*has no attribute 'Mine'"),
        ("class Mine: ...", "own_space.Mine", "is no models.spaces.SearchSpace"),
        (
            "from models.spaces import SearchSpace\nclass Mine(SearchSpace): ...",
            "own_space.Mine",
            "own_space.Mine lacks count, format, from_json, network, parse",
        ),
        ("", "no_such_module.Mine", "No module named 'no_such_module'"),
    ],
)
def test_a_class_that_cannot_be_used_says_why(
    content: str, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_space.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_space", raising=False)
    with pytest.raises(ValueError, match=f"space: .*{message}"):
        space_named(name)
    sys.modules.pop("own_space", None)


def test_a_space_without_a_supernet_is_refused_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs" / "examples")
    with pytest.raises(ValueError, match="PruningSearch needs a supernet, chain has none"):
        as_supernet_space("chain_space.ChainSpace", "PruningSearch")
