"""The trained accuracy of the architecture that a search found, from a table."""

from typing import Any, Protocol, cast

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities import rank_zero_info

from models.benchmarks.nasbench201 import (
    COLUMNS,
    Table,
    read_table,
    require_nasbench201,
    table_path,
)


class Finds(Protocol):
    """A search over NAS-Bench-201."""

    @property
    def finished(self) -> bool:
        """Whether there is an architecture."""
        ...

    @property
    def architecture(self) -> Any:
        """What was found; its `str` is the key of the table."""
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
        MisconfigurationException: the module is no search.
    """

    def __init__(self, path: str) -> None:
        self.path = table_path(path)
        self._table: Table | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Read the table before the search takes its time."""
        # Of the class: an unfinished search has no architecture to give.
        if not all(hasattr(type(pl_module), name) for name in ("finished", "architecture")):
            raise MisconfigurationException(
                f"NasBench201Lookup: {type(pl_module).__name__} is no search; it needs "
                "`finished` and `architecture`"
            )
        require_nasbench201(self, pl_module)
        self._table = read_table(self.path)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look the cell up."""
        search = cast(Finds, pl_module)
        if not search.finished:
            return
        assert self._table is not None
        figures = look_up(self._table, str(search.architecture), str(self.path))
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=trainer.global_step)
        datasets = [
            f"{name} {figures[f'lookup/{name}_accuracy']:.2f} % "
            f"(rank {figures[f'lookup/{name}_rank']:.0f} of {len(self._table)})"
            for name in COLUMNS
        ]
        rank_zero_info(f"Test accuracy in {self.path.name}: {', '.join(datasets)}")


def look_up(table: Table, architecture: str, source: str = "table") -> dict[str, float]:
    """Accuracy and rank of a cell on every dataset.

    Raises:
        ValueError: the table has no such cell.
    """
    if architecture not in table:
        raise ValueError(f"path: {source} has no cell {architecture}")
    own = table[architecture]
    figures = {}
    for name in COLUMNS:
        better = sum(row[name] > own[name] for row in table.values())
        figures[f"lookup/{name}_accuracy"] = own[name]
        figures[f"lookup/{name}_rank"] = float(better + 1)
    return figures
