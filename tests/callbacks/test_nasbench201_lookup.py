"""Looking up what a search found."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks import NasBench201Lookup
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.spaces import DartsSpace, NasBench201Space

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
SECOND = BEST.replace("none", "skip_connect")


@pytest.fixture
def callback(tmp_path: Path) -> NasBench201Lookup:
    path = tmp_path / "table.csv"
    header = ",".join([ARCHITECTURE, *COLUMNS.values()])
    path.write_text(f"{header}\n{BEST},94,73,46\n{SECOND},93,73,47\n")
    return NasBench201Lookup(str(path))


class Found(pl.LightningModule):
    """A search that has ended."""

    finished = True
    architecture = NasBench201Space().parse(SECOND)
    space: Any = NasBench201Space()


def test_logs_at_the_end(callback: NasBench201Lookup) -> None:
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
    assert (metrics["lookup/cifar10_accuracy"], metrics["lookup/cifar10_rank"]) == (93, 2)


def test_what_is_no_search_of_the_table_s_space_is_refused(callback: NasBench201Lookup) -> None:
    trainer: Any = None
    with pytest.raises(MisconfigurationException, match="LightningModule is no search"):
        callback.setup(trainer, pl.LightningModule(), "fit")
    module = Found()
    module.space = DartsSpace()
    with pytest.raises(MisconfigurationException, match="no table of the space darts"):
        callback.setup(trainer, module, "fit")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"path: no look-up table at nowhere\.csv"):
        NasBench201Lookup("nowhere.csv")
