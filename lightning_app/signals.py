"""SIGTERM to one process of several, or to all: they stop before the same step."""

import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.trainer.connectors.signal_connector import _SignalConnector
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

AGREED = "all processes stop"
"""Code of the exception by which several stop together."""

_INTERVAL = 1.0  # seconds between questions
_STEPS = 10  # from one question to the next at most: steps may become slower suddenly


class AgreedSignalConnector(_SignalConnector):
    """Lightning's handling of signals, where a SIGTERM of several processes cannot hang.

    Lightning broadcasts from within the handler. A handler runs wherever its process happens to be,
    so the broadcast meets another collective of the other processes, and all wait forever. Here the
    handler only notes that it was asked. Before the steps of a fit, where Lightning asks the first
    process, and after each epoch, all are asked: one is enough. So a SIGTERM in the validation of a
    fit waits for its end. To answer, all wait for the slowest, which else the processes of a search
    need not do within a round: they are asked about once a second, or before every tenth step.
    In evaluation and prediction a process stops by itself, and its failure ends the others: there
    is nothing to go on with.
    """

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer)
        self._asked = False
        self._ahead, self._steps, self._since = 1, 0, time.monotonic()
        fit_loop: Any = trainer.fit_loop
        fit_loop.epoch_loop._broadcast_sigterm_tensor = self._before_step
        fit_loop.on_advance_end = self._and_stop_together(fit_loop.on_advance_end)

    def register_signal_handlers(self) -> None:
        """Forget what an earlier run was asked."""
        self._asked = False
        self._ahead = 1
        super().register_signal_handlers()

    def _sigterm_notifier_fn(self, signum: Any, _: Any) -> None:
        launcher = self.trainer.strategy.launcher
        if launcher is not None and not self._asked:
            launcher.kill(signum)  # hands the signal on
        self._asked = True
        if self.trainer.predicting:
            raise SIGTERMException  # its loop does not look; files are written at its end
        if self.trainer.world_size == 1 or self.trainer.state.fn != TrainerFn.FITTING:
            self.received_sigterm = True

    def _before_step(self) -> None:
        self._steps += 1
        if self._steps >= self._ahead:
            self._stop_together()

    def _stop_together(self) -> None:
        """Stop if one was asked to; else agree after how many steps to ask again."""
        now = time.monotonic()
        pace = (now - self._since) / max(1, self._steps)
        own = torch.tensor([self._asked, pace], device=self.trainer.strategy.root_device)
        asked, slowest = self.trainer.strategy.all_gather(own).view(-1, 2).amax(0).tolist()
        if asked:
            raise SIGTERMException(AGREED)
        self._ahead = max(1, int(_INTERVAL / max(slowest, _INTERVAL / _STEPS)))
        self._steps, self._since = 0, now

    def _and_stop_together(self, end_of_epoch: Callable[[], None]) -> Callable[[], None]:
        def end() -> None:
            end_of_epoch()
            if self.trainer.world_size > 1:
                self._stop_together()

        return end
