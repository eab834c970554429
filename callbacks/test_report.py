"""Report of a test: accuracy with its interval, classes one by one, and the worst mistakes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities import rank_zero_info
from scipy.stats import binomtest
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from callbacks.outputs import run_folder, show, takes_figures
from models.analysis.csv_file import write_csv
from models.analysis.test_figures import confusion_figure, images_figure

_SHOWN = 12


class Mistake(NamedTuple):
    """An image that was taken for another class."""

    probability: float
    """Of the class that it was taken for."""
    label: int
    predicted: int
    image: Tensor
    """(C, H, W), normalised."""


class TestReport(pl.Callback):
    """After a test, say how good each class is, and show where the network was surely wrong.

    Writes `test_per_class.csv` in the run's folder, a line per class: `precision` and `recall` in
    [0, 1], higher is better, and the number of its images. In TensorBoard: the confusion matrix
    (`test/confusion`) and the twelve images that were taken for a wrong class with the highest
    probability (`test/mistakes`). The last line on the terminal has the accuracy with its 95 %
    interval (Wilson).

    Raises:
        MisconfigurationException: the module's `test_step` returns no (N, classes) probabilities.
    """

    __test__ = False  # no class of pytest's

    def __init__(self) -> None:
        self._matrix: MulticlassConfusionMatrix | None = None
        self._mistakes: list[Mistake] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start anew."""
        self._matrix, self._mistakes = None, []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count, and keep the worst mistakes."""
        if not isinstance(outputs, Tensor) or outputs.ndim != 2:
            raise MisconfigurationException(
                f"TestReport: test_step of {type(pl_module).__name__} must return class "
                "probabilities (N, classes)"
            )
        images, labels = batch
        if self._matrix is None:
            self._matrix = MulticlassConfusionMatrix(outputs.shape[1]).to(outputs.device)
        probabilities, predicted = outputs.max(1)
        self._matrix.update(predicted, labels)
        sure = probabilities.where(predicted != labels, -1).topk(min(_SHOWN, len(labels)))
        rows = zip(
            sure.values.tolist(),
            labels[sure.indices].tolist(),
            predicted[sure.indices].tolist(),
            images[sure.indices].float().cpu(),
            strict=True,
        )
        self._mistakes = _worst([*self._mistakes, *(Mistake(*row) for row in rows if row[0] >= 0)])

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, draw and say it."""
        folder = run_folder(trainer)  # on every rank
        assert self._matrix is not None
        counts: Tensor = self._matrix.compute().cpu()  # of all ranks
        mistakes = _worst(_of_all_ranks(trainer, self._mistakes))
        if not trainer.is_global_zero:
            return
        classes = _names(trainer, len(counts))
        write_csv(folder / "test_per_class.csv", _rows(counts, classes))
        if takes_figures(trainer):
            show(trainer, "test/confusion", confusion_figure(counts.numpy(), classes), 0)
            if mistakes:
                captions = [
                    f"{classes[m.label]}, taken for\n{classes[m.predicted]} ({m.probability:.2f})"
                    for m in mistakes
                ]
                images = [_shown(trainer, m.image).numpy() for m in mistakes]
                show(trainer, "test/mistakes", images_figure(images, captions), 0)
        right, total = int(counts.diagonal().sum()), int(counts.sum())
        low, high = binomtest(right, total).proportion_ci(method="wilson")
        rank_zero_info(
            f"test accuracy {right / total:.4f}, 95 % interval {low:.4f} to {high:.4f} ({right} of "
            f"{total} images); each class in {folder / 'test_per_class.csv'}"
        )


def _worst(mistakes: Sequence[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda one: -one.probability)[:_SHOWN]


def _of_all_ranks(trainer: pl.Trainer, mistakes: list[Mistake]) -> list[Mistake]:
    if trainer.world_size == 1:
        return mistakes
    parts: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, mistakes)
    return [mistake for part in parts for mistake in part]


def _names(trainer: pl.Trainer, count: int) -> list[str]:
    data = getattr(trainer, "datamodule", None)
    return list(getattr(data, "classes", ())) or [str(i) for i in range(count)]


def _shown(trainer: pl.Trainer, image: Tensor) -> Tensor:
    """Undo the normalisation; of an unknown one, stretch to [0, 1]."""
    data = getattr(trainer, "datamodule", None)
    mean, std = getattr(data, "mean", None), getattr(data, "std", None)
    if mean and std:
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))
        return (image * std + mean).clamp(0, 1)
    return (image - image.min()) / (image.max() - image.min()).clamp(min=1e-6)


def _rows(counts: Tensor, classes: Sequence[str]) -> list[dict[str, Any]]:
    right, labels, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    precision, recall = right / predicted.clamp(min=1), right / labels.clamp(min=1)
    return [
        {"class": name, "precision": round(p, 4), "recall": round(r, 4), "images": n}
        for name, p, r, n in zip(
            classes, precision.tolist(), recall.tolist(), labels.tolist(), strict=True
        )
    ]
