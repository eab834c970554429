"""A progress bar over the evaluations of a search."""

import time
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar


@runtime_checkable
class Counts(Protocol):
    """A search that counts what it does."""

    def progress(self) -> dict[str, int]:
        """Counts by name, so far."""
        ...


class SearchProgressBar(TQDMProgressBar):
    """Lightning's bar, which calls an epoch of a search what it is: a round.

    It is drawn at most ten times a second, as a candidate may take less than its drawing.
    """

    _drawn = 0.0

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What the search counts, and what it logs for the bar."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        return (pl_module.progress() if isinstance(pl_module, Counts) else {}) | metrics

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Count an evaluation."""
        if trainer.is_last_batch or time.monotonic() - self._drawn >= 0.1:
            self._drawn = time.monotonic()
            super().on_train_batch_end(trainer, *args)

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        """Name the round."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"Round {trainer.current_epoch}")
