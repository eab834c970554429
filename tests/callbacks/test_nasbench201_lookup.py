"""Looking up what a search found."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks import NasBench201Lookup
from callbacks.nasbench201_lookup import look_up
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS, read_table

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


class Found(pl.LightningModule):
    """A search that has ended."""

    finished = True
    architecture = MIDDLE


def test_accuracy_and_rank(tmp_path: Path) -> None:
    figures = look_up(read_table(write_table(tmp_path / "table.csv")), MIDDLE)
    assert figures == {
        "lookup/cifar10_accuracy": 93.0,
        "lookup/cifar10_rank": 2.0,
        "lookup/cifar100_accuracy": 73.0,
        "lookup/cifar100_rank": 1.0,  # two cells share the best accuracy
        "lookup/imagenet16_120_accuracy": 47.0,
        "lookup/imagenet16_120_rank": 1.0,
    }


def test_logs_at_the_end(tmp_path: Path) -> None:
    callback = NasBench201Lookup(str(write_table(tmp_path / "table.csv")))
    logged: list[tuple[dict[str, float], int]] = []
    logger = SimpleNamespace(log_metrics=lambda metrics, step: logged.append((metrics, step)))
    trainer: Any = SimpleNamespace(loggers=[logger], global_step=36)
    module = Found()
    callback.setup(trainer, module, "fit")
    module.finished = False
    callback.on_train_end(trainer, module)
    assert logged == []  # nothing was found
    module.finished = True
    callback.on_train_end(trainer, module)
    ((metrics, step),) = logged
    assert step == 36
    assert metrics["lookup/cifar10_rank"] == 2


def test_a_missing_cell_is_named(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / "table.csv", {BEST: (1.0, 2.0, 3.0)}))
    with pytest.raises(ValueError, match=r"path: table has no cell \|nor_conv_3x3~0"):
        look_up(table, MIDDLE)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"path: no look-up table at nowhere\.csv"):
        NasBench201Lookup("nowhere.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "has no column ArchitectureString, CIFAR100Test"),
        (",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n", "has no rows"),
        (",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n1,x,3,|a|\n", "line 2: not a cell"),
        (",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n1,2\n", "line 2: not a cell"),
        (",".join([*COLUMNS.values(), ARCHITECTURE]) + "\n1,nan,3,|a|\n", "line 2: not a cell"),
        ("", "has no column"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_another_module_is_refused(tmp_path: Path) -> None:
    callback = NasBench201Lookup(str(write_table(tmp_path / "table.csv")))
    trainer: Any = None
    with pytest.raises(MisconfigurationException, match="LightningModule is no search"):
        callback.setup(trainer, pl.LightningModule(), "fit")


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
    assert look_up(read_table(tmp_path), MIDDLE)["lookup/cifar10_accuracy"] == 93.0


def test_nats_bench_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats_bench", None)
    with pytest.raises(ValueError, match="pip install nats_bench, or give a CSV"):
        read_table(tmp_path)


@pytest.mark.real_data
def test_the_whole_space_is_in_the_table(shared_data: Path) -> None:
    table = read_table(shared_data / "nasbench201_test_accuracy.csv")
    assert len(table) == 15625
    best = max(table, key=lambda cell: table[cell]["cifar10"])
    assert look_up(table, best)["lookup/cifar10_rank"] == 1
    assert table[best]["cifar10"] == pytest.approx(94.37, abs=0.01)
