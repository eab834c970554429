"""A picture of the front that a search has found so far."""

from typing import Protocol, runtime_checkable

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks.outputs import boards
from models.analysis.front import Front
from models.analysis.front_figures import front_figure


@runtime_checkable
class HasFront(Protocol):
    """A module that evaluates architectures by one objective or several."""

    def front(self) -> Front | None:
        """Return the front so far; None while there is none."""
        ...


class FrontMonitor(pl.Callback):
    """Draw the front in TensorBoard (tag `front`) at the end of each epoch that changed it.

    The first objective is drawn against each of the others; what is dominated is faint, the chosen
    architecture a star.

    Raises:
        MisconfigurationException: the module has no `front()`.
    """

    def __init__(self) -> None:
        self._drawn: tuple[list[str], int] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that the module has a front."""
        if not isinstance(pl_module, HasFront):
            raise MisconfigurationException(
                f"FrontMonitor: {type(pl_module).__name__} has no method front(); it draws what a "
                "models.EvolutionSearch finds, or a module whose front() is a "
                "models.analysis.front.Front"
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the front if it changed."""
        writers = boards(trainer)
        front = pl_module.front() if writers and isinstance(pl_module, HasFront) else None
        if front is None:
            return
        shown = [front.names[i] for i in front.members], front.chosen
        if shown != self._drawn:
            self._drawn = shown
            for writer in writers:
                writer.add_figure("front", front_figure(front), trainer.current_epoch)
