"""Figures of a ranking of indicators."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from callbacks.indicator_table import Row, Scores

_COLUMNS = 4


def score_against_accuracy(
    scores: Mapping[str, Scores], accuracies: Mapping[str, float], rows: Sequence[Row]
) -> Figure:
    """One panel per indicator, one dot per architecture, Kendall's τ above.

    Scores are drawn as given, so that lower may be better; the title's τ counts the direction.
    """
    tau = {row.indicator: row.kendall for row in reversed(rows)}
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


def accuracy_over_depth_width(
    depth_width: Mapping[str, tuple[float, float]], accuracies: Mapping[str, float]
) -> Figure:
    """Architectures over (d̄, m̄), coloured by accuracy (arXiv 2205.05662, Figure 5)."""
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.subplots()
    # The best on top: cells of one depth and width lie on one another.
    cells = sorted(depth_width, key=lambda cell: accuracies[cell])
    dots = axes.scatter(
        [depth_width[cell][0] for cell in cells],
        [depth_width[cell][1] for cell in cells],
        c=[accuracies[cell] for cell in cells],
        s=16,
        cmap="viridis",
    )
    figure.colorbar(dots, ax=axes, label="test accuracy, %")
    axes.set(xlabel="effective depth d̄", ylabel="effective width m̄")
    axes.grid(alpha=0.3)
    return figure
