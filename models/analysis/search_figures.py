"""Figure of what a search has scored: where, how scores spread, and the best so far."""

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.analysis.panel import add_panel
from models.spaces import SearchSpace
from models.topology import effective_depth_width

_POINTS = 1000
"""Architectures of a kind in a picture: more are one blot, and each takes time."""
_STAR: dict[str, Any] = {"marker": "*", "s": 170, "color": "tab:red", "edgecolor": "black"}
_GREY: dict[str, Any] = {"color": "grey", "linestyle": "none", "alpha": 0.5}


class Places(dict[str, tuple[float, float]]):
    """Effective depth and width by an architecture's text, in the mean over its cells.

    They are worked out when they are first asked for: a search draws the same ones again and again.

    Args:
        space: of the architectures; it has graphs.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self._space = space

    def __missing__(self, text: str) -> tuple[float, float]:
        """Work them out."""
        graphs = self._space.topologies(self._space.parse(text)).values()
        depths, widths = zip(*map(effective_depth_width, graphs), strict=True)
        self[text] = fmean(depths), fmean(widths)
        return self[text]


def scores_by_text(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the scores, in the mean over repeats, of all that a search has evaluated.

    Args:
        history: rounds, with the candidates of each. Scores of one that occurs in several, as in
            the stages of a search, are put together; the last counts.

    Returns:
        Scores by indicator, by the architecture's text, in the order of evaluation; none of one
        that failed. What was refused is left out.
    """
    found: dict[str, dict[str, float]] = {}
    for done in history:
        for entry in done["candidates"]:
            if "refused" not in entry:
                scores = {name: fmean(values) for name, values in entry.get("scores", {}).items()}
                found.setdefault(entry["candidate"], {}).update(scores)
    return found


def scores_figure(
    places: Places,
    scores: Mapping[str, Mapping[str, float]],
    indicator: str,
    winner: str,
    *,
    refused: Collection[str] = (),
    higher_is_better: bool = True,
) -> Figure:
    """Draw an indicator's scores over effective depth and width, their distribution, the best.

    Below, all architectures lie at their depth and width, and the scores stand in the order of
    their evaluation under the best so far.

    Args:
        places: of the architectures.
        scores: by indicator, by the architecture's text. What has none by this indicator (failed,
            not asked) is grey. Of more than a thousand, evenly chosen ones are drawn, and the
            distribution and the best so far have all.
        indicator: whose scores.
        winner: text of the best architecture so far, marked by a star.
        refused: texts of architectures that a filter or a budget kept from being scored; crosses.
        higher_is_better: the direction of the scores.
    """
    chosen, without = _evenly([*scores]), _evenly([*refused])
    scored = [text for text in chosen if indicator in scores[text]]
    others = [text for text in chosen if indicator not in scores[text]]
    values = [scores[text][indicator] for text in scored]
    own = [one[indicator] for one in scores.values() if indicator in one]
    best = scores.get(winner, {}).get(indicator)

    figure = Figure(figsize=(4.6, 4.6))
    first = add_panel(figure, 0.75, 2.75, 1.5, 1.5)
    second = add_panel(figure, 2.35, 2.75, 1.5, 1.5, sharey=first)
    spread = add_panel(figure, 3.95, 2.75, 0.55, 1.5, sharey=first)
    plane = add_panel(figure, 0.75, 0.5, 1.5, 1.6)
    order = add_panel(figure, 2.95, 0.5, 1.55, 1.6)
    for index, (panel, name) in enumerate(((first, "depth"), (second, "width"))):
        panel.scatter([places[text][index] for text in scored], values, s=12, alpha=0.6)
        unscored = [places[text][index] for text in (*others, *without)]
        edge = panel.get_xaxis_transform()
        panel.plot(unscored, [0.03] * len(unscored), marker="|", transform=edge, **_GREY)
        if best is not None:
            panel.scatter(places[winner][index], best, zorder=3, **_STAR)
        _name(panel, f"effective {name}", "" if index else indicator.replace("_", " "))
    spread.hist(own, bins=min(30, max(5, len(own) // 5)), orientation="horizontal")
    spread.xaxis.set_major_locator(MaxNLocator(1, integer=True))
    _name(spread, "number")
    for panel in (second, spread):
        panel.tick_params(labelleft=False)

    for texts, marker in ((without, "x"), (others, ".")):
        at = [places[text] for text in texts]
        plane.plot([d for d, _ in at], [w for _, w in at], marker=marker, ms=4, zorder=1, **_GREY)
    at = [places[text] for text in scored]
    plane.scatter([d for d, _ in at], [w for _, w in at], s=12, alpha=0.6)
    plane.scatter(*places[winner], zorder=3, **_STAR)
    _name(plane, "effective depth", "effective width")
    so_far = np.maximum.accumulate(own) if higher_is_better else np.minimum.accumulate(own)
    shown = np.linspace(1, len(own), min(_POINTS, len(own)), dtype=int)
    order.plot(shown, [own[i - 1] for i in shown], ".", ms=4, alpha=0.4)
    order.step(range(1, len(own) + 1), so_far, color="tab:red", where="post", lw=1.8)
    _name(order, "evaluation; line: best")
    words = f"{len(own)} of {len(scores)} scored; star: ahead"
    figure.suptitle(f"{words}; ×: filtered" if refused else words, fontsize=11, y=0.985)
    return figure


def _evenly(texts: Sequence[str]) -> list[str]:
    """Return the texts, or as many of them as a picture has, in order."""
    count = min(_POINTS, len(texts))
    return [texts[i] for i in np.linspace(0, len(texts) - 1, count, dtype=int)]


def _name(panel: Axes, x: str, y: str = "") -> None:
    panel.set_xlabel(x, fontsize=11)
    if y:
        panel.set_ylabel(y, fontsize=11)
    panel.grid(alpha=0.3)
