"""The file that `lightning predict` writes."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import BasePredictionWriter
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from callbacks.outputs import run_folder
from models.analysis.csv_file import write_csv

_UNSURE = 0.6  # probability of the most probable class


@runtime_checkable
class NamesImages(Protocol):
    """A DataModule that knows what its images and classes are called."""

    classes: Sequence[str]
    """Names by label; may be empty."""

    def predicted(self) -> list[str]:
        """Names of the images that this process has predicted, in order."""
        ...


class PredictionWriter(BasePredictionWriter):
    """Write `predictions.csv` in the run's folder, a line per image.

    Its columns: `image`, the file's path below the folder that was predicted, or the number of the
    image where there are no files; `class`, the name of the most probable class, or its number
    where classes have no names; `class_index`, its number; its `probability`; and `unsure`, `yes`
    where that is below 0.6, which is where a person should look. With several
    processes each writes its own images to `predictions_<rank>.csv`.

    Raises:
        MisconfigurationException: a module that predicts anything but (N, classes).
    """

    def __init__(self) -> None:
        super().__init__(write_interval="epoch")
        self._said = ""

    def write_on_epoch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Write all predictions at once, whole or not at all."""
        rank = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = run_folder(trainer) / f"predictions{rank}.csv"
        probabilities: Tensor = torch.cat(list(predictions)).cpu()
        if probabilities.ndim != 2:
            raise MisconfigurationException(
                f"PredictionWriter: expected class probabilities (N, classes), got "
                f"{tuple(probabilities.shape)} of {type(pl_module).__name__}"
            )
        best, found = probabilities.max(1)
        images, classes = _names(trainer, batch_indices)
        rows = [
            {
                "image": image,
                "class": classes[index] if classes else index,
                "class_index": index,
                "probability": probability,
                "unsure": "yes" if probability < _UNSURE else "",
            }
            for image, index, probability in zip(images, found.tolist(), best.tolist(), strict=True)
        ]
        write_csv(path, rows)
        unsure = int((best < _UNSURE).sum())
        self._said = f"{len(images)} predictions written to {path}, {unsure} of them unsure"

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say where they are, now that the progress bar has ended its line."""
        if self._said:
            rank_zero_info(self._said)
        self._said = ""


def _names(trainer: pl.Trainer, batch_indices: Sequence[Any]) -> tuple[list[Any], Sequence[str]]:
    """Names of images and classes; images by number where nobody knows."""
    data = getattr(trainer, "datamodule", None)
    if isinstance(data, NamesImages):
        return data.predicted(), data.classes
    return [index for batch in batch_indices[0] for index in batch], ()
