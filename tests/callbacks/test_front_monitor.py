"""The picture of a front in TensorBoard, of whatever module has one."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from callbacks import FrontMonitor
from models.analysis.front import Front, make_front


class Plain(pl.LightningModule):
    """A module that is none of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Searching(Plain):
    """Nothing in the first epoch, then a front that changes once."""

    def front(self) -> Front | None:
        points = [None, [(1.0, -2.0)], [(1.0, -2.0)], [(1.0, -2.0), (2.0, -3.0)]]
        values = points[self.current_epoch]
        if values is None:
            return None
        names = [f"cell {i}" for i in range(len(values))]
        return make_front(["score", "parameters"], [True, False], values, names, False)


def fit(module: pl.LightningModule, logger: Any, epochs: int = 4) -> None:
    data = TensorDataset(torch.randn(8, 4), torch.arange(8) % 2)
    pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=logger,
        callbacks=[FrontMonitor()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
    ).fit(module, DataLoader(data, 4))


def test_it_draws_when_the_front_changed(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, "run")
    fit(Searching(), logger)
    logger.finalize("success")
    events = EventAccumulator(logger.log_dir, {"images": 0}).Reload()
    assert [event.step for event in events.Images("front")] == [1, 3]


def test_without_tensorboard_it_draws_nothing() -> None:
    fit(Searching(), False)


def test_a_module_without_a_front_is_refused() -> None:
    with pytest.raises(MisconfigurationException, match=r"FrontMonitor: Plain has no method front"):
        fit(Plain(), False, 1)
