"""Agreement of scores with known accuracies of architectures."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata, spearmanr
from sklearn.metrics import ndcg_score

from models.indicators import Indicator, RankAggregate
from models.spaces import SearchSpace
from models.topology import effective_depth_width

Scores = Mapping[str, float]
"""Architecture to score; those whose evaluation failed are missing."""


class Agreement(NamedTuple):
    """Agreement of an order with accuracy; every figure is higher for a better one."""

    kendall: float
    """τ_b, −1 to 1."""
    spearman: float
    """ρ, −1 to 1."""
    ndcg: float
    """Discounted gain of the best-ranked `top`, at most 1, with gains 2^accuracy − 1 for accuracies
    in [0, 1] (VKDNW, arXiv 2502.04975). NaN where a truth is negative, such as −loss."""
    top_recall: float
    """Share of the `top` most accurate that are among the `top` best-ranked, 0 to 1."""
    best_accuracy: float
    """Accuracy of the best-ranked, per cent: what a search would find."""


class Row(NamedTuple):
    """One indicator on one dataset."""

    indicator: str
    dataset: str
    cells: int
    failed: int
    kendall: float
    spearman: float
    ndcg: float
    top_recall: float
    best_accuracy: float
    milliseconds: float
    """Median time of a score; NaN where all came from a cache or none was measured."""


def agreement(scores: Sequence[float], accuracies: Sequence[float], top: int) -> Agreement:
    """Compare two orders of the same n architectures.

    Args:
        scores: (n,), higher is better, infinite ones among them.
        accuracies: (n,), per cent.
        top: of how many best-ranked gain and recall are taken.

    Raises:
        ValueError: fewer than 2, or `top` outside 1 to n.
    """
    n = len(scores)
    if n < 2 or not 1 <= top <= n:
        raise ValueError(f"top: expected 1 to the number of cells, at least 2; got {top} of {n}")
    ranks: NDArray[np.float64] = rankdata(scores)  # finite, whatever the scores
    truth = np.asarray(accuracies, dtype=np.float64)
    order = np.argsort(-ranks, kind="stable")
    best = np.argsort(-truth, kind="stable")[:top]
    gains = 2 ** (truth / 100) - 1
    return Agreement(
        float(kendalltau(ranks, truth).statistic),
        float(spearmanr(ranks, truth).statistic),
        float(ndcg_score([gains], [ranks], k=top)) if min(gains) >= 0 else math.nan,
        len(set(order[:top].tolist()) & set(best.tolist())) / top,
        float(truth[order[0]]),
    )


def ranking(
    scores: Mapping[str, Scores],
    accuracies: Mapping[str, Mapping[str, float]],
    share: float,
    milliseconds: Mapping[str, Sequence[float]],
    drawn: int,
) -> list[Row]:
    """Every indicator on every dataset, indicators in the order given.

    Args:
        scores: by indicator, higher is better.
        accuracies: by dataset, of the architectures that have one; the others are left out.
        share: part of the scored architectures that counts as the top, in (0, 1].
        milliseconds: what scores took, by indicator.
        drawn: architectures that were to be scored.

    Raises:
        ValueError: an indicator with fewer than two scores.
    """
    rows = []
    for name, own in scores.items():
        times = milliseconds.get(name) or [float("nan")]
        for dataset, table in accuracies.items():
            cells = [cell for cell in own if cell in table]
            if len(cells) < 2:
                raise ValueError(
                    f"samples: {name} scored {len(cells)} of {drawn} cells with a {dataset} "
                    "accuracy, expected 2"
                )
            found = agreement(
                [own[cell] for cell in cells],
                [table[cell] for cell in cells],
                max(1, round(share * len(cells))),
            )
            rows.append(
                Row(name, dataset, len(cells), drawn - len(own), *found, float(np.median(times)))
            )
    return rows


def aggregate(
    indicators: Sequence[Indicator], scores: Mapping[str, Scores], architectures: Sequence[str]
) -> Scores:
    """Sum log-ranks over the architectures that every indicator scored.

    Args:
        indicators: what to add up.
        scores: as the indicators give them, by name and architecture.
        architectures: all of them.
    """
    rows = [[scores[one.name].get(text) for text in architectures] for one in indicators]
    totals = RankAggregate(indicators).aggregate(rows)
    return {
        text: total for text, total in zip(architectures, totals, strict=True) if total is not None
    }


def oriented(
    indicators: Sequence[Indicator],
    scores: Mapping[str, Scores],
    aggregates: Mapping[str, Sequence[str]],
    architectures: Sequence[str],
) -> dict[str, Scores]:
    """Turn scores so that higher is better, and add the aggregates.

    Args:
        indicators: in the order of the result.
        scores: as they give them, by name and architecture.
        aggregates: name to the names of the indicators whose log-ranks are added up.
        architectures: all of them.
    """
    found = {
        one.name: scores[one.name]
        if one.higher_is_better
        else {text: -score for text, score in scores[one.name].items()}
        for one in indicators
    }
    for name, members in aggregates.items():
        own = [one for one in indicators if one.name in members]
        found[name] = aggregate(own, scores, architectures)
    return found


def depth_width_scores(space: SearchSpace, architectures: Mapping[str, Any]) -> dict[str, Scores]:
    """Effective depth and width as scores: means over cells; none in a space without graphs.

    Args:
        space: whose architectures.
        architectures: by their text.
    """
    depths: dict[str, float] = {}
    widths: dict[str, float] = {}
    for text, architecture in architectures.items():
        found = list(map(effective_depth_width, space.topologies(architecture).values()))
        if not found:
            return {}
        depths[text] = fmean(one.depth for one in found)
        widths[text] = fmean(one.width for one in found)
    return {"effective_depth": depths, "effective_width": widths}


def as_text(rows: Sequence[Row]) -> str:
    """A table for the terminal, the best by Kendall's τ on the first dataset first."""
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    found = {(row.indicator, row.dataset): row for row in rows}
    first = [row for row in rows if row.dataset == datasets[0]]
    first.sort(key=lambda row: 2 if math.isnan(row.kendall) else -row.kendall)
    width = max(9, *(len(row.indicator) for row in rows))
    shown = ("kendall", "spearman", "ndcg", "top_recall", "best_accuracy")
    lines = [
        f"{'indicator':{width}s}  cells failed  ms/cell  "
        + "  ".join(f"{name:>14s}" for name in shown)
        + f"   ({' / '.join(datasets)})"
    ]
    for row in first:
        own = [found[row.indicator, dataset] for dataset in datasets]
        cells = ["/".join(_short(getattr(one, name)) for one in own) for name in shown]
        time = "–" if math.isnan(row.milliseconds) else f"{row.milliseconds:.1f}"
        lines.append(
            f"{row.indicator:{width}s}  {row.cells:5d} {row.failed:6d}  {time:>7s}  "
            + "  ".join(f"{cell:>14s}" for cell in cells)
        )
    return "\n".join(lines)


def _short(value: float) -> str:
    """Three digits after the point below 1, one above."""
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if abs(value) > 1 else f"{value:.3f}".replace("0.", ".")
