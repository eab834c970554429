"""How far each indicator of a sampling search can be trusted, against known accuracies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info

from callbacks.dag_space_table import write_csv
from callbacks.indicator_figures import accuracy_over_depth_width, score_against_accuracy
from callbacks.indicator_table import Scores, as_text, ranking
from callbacks.nasbench201_lookup import COLUMNS, Table, read_table
from models.indicators import Indicator, RankAggregate
from models.topology import NasBench201Cell, effective_depth_width


@runtime_checkable
class ScoresCells(Protocol):
    """A search that scores architectures by indicators."""

    finished: bool
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
            indicator that an aggregate names.
    """

    def __init__(
        self, path: str, top: float = 0.1, aggregates: dict[str, list[str]] | None = None
    ) -> None:
        if not Path(path).exists():
            raise FileNotFoundError(f"path: no look-up table at {path}")
        if not 0 < top <= 1:
            raise ValueError(f"top: expected a share in (0, 1], got {top}")
        self.path = Path(path)
        self.top = top
        self.aggregates = aggregates or {}
        self._table: Table = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check the module and read the table before the scores take their time."""
        kind = type(pl_module).__name__
        if not isinstance(pl_module, ScoresCells):
            raise MisconfigurationException(
                f"IndicatorRanking: {kind} scores no cells; it needs finished, indicators, "
                "milliseconds and scores_of(name)"
            )
        space = getattr(getattr(pl_module, "space", None), "name", "nasbench201")
        if space != "nasbench201":
            raise MisconfigurationException(
                f"IndicatorRanking: the search is over the space {space}, not nasbench201"
            )
        known = {one.name for one in pl_module.indicators}
        for name, members in self.aggregates.items():
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
        scores = _signed(pl_module)
        cells = list(dict.fromkeys(cell for own in scores.values() for cell in own))
        missing = [cell for cell in cells if cell not in self._table]
        if missing:
            raise ValueError(f"path: {self.path} has no cell {missing[0]}")
        accuracies = {name: {c: self._table[c][name] for c in cells} for name in COLUMNS}
        for name, members in self.aggregates.items():
            scores[name] = aggregate(pl_module.indicators, members, scores, cells)
        depth_width = {
            cell: effective_depth_width(NasBench201Cell.parse(cell).graph) for cell in cells
        }
        for i, name in enumerate(("effective_depth", "effective_width")):
            scores.setdefault(name, {cell: float(pair[i]) for cell, pair in depth_width.items()})
        rows = ranking(scores, accuracies, self.top, pl_module.milliseconds, len(cells))
        path = Path(folder or trainer.default_root_dir) / "indicator_ranking.csv"
        write_csv(path, [row._asdict() for row in rows])
        rank_zero_info(f"{as_text(rows)}\nRanking of {len(cells)} cells written to {path}")
        first = next(iter(COLUMNS))
        figures = {
            "score_against_accuracy": score_against_accuracy(scores, accuracies[first], rows),
            "accuracy_over_depth_width": accuracy_over_depth_width(depth_width, accuracies[first]),
        }
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"ranking/{row.dataset}/{row.indicator}_kendall": row.kendall for row in rows},
                step=trainer.global_step,
            )
            if isinstance(logger, TensorBoardLogger):
                for name, figure in figures.items():
                    logger.experiment.add_figure(f"ranking/{name}", figure, trainer.global_step)


def _signed(search: ScoresCells) -> dict[str, Scores]:
    """Scores by indicator, higher is better."""
    return {
        one.name: {
            cell: score if one.higher_is_better else -score
            for cell, score in search.scores_of(one.name).items()
        }
        for one in search.indicators
    }


def aggregate(
    indicators: Sequence[Indicator],
    members: Sequence[str],
    scores: Mapping[str, Scores],
    cells: Sequence[str],
) -> Scores:
    """Sums of log-ranks over the cells that every member scored.

    `scores` are higher for the better, whatever the indicator's own direction.
    """
    own = [one for one in indicators if one.name in members]
    rows = [
        [
            None
            if (score := scores[one.name].get(cell)) is None
            else (score if one.higher_is_better else -score)
            for cell in cells
        ]
        for one in own
    ]
    totals = RankAggregate(own).aggregate(rows)
    return {cell: total for cell, total in zip(cells, totals, strict=True) if total is not None}
