"""Figures of a search: what was scored, how scores spread, and what was pruned when."""

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.spaces import SearchSpace
from models.topology import effective_depth_width

_POINTS = 1000
"""Architectures in a picture: more are one blot, and each takes a fraction of a millisecond."""


def scores_by_text(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the scores, in the mean over repeats, of all that a search has looked at.

    Args:
        history: rounds, with the candidates of each. Scores of one that occurs in several, as in
            the stages of a search, are put together; the last counts.

    Returns:
        Scores by indicator, by the architecture's text; none where it was refused or failed.
    """
    found: dict[str, dict[str, float]] = {}
    for done in history:
        for entry in done["candidates"]:
            scores = {name: fmean(values) for name, values in entry.get("scores", {}).items()}
            found.setdefault(entry["candidate"], {}).update(scores)
    return found


def scores_figure(
    space: SearchSpace, scores: Mapping[str, Mapping[str, float]], indicator: str, winner: str
) -> Figure:
    """Draw an indicator's scores over effective depth and width, and their distribution.

    Args:
        space: of the architectures; it has graphs.
        scores: by indicator, by the architecture's text. What has none by this indicator (refused,
            failed, not asked) is a grey mark at the lower edge. Of more than a thousand, evenly
            chosen ones are drawn, and the distribution has all.
        indicator: whose scores.
        winner: text of the best architecture so far, marked by a star.
    """
    texts = [*scores]
    chosen = [texts[i] for i in np.linspace(0, len(texts) - 1, min(_POINTS, len(texts)), dtype=int)]
    places = {text: _depth_width(space, text) for text in {*chosen, winner}}
    scored = [text for text in chosen if indicator in scores[text]]
    others = [text for text in chosen if indicator not in scores[text]]
    values = [scores[text][indicator] for text in scored]
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 1.2))
    for index, name in enumerate(("depth", "width")):
        panel = axes[index]
        panel.scatter([places[text][index] for text in scored], values, s=12, alpha=0.6)
        panel.plot(
            [places[text][index] for text in others],
            [0.02] * len(others),
            "|",
            color="grey",
            transform=panel.get_xaxis_transform(),
        )
        if indicator in scores.get(winner, {}):
            star = {"marker": "*", "s": 190, "color": "tab:red", "edgecolor": "black", "zorder": 3}
            panel.scatter(places[winner][index], scores[winner][indicator], **star)
        panel.set_xlabel(f"effective {name}", fontsize=11)
        panel.grid(alpha=0.3)
    axes[0].set_ylabel(indicator.replace("_", " "), fontsize=11)
    own = [one[indicator] for one in scores.values() if indicator in one]
    axes[2].hist(own, bins=min(30, max(5, len(own) // 5)), orientation="horizontal")
    axes[2].set_xlabel("number", fontsize=11)
    figure.suptitle(f"{len(own)} of {len(scores)} scored; star: ahead", fontsize=11)
    return figure


def _depth_width(space: SearchSpace, text: str) -> tuple[float, float]:
    """Return effective depth and width, in the mean over an architecture's cells."""
    graphs = space.topologies(space.parse(text)).values()
    depths, widths = zip(*map(effective_depth_width, graphs), strict=True)
    return fmean(depths), fmean(widths)


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
    figure = Figure(figsize=(4.6, max(2.5, 0.2 * len(names))), layout="constrained")
    axes = figure.subplots()
    kept = set(final)
    colours = ["tab:green" if name in kept else "tab:blue" for name in names]
    axes.barh(range(len(names)), [lifetimes[name] for name in names], color=colours, height=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    for number, (name, after) in enumerate(itertools.pairwise(names)):
        if name.rpartition(" ")[0] != after.rpartition(" ")[0]:
            axes.axhline(number + 0.5, color="black", lw=0.6)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("round that pruned it; green: kept", fontsize=11)
    return figure
