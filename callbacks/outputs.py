"""Places where the callbacks of a run write."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger


def run_folder(trainer: pl.Trainer) -> Path:
    """Return the run's folder. Ask on every rank: Lightning broadcasts the path."""
    return Path(trainer.log_dir or trainer.default_root_dir)


def boards(trainer: pl.Trainer) -> list[Any]:
    """Return the TensorBoard writers of a trainer; none on ranks other than 0."""
    if not trainer.is_global_zero:
        return []
    return [one.experiment for one in trainer.loggers if isinstance(one, TensorBoardLogger)]
