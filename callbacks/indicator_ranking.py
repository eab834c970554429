"""How far each indicator of a sampling search can be trusted, against known accuracies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info

from models.analysis.csv_file import write_csv
from models.analysis.depth_width_map import depth_width_map
from models.analysis.indicator_figures import score_against_accuracy
from models.analysis.indicator_table import Scores, as_text, ranking
from models.benchmarks.nasbench201 import (
    COLUMNS,
    Table,
    read_table,
    require_nasbench201,
    table_path,
)
from models.indicators import Indicator, RankAggregate
from models.topology import effective_depth_width


@runtime_checkable
class ScoresCells(Protocol):
    """A search that scores architectures by indicators."""

    finished: bool
    kept: Sequence[Any]
    """The cells to score."""
    indicators: Sequence[Indicator]
    milliseconds: Mapping[str, Sequence[float]]

    def scores_of(self, name: str) -> Mapping[str, float]:
        """Scores by one indicator, by the cell's text."""
        ...


class IndicatorRanking(pl.Callback):
    """At the end of a sampling search, compare the order of each indicator with accuracy.

    Reports, for every indicator and dataset, Kendall's τ, Spearman's ρ, nDCG, recall of the top,
    the accuracy of the best-ranked cell and milliseconds per cell, over all cells that the
    indicator could score (the others are counted): as a table on the terminal, as
    `indicator_ranking.csv` in the run's folder, as `ranking/<dataset>/<indicator>_kendall`, and as
    the figures `ranking/score_against_accuracy` and `ranking/accuracy_over_depth_width`. Effective
    depth and width of the cell are compared too.

    Args:
        path: table of trained accuracies, as `NasBench201Lookup` reads it.
        top: share of the cells that counts as the top, in (0, 1].
        aggregates: name to indicators whose log-ranks are added up; compared too.

    Raises:
        FileNotFoundError: nothing at `path`.
        ValueError: an argument out of range, or a table without a cell that was scored.
        MisconfigurationException: the module scores no cells of NAS-Bench-201, or not by an
            indicator that an aggregate names; an aggregate with the name of an indicator.
    """

    def __init__(
        self, path: str, top: float = 0.1, aggregates: dict[str, list[str]] | None = None
    ) -> None:
        if not 0 < top <= 1:
            raise ValueError(f"top: expected a share in (0, 1], got {top}")
        self.path = table_path(path)
        self.top = top
        self.aggregates = aggregates or {}
        self._table: Table = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check the module and read the table before the scores take their time."""
        kind = type(pl_module).__name__
        if not isinstance(pl_module, ScoresCells):
            raise MisconfigurationException(
                f"IndicatorRanking: {kind} scores no cells; it needs finished, kept, "
                "indicators, milliseconds and scores_of(name)"
            )
        require_nasbench201(self, pl_module)
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
        self._table = read_table(self.path)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare, and report."""
        assert isinstance(pl_module, ScoresCells)
        folder = trainer.log_dir  # a broadcast: on every rank
        if not pl_module.finished or not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        graphs = {str(cell): cell.graph for cell in pl_module.kept}
        missing = [cell for cell in graphs if cell not in self._table]
        if missing:
            raise ValueError(f"path: {self.path} has no cell {missing[0]}")
        accuracies = {name: {c: self._table[c][name] for c in graphs} for name in COLUMNS}
        depth, width = (
            dict(zip(graphs, map(float, values), strict=True))
            for values in zip(*map(effective_depth_width, graphs.values()), strict=True)
        )
        raw = {one.name: pl_module.scores_of(one.name) for one in pl_module.indicators}
        scores: dict[str, Scores] = {
            one.name: raw[one.name]
            if one.higher_is_better
            else {cell: -score for cell, score in raw[one.name].items()}
            for one in pl_module.indicators
        }
        for name, members in self.aggregates.items():
            own = [one for one in pl_module.indicators if one.name in members]
            scores[name] = aggregate(own, raw, list(graphs))
        scores.setdefault("effective_depth", depth)
        scores.setdefault("effective_width", width)
        rows = ranking(scores, accuracies, self.top, pl_module.milliseconds, len(graphs))
        path = Path(folder or trainer.default_root_dir) / "indicator_ranking.csv"
        write_csv(path, [row._asdict() for row in rows])
        rank_zero_info(f"{as_text(rows)}\nRanking of {len(graphs)} cells written to {path}")
        first = next(iter(COLUMNS))
        own_rows = [row for row in rows if row.dataset == first]
        figures = {
            "score_against_accuracy": score_against_accuracy(scores, accuracies[first], own_rows),
            "accuracy_over_depth_width": depth_width_map(
                np.array(list(depth.values())),
                np.array(list(width.values())),
                np.array(list(accuracies[first].values())),
                f"test accuracy on {first}, %",
            ),
        }
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"ranking/{row.dataset}/{row.indicator}_kendall": row.kendall for row in rows},
                step=trainer.global_step,
            )
            if isinstance(logger, TensorBoardLogger):
                for name, figure in figures.items():
                    logger.experiment.add_figure(f"ranking/{name}", figure, trainer.global_step)


def aggregate(
    indicators: Sequence[Indicator], scores: Mapping[str, Scores], cells: Sequence[str]
) -> Scores:
    """Sums of log-ranks over the cells that every indicator scored.

    Args:
        indicators: what to add up.
        scores: as the indicators give them, by name and cell.
        cells: all cells.
    """
    rows = [[scores[one.name].get(cell) for cell in cells] for one in indicators]
    totals = RankAggregate(indicators).aggregate(rows)
    return {cell: total for cell, total in zip(cells, totals, strict=True) if total is not None}
