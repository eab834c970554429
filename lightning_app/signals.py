"""SIGTERM to one process of several, or to all: they stop before the same step."""

import signal
import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

AGREED = "all processes stop"
"""Code of the exception by which several stop together."""

_INTERVAL = 1.0  # seconds between questions
_STEPS = 10  # from one question to the next at most: steps may become slower suddenly


class StopTogether(Callback):
    """Handle SIGTERM so that several processes cannot hang on it.

    Lightning broadcasts from within the handler. A handler runs wherever its process happens to be,
    so the broadcast meets another collective of the other processes, and all wait forever. Here the
    handler of a fit only notes the signal. Before its steps and after each epoch all processes are
    asked: one is enough. A SIGTERM in the validation of a fit waits for its end. To answer, all
    wait for the slowest, which else the processes of a search need not do within a round: they are
    asked about once a second, or before every tenth step. A single process is left to Lightning.
    In evaluation and prediction a process stops at once, and its failure ends the others: there is
    nothing to go on with.
    """

    def __init__(self) -> None:
        self._asked = False
        self._ahead, self._steps, self._pace, self._since = 1, 0, _INTERVAL, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signal over from Lightning, whose own handler is restored by nobody but it."""
        if trainer.world_size > 1:
            self._listen(trainer)
            self._asked, self._steps, self._pace = False, 0, _INTERVAL
            # Else Lightning broadcasts before every step, and all wait for the first process.
            loop: Any = trainer.fit_loop.epoch_loop
            loop._broadcast_sigterm_tensor = lambda: None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask after the epoch before, its validation and its checkpoint."""
        self._since = time.monotonic()
        self._agree(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Ask where it is time to."""
        if self._steps >= self._ahead:
            self._agree(trainer)
        self._steps += 1

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask after the last epoch."""
        self._agree(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop an evaluation at once; that of a fit goes to its end."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.world_size > 1:
            self._listen(trainer)

    on_test_start = on_predict_start = on_validation_start

    def _listen(self, trainer: Trainer) -> None:
        def note(signum: int, frame: Any) -> None:
            launcher = trainer.strategy.launcher
            if launcher is not None and not self._asked:
                launcher.kill(signum)  # hands the signal on
            self._asked = True
            if trainer.state.fn != TrainerFn.FITTING:
                raise SIGTERMException

        signal.signal(signal.SIGTERM, note)

    def _agree(self, trainer: Trainer) -> None:
        """Stop if one was asked to; else agree after how many steps to ask again."""
        if trainer.world_size == 1:
            return
        now = time.monotonic()
        if self._steps:
            self._pace = (now - self._since) / self._steps
        own = torch.tensor([self._asked, self._pace], device=trainer.strategy.root_device)
        asked, slowest = trainer.strategy.all_gather(own).view(-1, 2).amax(0).tolist()
        if asked:
            raise SIGTERMException(AGREED)
        self._ahead = max(1, int(_INTERVAL / max(slowest, _INTERVAL / _STEPS)))
        self._steps, self._since = 0, now
