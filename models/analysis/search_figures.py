"""Figures of a search: what was scored, how scores spread, and what was pruned when."""

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from models.spaces import SearchSpace
from models.topology import effective_depth_width

_PANELS = 4  # indicators


class Scored(NamedTuple):
    """An architecture that a search has looked at."""

    depth: float
    """Effective depth, in the mean over its cells."""
    width: float
    """Effective width, likewise."""
    scores: Mapping[str, float]
    """Mean over repeats, by indicator; empty where it was refused or failed."""


def scored_by_text(space: SearchSpace, history: Sequence[Mapping[str, Any]]) -> dict[str, Scored]:
    """Return what a search has looked at, by the architecture's text.

    Args:
        space: in which it searches; one without graphs has depths and widths of 0.
        history: rounds, with the candidates of each; of one that occurs again, the last counts.
    """
    entries = {one["candidate"]: one for done in history for one in done["candidates"]}
    found = {}
    for text, entry in entries.items():
        graphs = space.topologies(space.parse(text)).values()
        cells = [effective_depth_width(graph) for graph in graphs]
        depth, width = map(fmean, zip(*cells, strict=True)) if cells else (0.0, 0.0)
        scores = {name: fmean(values) for name, values in entry.get("scores", {}).items()}
        found[text] = Scored(depth, width, scores)
    return found


def scores_figure(scored: Sequence[Scored], winner: Scored) -> Figure:
    """Draw each indicator's scores over depth and width, their distribution and the best so far.

    Args:
        scored: in the order in which the search looked at them; those without scores are faint.
        winner: the best architecture so far, marked by a star.
    """
    names = list(dict.fromkeys(name for one in scored for name in one.scores))[:_PANELS]
    figure = Figure(figsize=(9, 2.3 * max(1, len(names))), layout="constrained")
    rows = figure.subplots(max(1, len(names)), 3, squeeze=False)
    for axes, name in zip(rows, names, strict=False):
        own = [one for one in scored if name in one.scores]
        values = np.array([one.scores[name] for one in own])
        missing = [one for one in scored if name not in one.scores]
        for panel, attribute in zip(axes, ("depth", "width"), strict=False):
            panel.scatter([getattr(one, attribute) for one in own], values, s=8, alpha=0.6)
            for one in missing:
                panel.axvline(getattr(one, attribute), color="lightgrey", lw=0.5, zorder=0)
            if name in winner.scores:
                star = {"marker": "*", "s": 160, "color": "tab:red", "edgecolor": "black"}
                panel.scatter(getattr(winner, attribute), winner.scores[name], **star)
            panel.set_xlabel(f"effective {attribute}", fontsize=10)
        axes[0].set_ylabel(name, fontsize=10)
        axes[2].hist(values, bins=min(30, max(5, len(values) // 5)), orientation="horizontal")
        axes[2].set_xlabel("architectures", fontsize=10)
    return figure


def pruning_figure(history: Sequence[Mapping[str, Any]], final: Sequence[str]) -> Figure:
    """Draw what was on each edge over the rounds of a pruning search, a strip per operation.

    Args:
        history: rounds, each with the labels of what was pruned; an edge's label comes before
            the operation's.
        final: labels of the operations that are left.
    """
    pruned = {
        name: number for number, done in enumerate(history, start=1) for name in done["pruned"]
    }
    lifetimes = {**pruned, **dict.fromkeys(final, len(history) + 1)}
    names = sorted(lifetimes)
    figure = Figure(figsize=(5, max(2.5, 0.17 * len(names))), layout="constrained")
    axes = figure.subplots()
    kept = set(final)
    colours = ["tab:green" if name in kept else "tab:blue" for name in names]
    axes.barh(range(len(names)), [lifetimes[name] for name in names], color=colours, height=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    for number, (name, after) in enumerate(itertools.pairwise(names)):
        if name.rpartition(" ")[0] != after.rpartition(" ")[0]:
            axes.axhline(number + 0.5, color="black", lw=0.6)
    axes.invert_yaxis()
    axes.set_xlabel("rounds until it was pruned; green: kept")
    return figure
