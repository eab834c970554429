"""Reading tables of published accuracies."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS, read_table, table_path

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


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"path: no look-up table at nowhere\.csv"):
        table_path("nowhere.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "has no column ArchitectureString, CIFAR100Test"),
        (",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n", "has no rows"),
        (
            ",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n1,x,3,|a|\n",
            "expected a number",
        ),
        (",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n1,2\n", "expected a number"),
        (
            ",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n1,nan,3,|a|\n",
            "expected a number",
        ),
        ("", "has no column"),
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
