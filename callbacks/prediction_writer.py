"""What `lightning predict` leaves behind."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BasePredictionWriter
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor


class PredictionWriter(BasePredictionWriter):
    """Write `predictions.csv` in the run's folder: index, most probable class, its probability.

    The index is that of the image in the predict dataloader. With several processes each writes
    its own images to `predictions_<rank>.csv`.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="epoch")

    def write_on_epoch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Write all predictions at once, whole or not at all."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        rank = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = folder / f"predictions{rank}.csv"
        folder.mkdir(parents=True, exist_ok=True)
        probabilities: Tensor = torch.cat(list(predictions)).cpu()
        best, classes = probabilities.max(1)
        indices = [index for batch in batch_indices[0] for index in batch]
        temporary = path.with_suffix(".csv.tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["index", "class", "probability"])
            writer.writerows(zip(indices, classes.tolist(), best.tolist(), strict=True))
        os.replace(temporary, path)
        rank_zero_info(f"{len(indices)} predictions written to {path}")
