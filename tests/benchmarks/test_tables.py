"""Reading tables of published accuracies."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.benchmarks import read_csv
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS, read_table
from models.spaces import (
    DartsSpace,
    NasBench101Space,
    NasBench201Space,
    TransNasMicroSpace,
    VisionTransformerSpace,
)

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
MIDDLE = BEST.replace("none", "skip_connect")
WORST = BEST.replace("nor_conv_3x3", "none")
ACCURACIES = {BEST: (94.0, 73.0, 46.0), MIDDLE: (93.0, 73.0, 47.0), WORST: (10.0, 1.0, 0.8)}


def write_table(path: Path, rows: dict[str, tuple[Any, ...]] = ACCURACIES) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS.values(), ARCHITECTURE])
        writer.writerows([*accuracies, cell] for cell, accuracies in rows.items())
    return path


def test_accuracy_and_rank(tmp_path: Path) -> None:
    figures = read_table(write_table(tmp_path / "table.csv")).look_up(MIDDLE)
    assert figures == {
        "cifar10_accuracy": 93.0,
        "cifar10_rank": 2.0,
        "cifar100_accuracy": 73.0,
        "cifar100_rank": 1.0,  # two cells share the best accuracy
        "imagenet16_120_accuracy": 47.0,
        "imagenet16_120_rank": 1.0,
    }


def test_a_missing_cell_is_named(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / "table.csv", {BEST: (1.0, 2.0, 3.0)}))
    with pytest.raises(ValueError, match=r"path: table.csv has no architecture \|nor_conv_3x3~0"):
        table.look_up(MIDDLE)


HEADER = ",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column"),
        ("a,b\n1,2\n", "has no column ArchitectureString, CIFAR100Test"),
        (HEADER, "has no rows"),
        (HEADER + "1,x,3,|a|\n", "line 2: expected a number"),
        (HEADER + "1,2\n", "line 2: expected a number"),
        (HEADER + "1,nan,3,|a|\n", "line 2: expected a number"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_nats_bench_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The optional package is asked for its 200-epoch test accuracy, cell by cell."""
    cells = list(ACCURACIES)

    class Api:
        def __len__(self) -> int:
            return len(cells)

        def arch(self, index: int) -> str:
            return cells[index]

        def get_more_info(
            self, index: int, dataset: str, hp: str, is_random: bool
        ) -> dict[str, float]:
            assert hp == "200"
            assert not is_random
            column = ["cifar10", "cifar100", "ImageNet16-120"].index(dataset)
            return {"test-accuracy": ACCURACIES[cells[index]][column]}

    fake = SimpleNamespace(create=lambda *_, **__: Api())
    monkeypatch.setitem(sys.modules, "nats_bench", fake)
    assert read_table(tmp_path).look_up(MIDDLE)["cifar10_accuracy"] == 93.0


def test_nats_bench_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats_bench", None)
    with pytest.raises(ValueError, match="pip install nats_bench, or give a CSV"):
        read_table(tmp_path)


@pytest.mark.real_data
def test_the_whole_space_is_in_the_table(shared_data: Path) -> None:
    table = read_table(shared_data / "nasbench201_test_accuracy.csv")
    assert len(table) == 15625
    best = max(table, key=lambda cell: table[cell]["cifar10"])
    assert table.rank(best, "cifar10") == 1
    assert table[best]["cifar10"] == pytest.approx(94.37, abs=0.01)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def test_a_field_may_be_empty(tmp_path: Path) -> None:
    """An architecture without an accuracy on a dataset; without any it is left out."""
    path = write(tmp_path / "t.csv", "net,one,two", "a,1,", "b,2,5", "c,,", "d,3,4")
    table = read_csv(path, "net", {"x": "one", "y": "two"})
    assert list(table) == ["a", "b", "d"]
    assert table.datasets == ("x", "y")
    assert table["a"] == {"x": 1.0}
    assert table.look_up("a") == {"x_accuracy": 1.0, "x_rank": 3.0}
    assert table.rank("d", "y") == 2
    assert list(read_csv(path, "net", {})) == ["a", "b", "c", "d"]


