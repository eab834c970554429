"""Figure of a search by pruning: when each operation went."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from models.analysis.panel import add_panel

_EDGE = "edge"
"""What a label names instead of an operation where all that an edge had left was pruned."""


def pruning_figure(history: Sequence[Mapping[str, Any]], final: Sequence[str]) -> Figure:
    """Draw what was on each edge over the rounds of a pruning search, a strip per edge.

    A strip has a field per operation, with the round that pruned it; green ones are kept.

    Args:
        history: rounds, each with the labels of what was pruned; an edge's label comes before
            the operation's.
        final: labels of the operations that are left.
    """
    rounds = {
        name: number for number, done in enumerate(history, start=1) for name in done["pruned"]
    }
    parts = [name.rpartition(" ") for name in (*rounds, *final)]
    edges = sorted({edge for edge, _, _ in parts})
    names = sorted({operation for _, _, operation in parts} - {_EDGE})
    left = 0.25 + 0.08 * max(map(len, edges))  # a letter's width at this size
    high = 0.24 * len(edges)
    figure = Figure(figsize=(4.6, high + 1.2))
    axes = add_panel(figure, left, 0.1, 3.85 - left, high)
    shades = np.full((len(edges), len(names)), np.nan)
    for row, edge in enumerate(edges):
        for column, name in enumerate(names):
            label = f"{edge} {name}"
            number = rounds.get(label, rounds.get(f"{edge} {_EDGE}"))
            kept = label in final
            if kept or number is not None:
                shades[row, column] = 1 if kept else 0.45 * (number or 0) / len(history)
                axes.text(column, row, "kept" if kept else str(number), ha="center", va="center")
    colours = [*((1 - 0.8 * i / 50, 1 - 0.5 * i / 50, 1) for i in range(50)), *["tab:green"] * 50]
    axes.imshow(shades, cmap=ListedColormap(colours), vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(edges)), edges, fontsize=10)
    axes.set_xticks(range(len(names)), names, fontsize=10, rotation=45, ha="left")
    axes.tick_params(labeltop=True, labelbottom=False, bottom=False, left=False)
    axes.yaxis.set_minor_locator(FixedLocator([row + 0.5 for row in range(len(edges) - 1)]))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="minor", axis="y", color="white", lw=2)
    axes.tick_params(which="minor", left=False)
    figure.text(0.02, 1 - 0.2 / (high + 1.2), "round that\npruned it", fontsize=10, va="top")
    return figure
