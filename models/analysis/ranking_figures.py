"""The figure of a ranking of indicators."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

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
        axes.scatter(list(own.values()), [accuracies[cell] for cell in own], s=4, alpha=0.5)
        axes.set_title(f"{name}, τ = {tau[name]:.2f}", fontsize=9)
        axes.grid(alpha=0.3)
    for axes in list(panels):
        axes.set_visible(False)
    figure.supylabel("test accuracy, %")
    figure.supxlabel("score, higher is better")
    return figure
