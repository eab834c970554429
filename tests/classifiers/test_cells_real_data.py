"""The table's good cells train better than its bad ones, on real images."""

import csv
import tarfile
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from datamodules import ImageFolderDataModule
from models import ArchitectureClassifier
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS

EPOCHS = 3


def cell_of_rank(table: Path, rank: int) -> str:
    """The cell that is `rank`-th best on CIFAR-10 after 200 epochs."""
    with table.open() as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: float(row[COLUMNS["cifar10"]]), reverse=True)
    return rows[rank - 1][ARCHITECTURE]


def accuracy(cell: str, data: ImageFolderDataModule) -> float:
    """Test accuracy after a few epochs at C = 8, N = 1."""
    torch.manual_seed(0)
    model = ArchitectureClassifier(
        "nasbench201",
        cell,
        data.in_shape,
        data.num_classes,
        sizes={"channels": 8, "cells_per_stage": 1},
        scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS),
    )
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        limit_val_batches=0,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    return float(trainer.test(model, data, verbose=False)[0]["test/accuracy"])


@pytest.mark.slow
@pytest.mark.real_data
def test_a_good_cell_beats_a_bad_one(shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "cifar10-jpeg-12k.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    (train,) = tmp_path.rglob("train")
    table = shared_data / "nasbench201_test_accuracy.csv"
    good, bad = cell_of_rank(table, 50), cell_of_rank(table, 15_050)
    # Of half the size; of fewer images the two stay within 0.05 of each other.
    data = ImageFolderDataModule(train.parent, 16, batch_size=64)
    assert accuracy(good, data) > accuracy(bad, data) + 0.05
