"""Notes on an exception that ends a run early: how to continue, whether a checkpoint fits."""

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from lightning_app.checkpoint_io import SafeCheckpointIO
from lightning_app.resume import how_to_go_on


class LastWords(Callback):
    """Note on an exception how to go on with the fit, and whether a checkpoint did not fit."""

    def __init__(self) -> None:
        self.restoring = False
        """Whether the run ended while its checkpoint was restored."""
        self._started = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on, errors are not about the checkpoint."""
        self._started = True

    on_validation_start = on_test_start = on_predict_start = on_train_start

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Add the notes."""
        if trainer.progress_bar_callback and trainer.is_global_zero:
            print(flush=True)  # the bar's line has no end yet
        checkpoints = trainer.strategy.checkpoint_io
        read = isinstance(checkpoints, SafeCheckpointIO) and checkpoints.has_read
        self.restoring = read and not self._started
        if trainer.state.fn == TrainerFn.FITTING and (hint := how_to_go_on(trainer)):
            exception.add_note(hint)
