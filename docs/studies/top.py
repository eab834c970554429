"""Which sum of log-ranks finds the best NAS-Bench-201 cells, with deep and narrow networks.

    python docs/studies/indicators.py ../shared/data --cells 8000 --output shallow.csv \
        --settings parameters,synflow,layers
    python docs/studies/top.py ../shared/data shallow.csv deep.csv reference.csv

Few cells decide what is best, so that only these are scored at N = 5: the eighth of the 8,000 cells
with the largest sum of log-ranks of parameters, SynFlow and layers (`deep.csv`). Their rank among
all cells is read off the scores of random cells (`reference.csv`). A search of 1,000 samples is
one of an eighth as many of these. Sets of up to five indicators are compared by the mean accuracy
on CIFAR-10 of what such searches find among one half of the cells; the first few are then measured
on the other half, on all datasets. A second call continues where the first was stopped.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _study import DATASETS, Array, print_table, use_one_thread
from aggregates import Pool
from indicators import Rows, Setting, read, score_cells, scores_of
from scipy.stats import rankdata

CHEAP = ("parameters", "synflow", "layers")
DEEP = ("trainability", "progressivity", "activation_overlap", "gradient_flow")
SHARE, RUNS = 0.125, 60
SETTING = Setting(channels=4, cells_per_stage=5, batch=16)


def log_shares(values: Array, population: Array) -> Array:
    """Return the log of the share of a population that is not above each value; ties count half."""
    ordered = np.sort(population)
    places = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.log((places + 1) / 2 / (len(ordered) + 1))


def found(total: Array, accuracy: Array, cells: Array, count: int, seed: int) -> Array:
    """Return the mean accuracies (datasets,) of the best-ranked of `count` cells over `RUNS`."""
    draws = np.random.default_rng(seed)
    drawn = [draws.choice(cells, count, replace=False) for _ in range(RUNS)]
    return np.mean([accuracy[own[total[own].argmax()]] for own in drawn], axis=0)


def by_name(shallow: Rows, others: Rows) -> dict[str, dict[str, float]]:
    """Return scores by indicator and cell, higher is better."""
    deep = {name: scores_of(others, name) for name in DEEP}
    return deep | {name: scores_of(shallow, name) for name in CHEAP}


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the promising cells, judge every set on one half, and measure the best on the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("shallow", type=Path, help="what indicators.py wrote")
    parser.add_argument("deep", type=Path, help="scores of the promising cells")
    parser.add_argument("reference", type=Path, help="scores of random cells")
    parser.add_argument("--samples", type=int, default=1000, help="cells of a search")
    parser.add_argument("--random", type=int, default=240, help="cells of the reference")
    parser.add_argument("--minutes", type=float, default=30, help="stop scoring after so long")
    parser.add_argument("--show", type=int, default=8)
    args = parser.parse_args(arguments)
    use_one_thread()
    pool = Pool(args.data, args.shallow, CHEAP)
    scores = np.nan_to_num(pool.scores, nan=-np.inf)
    order = np.argsort(-np.log(rankdata(scores, axis=0)).sum(1))[: round(SHARE * len(pool.cells))]
    promising = [pool.cells[i] for i in sorted(order)]
    for cells, output in ((pool.cells[: args.random], args.reference), (promising, args.deep)):
        score_cells(args.data, cells, DEEP, SETTING, output, args.minutes)
    shallow = read(args.shallow)
    values = by_name(shallow, read(args.deep))
    populations = by_name(shallow, read(args.reference))
    known = dict(zip(pool.cells, pool.accuracy, strict=True))
    cells = [cell for cell in promising if all(cell in own for own in values.values())]
    accuracy, count = np.array([known[cell] for cell in cells]), round(SHARE * args.samples)
    if not 1 <= count <= len(cells) // 2:
        parser.error(
            f"--samples: expected {round(1 / SHARE)} to {round(len(cells) // 2 / SHARE)}, of which "
            f"an eighth fits in half of the {len(cells)} cells scored, got {args.samples}"
        )
    parts = {
        name: log_shares(
            np.array([own[cell] for cell in cells]), np.array(list(populations[name].values()))
        )
        for name, own in values.items()
    }
    shuffled = np.random.default_rng(5).permutation(len(cells))
    ours, held_out = shuffled[: len(cells) // 2], shuffled[len(cells) // 2 :]
    sets = [s for size in range(1, 6) for s in itertools.combinations(parts, size)]
    totals = {chosen: sum(parts[name] for name in chosen) for chosen in sets}
    means = {chosen: found(totals[chosen], accuracy, ours, count, 1) for chosen in sets}
    oracle = found(accuracy[:, 0], accuracy, held_out, count, 2)
    shown = [["*the best by CIFAR-10*", *["–"] * len(DATASETS), *(f"{a:.2f}" for a in oracle)]]
    for chosen in sorted(sets, key=lambda s: -means[s][0])[: args.show]:
        other = found(totals[chosen], accuracy, held_out, count, 2)
        shown.append([" + ".join(chosen), *(f"{a:.2f}" for a in (*means[chosen], *other))])
    print(f"{len(cells)} cells, {len(sets)} sets\n")
    print_table(["set", *DATASETS, *(f"{name}, held out" for name in DATASETS)], shown)


if __name__ == "__main__":
    main()
