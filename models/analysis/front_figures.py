"""The picture of a front."""

from matplotlib.figure import Figure

from models.analysis.front import Front


def front_figure(front: Front) -> Figure:
    """Draw the first objective against each of the others, or against time if it is the only one.

    What is dominated is faint, the members of the front are dots, the chosen one is a star.
    """
    first = [own[0] for own in front.values]
    columns = {
        name: [own[i] for own in front.values] for i, name in enumerate(front.objectives) if i
    }
    columns = columns or {"evaluation": list(range(1, len(first) + 1))}
    figure = Figure(figsize=(4.5 * len(columns), 4), layout="constrained")
    panels = figure.subplots(1, len(columns), squeeze=False, sharey=True).flat
    chosen = front.members[front.chosen]
    for axes, (name, column) in zip(panels, columns.items(), strict=True):
        axes.scatter(column, first, s=8, color="grey", alpha=0.3, linewidths=0)
        on = [column[i] for i in front.members], [first[i] for i in front.members]
        axes.scatter(*on, s=20, label="front" if len(front.objectives) > 1 else "ten best")
        axes.scatter(
            [column[chosen]], [first[chosen]], s=160, marker="*", color="C1", label=front.why
        )
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
    left = figure.axes[0]
    left.set_ylabel(front.objectives[0])
    left.legend(fontsize=8)
    return figure
