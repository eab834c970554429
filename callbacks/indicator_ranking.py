"""Agreement of each indicator of a sampling search with known accuracies."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities import rank_zero_info

from callbacks.outputs import boards, run_folder
from models.analysis.csv_file import write_csv
from models.analysis.ranking import as_text, depth_width_scores, oriented, ranking
from models.analysis.ranking_figures import ranking_figures
from models.benchmarks import AccuracyTable, read_csv, read_table, table_path
from models.benchmarks.nasbench201 import ARCHITECTURE
from models.indicators import Indicator


@runtime_checkable
class ScoresCells(Protocol):
    """A search that scores architectures by indicators."""

    space: Any
    finished: bool
    kept: Sequence[Any]
    """The architectures to score."""
    indicators: Sequence[Indicator]
    milliseconds: Mapping[str, Sequence[float]]

    def scores_of(self, name: str) -> Mapping[str, float]:
        """Scores by one indicator, by the architecture's text."""
        ...


class IndicatorRanking(pl.Callback):
    """At the end of a sampling search, compare the order of each indicator with accuracy.

    Reports, for every indicator and dataset, Kendall's τ, Spearman's ρ, nDCG, recall of the top,
    the accuracy of the best-ranked cell and milliseconds per cell, over all cells that the
    indicator could score (the others are counted) and that have an accuracy on the dataset: as a
    table on the terminal, as `indicator_ranking.csv` in the run's folder, as
    `ranking/<dataset>/<indicator>_kendall`, and as the figures `ranking/score_against_accuracy` and
    `ranking/accuracy_over_depth_width`. Effective depth and width, in the mean over cells, are
    compared too where the space has them.

    Args:
        path: table of trained accuracies; without `columns`, as `NasBench201Lookup` reads it.
        top: share of the cells that counts as the top, in (0, 1].
        aggregates: name to indicators whose log-ranks are added up; compared too.
        columns: dataset to the column of its accuracy, of a CSV for the search's space; by default
            those of NAS-Bench-201. Where a field is empty, an architecture has no accuracy.
        architecture: the column of the architectures in that CSV; or several, each of JSON, which
            make up the JSON object that the space reads. Rows that the space reads as one
            architecture are one, of their mean accuracy.

    Raises:
        FileNotFoundError: nothing at `path`.
        ValueError: an argument out of range, or a table without a cell that was scored.
        MisconfigurationException: the module scores no architectures of the table, or not by an
            indicator that an aggregate names; an aggregate with the name of an indicator.
    """

    def __init__(
        self,
        path: str,
        top: float = 0.1,
        aggregates: dict[str, list[str]] | None = None,
        columns: dict[str, str] | None = None,
        architecture: str | list[str] = ARCHITECTURE,
    ) -> None:
        if not 0 < top <= 1:
            raise ValueError(f"top: expected a share in (0, 1], got {top}")
        self.path = table_path(path)
        self.top = top
        self.aggregates = aggregates or {}
        self.columns = columns
        self.architecture = architecture
        self._table: AccuracyTable | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check the module and read the table before the scores take their time."""
        kind = type(pl_module).__name__
        if not isinstance(pl_module, ScoresCells):
            raise MisconfigurationException(
                f"IndicatorRanking: {kind} scores no cells; it needs finished, kept, "
                "indicators, milliseconds, space and scores_of(name)"
            )
        known = {one.name for one in pl_module.indicators}
        for name, members in self.aggregates.items():
            if name in known:
                raise MisconfigurationException(
                    f"IndicatorRanking: aggregates.{name}: the name of an indicator; take another"
                )
            if not members or not set(members) <= known:
                raise MisconfigurationException(
                    f"IndicatorRanking: aggregates.{name}: expected some of "
                    f"{', '.join(sorted(known))}, got {members}"
                )
        table = (
            read_csv(self.path, self.architecture, self.columns)
            if self.columns
            else read_table(self.path)
        )
        space = pl_module.space
        texts = [space.format(architecture) for architecture in pl_module.kept]
        try:
            self._table = table.of(space)
            missing, reason = [text for text in texts if text not in self._table], ""
        except ValueError as error:
            missing, reason = texts, f": {error}"
        if missing:
            raise MisconfigurationException(
                f"IndicatorRanking: path: {self.path} has no architecture {missing[0]} of the "
                f"space {space.name}{reason}"
            )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare, and report."""
        assert isinstance(pl_module, ScoresCells)
        folder = run_folder(trainer)  # on every rank
        if not pl_module.finished or not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        assert self._table is not None
        space = pl_module.space
        kept = {space.format(architecture): architecture for architecture in pl_module.kept}
        rows_of = {text: self._table[text] for text in kept}
        accuracies = {
            name: {text: row[name] for text, row in rows_of.items() if name in row}
            for name in self._table.datasets
        }
        raw = {one.name: pl_module.scores_of(one.name) for one in pl_module.indicators}
        depth_width = depth_width_scores(space, kept)
        scores = oriented(pl_module.indicators, raw, self.aggregates, list(kept))
        for name, own in depth_width.items():
            scores.setdefault(name, own)
        rows = ranking(scores, accuracies, self.top, pl_module.milliseconds, len(kept))
        path = folder / "indicator_ranking.csv"
        write_csv(path, [row._asdict() for row in rows])
        rank_zero_info(f"{as_text(rows)}\nRanking of {len(kept)} cells written to {path}")
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"ranking/{row.dataset}/{row.indicator}_kendall": row.kendall for row in rows},
                step=trainer.global_step,
            )
        shown_on = boards(trainer)
        figures = ranking_figures(rows, scores, accuracies, depth_width) if shown_on else {}
        for board in shown_on:
            for name, figure in figures.items():
                board.add_figure(f"ranking/{name}", figure, trainer.global_step)
