"""A picture of the front that a search has found so far."""

from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks.outputs import Shown, show, takes_figures
from models.analysis.front import Front
from models.analysis.front_figures import front_figure


@runtime_checkable
class HasFront(Protocol):
    """A module that evaluates architectures by one objective or several."""

    def front(self) -> Front | None:
        """Return the front so far; None while there is none."""
        ...


class FrontMonitor(pl.Callback):
    """Draw the front (tag `front`) at the end of each epoch that changed it.

    The first objective is drawn against each of the others; what is dominated is faint, the chosen
    architecture a star.

    Raises:
        MisconfigurationException: the module has no `front()`.
    """

    def __init__(self) -> None:
        self._shown = Shown()

    def state_dict(self) -> dict[str, Any]:
        """Return what is drawn, which a resume does not draw again."""
        return self._shown.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the same run."""
        self._shown.load_state_dict(state_dict)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that the module has a front."""
        if not isinstance(pl_module, HasFront):
            raise MisconfigurationException(
                f"FrontMonitor: {type(pl_module).__name__} has no method front(); it draws what a "
                "models.EvolutionSearch finds, or a module whose front() is a "
                "models.analysis.front.Front"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look where the run writes."""
        self._shown.open(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the front if it changed."""
        if not takes_figures(trainer) or not isinstance(pl_module, HasFront):
            return
        front = pl_module.front()
        if front is None:
            return
        members = [front.names[i] for i in front.members]
        if self._shown.is_new("front", str((members, front.chosen))):
            show(trainer, "front", front_figure(front), trainer.current_epoch)
