"""Settings that each are allowed, and together do not do what somebody expects."""

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn

_LENGTHS = ("T_max", "epochs")
"""Attributes of schedulers that say after how many steps they end."""


class FitChecks(Callback):
    """Warn of a fit whose settings do not go together; refuse one that trains nothing."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the schedule and at the number of batches."""
        for config in trainer.lr_scheduler_configs:
            for name in _LENGTHS:
                length = getattr(config.scheduler, name, trainer.max_epochs)
                if config.interval == "epoch" and length != trainer.max_epochs:
                    rank_zero_warn(
                        f"model.scheduler: {name} is {length}, but trainer.max_epochs is "
                        f"{trainer.max_epochs}: the schedule does not end with the training"
                    )
        # All batches are asked for, and none of a search, which counts them as it likes.
        whole = isinstance(trainer.limit_train_batches, float) and pl_module.automatic_optimization
        if whole and trainer.num_training_batches == 1:
            rank_zero_warn("data.batch_size: one batch holds all images; one step per epoch")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what would be tested as it was initialised.

        Raises:
            ValueError: not a step was taken.
        """
        if trainer.global_step == 0:
            raise ValueError(
                "trainer: no training step was taken; max_epochs, max_steps and "
                "limit_train_batches have to allow one, and data to hold a batch"
            )
