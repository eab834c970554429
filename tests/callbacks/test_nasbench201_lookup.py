"""Looking up what a search found."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks import NasBench201Lookup
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.spaces import DartsSpace, NasBench201Space

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
    architecture = NasBench201Space().parse(MIDDLE)
    space = NasBench201Space()


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


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"path: no look-up table at nowhere\.csv"):
        NasBench201Lookup("nowhere.csv")


def test_another_module_is_refused(tmp_path: Path) -> None:
    callback = NasBench201Lookup(str(write_table(tmp_path / "table.csv")))
    trainer: Any = None
    with pytest.raises(MisconfigurationException, match="LightningModule is no search"):
        callback.setup(trainer, pl.LightningModule(), "fit")


def test_another_space_is_refused(tmp_path: Path) -> None:
    callback = NasBench201Lookup(str(write_table(tmp_path / "table.csv")))
    module, trainer = Found(), cast(Any, None)
    module.space = DartsSpace()  # type: ignore[assignment]
    with pytest.raises(MisconfigurationException, match="no table of the space darts"):
        callback.setup(trainer, module, "fit")
