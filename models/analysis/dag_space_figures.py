"""Figures of a trained space of DAGs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from models.analysis.dag_space_table import (
    PREDICTORS,
    DagSpaceTable,
    rank_correlations,
)
from models.analysis.depth_width_map import depth_width_map

PAPER_DAGS = {"2_02_002": "DAG #1", "1_01_222": "DAG #2", "2_21_112": "DAG #3"}
"""The three DAGs that the paper compares (arXiv 2205.05662, Figure 4)."""

_SHOWN = ("paper_bound", "nngp_lambda_min", "nngp_condition_number", "ntk_condition_number")


def accuracy_over_depth_width(table: DagSpaceTable, epoch: int) -> Figure:
    """Training accuracy after an epoch, over effective depth and width."""
    table = table.by_dag()
    return depth_width_map(
        table.predictors["effective_depth"],
        table.predictors["effective_width"],
        table.curves["train_accuracy"][epoch],
        f"training accuracy, epoch {epoch}",
    )


def training_curves(table: DagSpaceTable) -> Figure | None:
    """Training accuracy by epoch of the paper's three DAGs: mean and range over the repeats.

    None if the space has none of them.
    """
    present = [dag for dag in PAPER_DAGS if dag in table.dags]
    if not present:
        return None
    curve = table.curves["train_accuracy"]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for dag in present:
        rows = np.flatnonzero(np.array(table.dags) == dag)
        values = np.stack([curve[epoch][rows] for epoch in curve])
        (line,) = axes.plot(list(curve), values.mean(1), label=f"{PAPER_DAGS[dag]}  {dag}")
        axes.fill_between(
            list(curve), values.min(1), values.max(1), color=line.get_color(), alpha=0.2, lw=0
        )
    axes.set(xlabel="epoch", ylabel="training accuracy")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def convergence(table: DagSpaceTable, epoch: int, shown: Sequence[str] = _SHOWN) -> Figure:
    """Training accuracy after an epoch, and epochs to the target, against each predictor.

    One dot per DAG. DAGs that never reached the target, or whose kernel is singular, have no dot,
    but count in Spearman's ρ, which stands above.
    """
    rho = {(row["predictor"], row["outcome"]): row["spearman"] for row in rank_correlations(table)}
    table = table.by_dag()
    outcomes = {f"train_accuracy_{epoch}": table.curves["train_accuracy"][epoch]}
    if np.isfinite(table.epochs_to_reach).any():
        outcomes["epochs_to_reach"] = table.epochs_to_reach
    depth = table.predictors["effective_depth"]
    size = (3.1 * len(shown) + 1, 3 * len(outcomes))
    figure = Figure(figsize=size, layout="constrained")
    grid: Any = figure.subplots(
        len(outcomes), len(shown), squeeze=False, sharex="col", sharey="row"
    )
    dots: Any = None
    for row, (outcome, y) in enumerate(outcomes.items()):
        for axes, predictor in zip(grid[row], shown, strict=True):
            x = table.predictors[predictor]
            label = PREDICTORS[predictor]
            if predictor.startswith(("ntk", "nngp")):
                with np.errstate(divide="ignore"):
                    x, label = np.log10(x), f"log₁₀ {label}"
            dot = np.isfinite(x) & np.isfinite(y)
            dots = axes.scatter(
                x[dot], y[dot], c=depth[dot], s=12, cmap="plasma", vmin=0, vmax=depth.max()
            )
            axes.set_title(f"ρ = {rho[predictor, outcome]:.2f}", fontsize=10)
            axes.grid(alpha=0.3)
            if row == len(outcomes) - 1:
                axes.set_xlabel(label, fontsize=9)
        grid[row, 0].set_ylabel(outcome.replace("_", " "))
    figure.colorbar(dots, ax=grid, label="effective depth d̄")
    return figure


def report_figures(table: DagSpaceTable) -> dict[str, Figure]:
    """The figures of a report by name, after the last epoch."""
    epoch = max(table.curves["train_accuracy"])
    figures = {
        "accuracy_over_depth_width": accuracy_over_depth_width(table, epoch),
        "training_curves": training_curves(table),
        "convergence": convergence(table, epoch),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}