def test_an_architecture_of_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "depth,heads,top1", '12,"[3, 4]",75', '13,"[4, 3]",76')
    table = read_csv(path, ["depth", "heads"], {"imagenet": "top1"})
    assert list(table) == ['{"depth": 12, "heads": [3, 4]}', '{"depth": 13, "heads": [4, 3]}']
    bad = write(tmp_path / "bad.csv", "depth,heads", "12,x", "13,")
    with pytest.raises(ValueError, match="line 2: expected JSON in heads, got 'x'"):
        read_csv(bad, ["depth", "heads"], {})


def test_rows_of_one_architecture_are_one(tmp_path: Path) -> None:
    """NAS-Bench-101's records name matrices that are not pruned."""
    space = NasBench101Space()
    names = ["module_adjacency", "module_operations"]
    whole = '"[[0, 1, 1], [0, 0, 0], [0, 0, 0]]","[""input"", ""maxpool3x3"", ""output""]"'
    rows = ('"[[0, 1], [0, 0]]","[""input"", ""output""]",80', f"{whole},82")
    table = read_csv(write(tmp_path / "t.csv", ",".join([*names, "a"]), *rows), names, {"x": "a"})
    assert len(table) == 2
    own = table.of(space)
    (cell,) = table.architectures(space)
    assert dict(own[space.format(cell)]) == {"x": 81.0}
    assert len(own) == 1
    with pytest.raises(ValueError, match="no table of the space darts: DARTS genotype"):
        table.of(DartsSpace())


def test_four_columns_are_a_transformer(tmp_path: Path) -> None:
    """AutoFormer's tables; not all of its networks were trained on all data sets."""
    lists = [f'"[{", ".join([value] * 12)}]"' for value in ("3.5", "4.0", "3", "4")]
    path = write(
        tmp_path / "t.csv",
        "embedding,depth,mlp_ratios,heads,flowers,imagenet",
        f"192,12,{lists[0]},{lists[2]},,75.0",
        f"240,12,{lists[1]},{lists[3]},53.7,76.5",
    )
    space, names = VisionTransformerSpace(), ["embedding", "depth", "mlp_ratios", "heads"]
    table = read_csv(path, names, {"imagenet": "imagenet", "flowers": "flowers"})
    small, large = table.architectures(space)
    assert (small.embedding, small.mlp_ratios, small.heads) == (192, (3.5,) * 12, (3,) * 12)
    own = table.of(space)
    assert dict(own[space.format(small)]) == {"imagenet": 75.0}
    assert own.look_up(space.format(large)) == {
        "imagenet_accuracy": 76.5,
        "imagenet_rank": 1.0,
        "flowers_accuracy": 53.7,
        "flowers_rank": 1.0,
    }
    bad = write(tmp_path / "bad.csv", ",".join(names), f"200,12,{lists[0]},{lists[2]}")
    with pytest.raises(ValueError, match=r"embedding.* 200"):
        read_csv(bad, names, {}).of(space)


TABLES = {
    "nasbench201_validation_accuracy": (
        NasBench201Space(),
        "architecture",
        ["cifar10_valid_200_epochs", "cifar10_valid_12_epochs", "seconds_12_epochs"],
        15_625,
    ),
    "transnas_micro": (TransNasMicroSpace(), "architecture", ["class_object"], 4_096),
    "nasbench101_sample": (
        NasBench101Space(),
        ["module_adjacency", "module_operations"],
        ["validation_accuracy"],
        169,
    ),
    "darts_sample": (DartsSpace(), "genotype", ["cifar10_accuracy"], 500),
    "autoformer_tiny_sample": (
        VisionTransformerSpace(),
        ["embedding", "depth", "mlp_ratios", "heads"],
        ["imagenet_in_supernet", "cifar100", "flowers", "chaoyang"],
        100,
    ),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", TABLES)
def test_tables_of_published_accuracies(shared_data: Path, name: str) -> None:
    space, architecture, columns, count = TABLES[name]
    path = shared_data / f"{name}.csv"
    table = read_csv(path, architecture, {column: column for column in columns}).of(space)
    assert len(table) == count
    assert table.datasets == tuple(columns)
