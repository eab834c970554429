"""What is done about a fit that ends early: how to go on, and no folder of one that did nothing."""

import shutil
from contextlib import suppress
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_only

from lightning_app.resume import how_to_go_on


class LastWords(Callback):
    """Note on an exception how to go on with the fit; remove what a fit without a step leaves."""

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._steps = 0
        self._in_vain = False

    @rank_zero_only
    def watch(self, trainer: Trainer) -> None:
        """Look at what is there before a run: only folders that it makes itself are its own."""
        folders = [Path(logger.log_dir) for logger in trainer.loggers if logger.log_dir]
        self._folders = [folder for folder in folders if not folder.exists()]

    def on_train_batch_end(self, *_: object) -> None:
        """From here on there is something to look at."""
        self._steps += 1

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Add the note."""
        if trainer.progress_bar_callback and trainer.is_global_zero:
            print(flush=True)  # the bar's line has no end yet
        if trainer.state.fn != TrainerFn.FITTING:
            return
        if hint := how_to_go_on(trainer):
            exception.add_note(hint)
        self._in_vain = not hint and not self._steps

    def clear_up(self) -> None:
        """Remove what a fit without a step has left, when loggers have closed their files."""
        for folder in self._folders if self._in_vain else ():
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # others beside it
                folder.parent.rmdir()
