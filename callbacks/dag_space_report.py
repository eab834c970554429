"""The report on a space of DAGs that was trained in one fit."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from callbacks.outputs import boards, run_folder, show
from callbacks.probe import probe
from models.analysis.csv_file import write_csv
from models.analysis.dag_space_figures import report_figures
from models.analysis.dag_space_table import (
    Member,
    correlation_text,
    member_rows,
    rank_correlations,
    tabulate,
)


@runtime_checkable
class HasPopulation(Protocol):
    """A module that trains many networks at once."""

    @property
    def members(self) -> Sequence[Member]:
        """The K networks' wirings."""
        ...

    @property
    def history(self) -> Mapping[str, Mapping[int, Tensor]]:
        """`train/accuracy`, …: epoch to (K,)."""
        ...

    def initial_network(self, index: int) -> nn.Module:
        """One network before training."""
        ...

    def epochs_to_reach(self) -> Tensor:
        """(K,), `inf` where never."""
        ...


class DagSpaceReport(pl.Callback):
    """At the end of a fit, set what each network's wiring predicts beside how it trained.

    Writes to the folder `dag_space` of the run:

    * `members.csv`: per member its DAG, d̄, m̄, the paper's bound, λ_min and κ of the exact NNGP
      kernel, λ_min, λ_max and κ of its empirical NTK at initialisation (sum of logits, all
      parameters), its numbers of paths and operations, epochs to reach the target, and accuracy
      and loss of every epoch;
    * `rank_correlations.csv`: Spearman's ρ and Kendall's τ of each of these with convergence;
    * `accuracy_over_depth_width.png`, `training_curves.png` (of the paper's three DAGs, where the
      space has them), `convergence.png`.

    Logs to TensorBoard the same figures, the correlations as a text, and a histogram of the
    members' accuracy per epoch, all under `dag_space/`.

    Args:
        probe_size: training images N of all kernels.
        seed: of the choice of probes.

    Raises:
        ValueError: fewer than 2 probes.
        MisconfigurationException: a module that does not train a population, or no probe images.
    """

    def __init__(self, probe_size: int = 64, seed: int = 0) -> None:
        if probe_size < 2:
            raise ValueError(f"probe_size: expected 2 or more, got {probe_size}")
        self.probe_size = probe_size
        self.seed = seed
        self._images: Tensor | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that there is a population."""
        if not isinstance(pl_module, HasPopulation):
            raise MisconfigurationException(
                f"DagSpaceReport: {type(pl_module).__name__} trains no population; it needs "
                "members, history, initial_network(index) and epochs_to_reach()"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the probes: whether there are any shows before training."""
        self._images = probe(self, trainer, pl_module, self.probe_size, self.seed).cpu()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the report."""
        folder = run_folder(trainer) / "dag_space"
        assert isinstance(pl_module, HasPopulation)
        assert self._images is not None
        if not trainer.is_global_zero or not pl_module.history.get("train/accuracy"):
            return
        # Initial weights are a function of the seed, so that a resumed run can report on them.
        networks = map(pl_module.initial_network, range(len(pl_module.members)))
        table = tabulate(
            pl_module.members,
            networks,
            self._images,
            pl_module.epochs_to_reach(),
            pl_module.history,
        )
        correlations = rank_correlations(table)
        write_csv(folder / "members.csv", member_rows(table))
        write_csv(folder / "rank_correlations.csv", correlations)
        figures = report_figures(table)
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=100)
        accuracy = table.curves["train_accuracy"]
        for name, figure in figures.items():
            show(trainer, f"dag_space/{name}", figure, max(accuracy))
        text = correlation_text(correlations)
        for board in boards(trainer):
            for epoch, values in accuracy.items():
                board.add_histogram("dag_space/train_accuracy", np.asarray(values), epoch)
            board.add_text("dag_space/rank_correlations", text, max(accuracy))
