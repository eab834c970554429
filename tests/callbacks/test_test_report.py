"""The report of a test."""

import csv
import logging
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks import TestReport

LABELS = [0, 0, 0, 1, 1, 2]
PROBABILITIES = [
    [0.8, 0.1, 0.1],
    [0.1, 0.8, 0.1],  # wrong
    [0.6, 0.2, 0.2],
    [0.1, 0.9, 0.0],
    [0.95, 0.05, 0.0],  # wrong, and surer of it
    [0.2, 0.2, 0.6],
]


class Table(pl.LightningModule):
    """Classifies images as the table has it: a pixel is the row."""

    def test_step(self, batch: Any, batch_idx: int) -> Tensor:
        return torch.tensor(PROBABILITIES)[batch[0][:, 0, 0, 0].long()]


class Silent(pl.LightningModule):
    def test_step(self, batch: Any, batch_idx: int) -> None:
        return None


def run(module: pl.LightningModule, folder: Path) -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 4, 4)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=TensorBoardLogger(folder, name="", version=""),
        callbacks=TestReport(),
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = list(zip(images, LABELS, strict=True))
    trainer.test(module, DataLoader(data, batch_size=4), verbose=False)  # type: ignore[arg-type]


def test_classes_mistakes_and_interval(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pytorch_lightning"):
        run(Table(), tmp_path)
    with open(tmp_path / "test_per_class.csv", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [
        ("0", "0.6667", "0.6667", "3"),
        ("1", "0.5", "0.5", "2"),
        ("2", "1.0", "1.0", "1"),
    ]
    # Wilson's interval of 4 in 6, by its formula
    n, p, z = 6, 4 / 6, 1.959964
    centre, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = ((centre + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    assert f"0.6667, 95 % interval {low:.4f} to {high:.4f} (4 of 6 images)" in caplog.text
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["test/confusion", "test/mistakes"]


def test_a_module_without_probabilities(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="test_step of Silent must return class"):
        run(Silent(), tmp_path)
