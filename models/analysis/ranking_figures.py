"""The figures of a ranking of indicators."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from models.analysis.depth_width_map import depth_width_map
from models.analysis.ranking import Row, Scores

_COLUMNS = 4


def score_against_accuracy(
    scores: Mapping[str, Scores], accuracies: Mapping[str, float], rows: Sequence[Row]
) -> Figure:
    """One panel per indicator, one dot per architecture, Kendall's τ above.

    `rows` are those of one dataset, that of `accuracies`.
    """
    tau = {row.indicator: row.kendall for row in rows}
    height = -(-len(scores) // _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, 2.5 * height), layout="constrained")
    panels = figure.subplots(height, _COLUMNS, squeeze=False, sharey=True).flat
    for axes, (name, own) in zip(panels, scores.items(), strict=False):
        cells = [cell for cell in own if cell in accuracies]
        axes.scatter(
            [own[cell] for cell in cells], [accuracies[cell] for cell in cells], s=4, alpha=0.5
        )
        axes.set_title(f"{name}, τ = {tau[name]:.2f}", fontsize=9)
        axes.grid(alpha=0.3)
    for axes in list(panels):
        axes.set_visible(False)
    figure.supylabel("test accuracy, %")
    figure.supxlabel("score, higher is better")
    return figure


def ranking_figures(
    rows: Sequence[Row],
    scores: Mapping[str, Scores],
    accuracies: Mapping[str, Mapping[str, float]],
    depth_width: Mapping[str, Scores],
) -> dict[str, Figure]:
    """Draw the figures of a ranking on its first dataset, by name.

    Args:
        rows: of `ranking`.
        scores: by indicator, higher is better.
        accuracies: by dataset, of the architectures that have one, per cent.
        depth_width: `effective_depth` and `effective_width` of every architecture, or empty.
    """
    dataset, accuracy = next(iter(accuracies.items()))
    own = [row for row in rows if row.dataset == dataset]
    figures = {"score_against_accuracy": score_against_accuracy(scores, accuracy, own)}
    if depth_width:
        depth, width, values = (
            np.array([column[cell] for cell in accuracy])
            for column in (
                depth_width["effective_depth"],
                depth_width["effective_width"],
                accuracy,
            )
        )
        label = f"test accuracy on {dataset}, %"
        figures["accuracy_over_depth_width"] = depth_width_map(depth, width, values, label)
    return figures
