"""What every score is worth on every space: Kendall's τ, its standard error and its time.

    python docs/studies/atlas.py ../shared/data --minutes 60

Scores architectures with known accuracies by every indicator that a space admits, at one small
setting per space (`space.proxy("small", …)`, chosen before; NAS-Bench-201 a second time with each
at its own), and writes docs/atlas.md and docs/pictures/atlas.png. Scores are kept in `--cache`: a
second call continues where the first was stopped. Where time ran out, a space is reported on the
architectures scored by then.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _atlas_page import write
from _places import CELLS, PLACES, Place, architectures_of
from _study import Array, images, use_one_thread
from scipy.stats import rankdata

from models import indicators
from models.indicators import Indicator
from models.search import Scorer

NORMALISATION = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)}
"""That of `CIFAR10DataModule`, and so of configs/rank."""
TRIVIAL = ("parameters", "flops", "layers", "effective_depth", "effective_width")
"""Read off the architecture: what a score has to beat."""
DEFAULT = "SynFlow + parameters + layers + trainability + progressivity"
AGGREGATES = {
    "SynFlow + NEAR + layers": ("synflow", "near", "layers"),
    "NEAR + trainability + parameters": ("near", "trainability", "parameters"),
    "NEAR + trainability + SynFlow": ("near", "trainability", "synflow"),
    "NEAR + Jacobian covariance + parameters": ("near", "jacobian_covariance", "parameters"),
    "AZ-NAS + SynFlow": ("expressivity", "progressivity", "trainability", "flops", "synflow"),
    DEFAULT: (
        "synflow",
        "parameters",
        "layers",
        "trainability",
        "progressivity",
    ),
}
"""Sums of log-ranks, set down before any was measured: a score of expressivity or capacity, one of
trainability, one of size; the published best; and the default of `RankAggregate`."""
FITTED = {
    "AZ-NAS": ("expressivity", "progressivity", "trainability", "flops"),
    "best of 4,000 sets": (
        "synflow",
        "parameters",
        "trainability",
        "progressivity",
        "gradient_flow",
        "ntk_condition_number",
    ),
}
"""For comparison: as published, and by τ on other cells of NAS-Bench-201 (docs/search.md)."""


class Scored(NamedTuple):
    """Scores of some architectures, higher is better, and what is known of them."""

    title: str
    texts: list[str]
    accuracies: dict[str, Array]
    """By dataset, NaN where unknown."""
    scores: dict[str, Array]
    """By indicator or aggregate; −∞ where an evaluation failed, as it cannot win a search."""
    failed: dict[str, int]
    milliseconds: dict[str, float]
    """Median processor time of a score, its network's building included."""
    alike: bool
    """All indicators had one setting."""


def all_indicators() -> list[Indicator]:
    """Return one of every indicator, with its default arguments."""
    kinds = [getattr(indicators, name) for name in indicators.__all__]
    return [
        kind()
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Indicator) and kind is not Indicator
    ]


def scorers(
    place: Place,
    names: Sequence[str],
    source: Any,
    cache: Path | None,
    seed: int = 0,
    apart: bool = False,
) -> list[Scorer]:
    """Return a scorer for each setting, or for each indicator, of those that suit the space."""
    settings: dict[Any, list[Indicator]] = {}
    for one in all_indicators():
        if one.name not in names or one.name in {*place.skipped, *place.space.unsuited}:
            continue
        if one.proxy == "regions" and not hasattr(place.space, "region_network"):
            continue
        setting = place.setting or place.space.proxy("small", one.name)
        key = one.name if apart else (str(setting.network), setting.batch_size)
        settings.setdefault(key, []).append(one)
    found = []
    for own in settings.values():
        network, batch = place.setting or place.space.proxy("small", own[0].name)
        file = str(cache) if cache else None
        scorer = Scorer(place.space, source, own, dict(network), batch, seed, file)
        scorer.prepare(torch.device("cpu"))
        found.append(scorer)
    return found


def measure(
    name: str,
    source: Any,
    data: Path,
    cache: Path,
    count: int,
    timed: int,
    minutes: float,
    names: Sequence[str] = (),
) -> Scored:
    """Score the architectures of a place until time is up, and time the first few.

    By the indicators of some `names`, or by all.
    """
    place = PLACES[name]
    table = place.read(data).of(place.space)
    chosen = architectures_of(place, table, count)
    every = names or [one.name for one in all_indicators()]
    end, results = time.monotonic() + 60 * minutes, []
    ready = scorers(place, every, source, cache)
    for architecture in chosen:
        if results and time.monotonic() > end:
            break
        found: dict[str, list[float]] = {}
        for scorer in ready:
            found |= scorer.evaluate(architecture).get("scores", {})
        results.append(found)
    texts = [place.space.format(one) for one in chosen[: len(results)]]
    known = {one.name: one for scorer in ready for one in scorer.indicators}
    scores, failed = {}, {}
    for own, one in known.items():
        sign = 1 if one.higher_is_better else -1
        column = [sign * row[own][0] if own in row else -np.inf for row in results]
        if np.isfinite(column).any():
            scores[own], failed[own] = np.array(column), int(np.isinf(column).sum())
    taken = times(place, list(scores), source, chosen[:timed])
    for title, parts in (AGGREGATES | FITTED).items():
        if all(part in scores for part in parts):
            scores[title] = log_ranks(scores, parts)
            failed[title] = max(failed[part] for part in parts)
            taken[title] = sum(taken.get(part, np.nan) for part in parts)
    accuracies = {
        dataset: np.array([table[text].get(dataset, np.nan) for text in texts])
        for dataset in table.datasets
    }
    return Scored(place.title, texts, accuracies, scores, failed, taken, len(ready) == 1)


def log_ranks(scores: Mapping[str, Array], names: Sequence[str]) -> Array:
    """Return the sum of log-ranks of `RankAggregate`, of what may hold failures."""
    total: Array = sum(np.log(rankdata(scores[n]) / len(scores[n])) for n in names)  # type: ignore[assignment]
    return total


def times(
    place: Place, names: Sequence[str], source: Any, chosen: Sequence[Any]
) -> dict[str, float]:
    """Return the median milliseconds of each indicator by itself."""
    found = {}
    for scorer in scorers(place, names, source, None, apart=True) if chosen else ():
        taken = []
        for architecture in chosen:
            start = time.process_time()
            scorer.evaluate(architecture)
            taken.append(1000 * (time.process_time() - start))
        found[scorer.indicators[0].name] = float(np.median(taken))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Score, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the tables and the images")
    parser.add_argument("--spaces", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--cells", type=int, help="per space; by default those of the page")
    parser.add_argument("--timed", type=int, default=3, help="architectures that are timed")
    parser.add_argument("--resamples", type=int, default=200, help="for standard errors")
    parser.add_argument("--minutes", type=float, default=20, help="per space; stop after so long")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_atlas.jsonl"))
    parser.add_argument("--page", type=Path, default=Path("docs/atlas.md"))
    args = parser.parse_args(arguments)
    use_one_thread()
    with images(args.data, **NORMALISATION) as source:
        source.prepare_data()
        source.setup("fit")
        found = []
        for name in args.spaces:
            count = args.cells or CELLS[name]
            one = measure(name, source, args.data, args.cache, count, args.timed, args.minutes)
            print(f"{one.title}: {len(one.texts)} architectures", flush=True)
            found.append(one)
    write(args.page, found, TRIVIAL, args.resamples)


if __name__ == "__main__":
    main()
