"""The trained accuracy of the architecture that a search found, from a table."""

from typing import Any, Protocol, cast

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities import rank_zero_info

from models.benchmarks import AccuracyTable, read_table, table_path


class Finds(Protocol):
    """A search, which finds an architecture of a space."""

    space: Any

    @property
    def finished(self) -> bool:
        """Whether there is an architecture."""
        ...

    @property
    def architecture(self) -> Any:
        """The architecture found."""
        ...


class NasBench201Lookup(pl.Callback):
    """Log the accuracy after 200 epochs, and the rank in the space, of the cell that was found.

    Logs at the end of a finished search, per dataset (`cifar10`, `cifar100`, `imagenet16_120`):

    * `lookup/<dataset>_accuracy`: test accuracy in per cent, higher is better;
    * `lookup/<dataset>_rank`: 1 for the best cell of the table.

    Cells are looked up by their string: isomorphic cells are separate entries of the table.

    Args:
        path: a CSV with the columns `ArchitectureString`, `CIFAR10TestAccuracy200Epochs`,
            `CIFAR100TestAccuracy200Epochs`, `ImageNetTestAccuracy200Epochs`; or the folder of
            NATS-Bench's topology space, which the optional package `nats_bench` reads. It unpickles
            what is there: take that folder from its authors alone.

    Raises:
        FileNotFoundError: nothing at `path`.
        ValueError: a table without a column or a number, or without the cell that was found.
        MisconfigurationException: the module is no search, or the table is of another space.
    """

    def __init__(self, path: str) -> None:
        self.path = table_path(path)
        self._table: AccuracyTable | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Read the table before the search takes its time."""
        # Of the class: an unfinished search has no architecture to give.
        own = hasattr(pl_module, "space")
        if not own or not all(hasattr(type(pl_module), n) for n in ("finished", "architecture")):
            raise MisconfigurationException(
                f"NasBench201Lookup: {type(pl_module).__name__} is no search; it needs "
                "`space`, `finished` and `architecture`"
            )
        self._table = read_table(self.path)
        try:
            self._table.check_space(cast(Finds, pl_module).space)
        except ValueError as error:
            raise MisconfigurationException(f"NasBench201Lookup: {error}") from None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look the architecture up."""
        search = cast(Finds, pl_module)
        if not search.finished:
            return
        assert self._table is not None
        found = self._table.look_up(search.space.format(search.architecture))
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"lookup/{name}": value for name, value in found.items()}, step=trainer.global_step
            )
        datasets = [
            f"{name} {found[f'{name}_accuracy']:.2f} % "
            f"(rank {found[f'{name}_rank']:.0f} of {len(self._table)})"
            for name in self._table.datasets
        ]
        rank_zero_info(f"Test accuracy in {self.path.name}: {', '.join(datasets)}")
