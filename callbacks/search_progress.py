"""A progress bar over the evaluations of a search."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar


class SearchProgressBar(TQDMProgressBar):
    """Lightning's bar, which calls an epoch of a search what it is: a round."""

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        """Name the round."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"Round {trainer.current_epoch}")
