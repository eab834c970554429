"""The picture of a front."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.analysis.front import Front
from models.analysis.panel import add_panel


def front_figure(front: Front) -> Figure:
    """Draw the first objective against each of the others, or against time if it is the only one.

    What is dominated is faint, the members of the front are dots, the chosen one is a star.
    """
    first = [own[0] for own in front.values]
    columns = {
        name: [own[i] for own in front.values] for i, name in enumerate(front.objectives) if i
    }
    columns = columns or {"evaluation": list(range(1, len(first) + 1))}
    count = len(columns)
    wide = (3.7, 1.8)[count > 1]
    figure = Figure(figsize=(0.8 + (wide + 0.2) * count, 3.6))
    panels: list[Axes] = []
    for index in range(count):
        left, shared = 0.7 + (wide + 0.2) * index, panels[0] if panels else None
        panels.append(add_panel(figure, left, 0.5, wide, 2.7, sharey=shared))
    chosen = front.members[front.chosen]
    for axes, (name, column) in zip(panels, columns.items(), strict=True):
        axes.scatter(column, first, s=8, color="grey", alpha=0.3, linewidths=0)
        on = [column[i] for i in front.members], [first[i] for i in front.members]
        axes.scatter(*on, s=20, label="front" if len(front.objectives) > 1 else "ten best")
        axes.scatter(
            [column[chosen]], [first[chosen]], s=160, marker="*", color="C1", label=front.why
        )
        axes.set_xlabel(name.replace("_", " "), fontsize=11)
        axes.grid(alpha=0.3)
    for axes in panels[1:]:
        axes.tick_params(labelleft=False)
    panels[0].set_ylabel(front.objectives[0].replace("_", " "), fontsize=11)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="upper center", ncols=2, frameon=False
    )
    return figure
