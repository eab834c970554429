"""Which sum of log-ranks orders NAS-Bench-201 cells best, and which finds the best cells.

    python docs/studies/indicators.py ../shared/data --cells 3000 --batch 64 --output scores.csv
    python docs/studies/aggregates.py ../shared/data scores.csv

Every set of up to `--size` indicators is judged on one half of the cells by CIFAR-10 alone: by
Kendall's τ, or by the mean accuracy of the best-ranked of `--samples` random cells. The first few
are then measured on the other half, on all datasets. Cells that an indicator could not score are
left out of the sets that hold it.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _study import (
    DATASETS,
    Array,
    accuracies,
    accuracies_of,
    mean_and_deviation,
    print_table,
)
from indicators import INDICATORS, cells_of, depths_and_widths, read, scores_of
from scipy.stats import kendalltau, rankdata

LEFT_OUT = ("snip", "vkdnw_entropy", "linear_regions", "flops")
"""Of no use alone, refused by a quarter of the cells, or in the order of the parameters."""


class Pool:
    """Scores (cells, indicators), NaN for a failure, and accuracies (cells, datasets)."""

    def __init__(
        self, data: Path, scores: Path, names: Sequence[str] | None = None, cells: int | None = None
    ) -> None:
        rows = read(scores)
        known = [n for n in INDICATORS if any(name == n for _, name in rows) and n not in LEFT_OUT]
        self.names = list(names or [*known, "depth", "width"])
        self.cells = cells_of(rows)[:cells]
        self.accuracy = accuracies_of(accuracies(data), self.cells)
        shapes = np.array(depths_and_widths(self.cells))
        columns = []
        for name in self.names:
            if name in ("depth", "width"):
                columns.append(shapes[:, ("depth", "width").index(name)])
            else:
                found = scores_of(rows, name)
                columns.append(np.array([found.get(cell, np.nan) for cell in self.cells]))
        self.scores = np.array(columns).T

    def total(self, cells: Array, columns: list[int]) -> tuple[Array, Array]:
        """Return the cells that all indicators scored, and their sums of log-ranks."""
        own = cells[~np.isnan(self.scores[cells][:, columns]).any(1)]
        return own, np.log(rankdata(self.scores[own][:, columns], axis=0) / len(own)).sum(1)

    def tau(self, cells: Array, columns: list[int], dataset: int) -> float:
        """Return Kendall's τ between sums of log-ranks and accuracies."""
        own, total = self.total(cells, columns)
        return float(kendalltau(total, self.accuracy[own, dataset])[0])

    def found(self, cells: Array, columns: list[int], samples: int, runs: int) -> Array:
        """Return the accuracies (runs, datasets) of what searches of `samples` cells find."""
        random, winners = np.random.default_rng(1), []
        for _ in range(runs):
            own, total = self.total(random.choice(cells, samples, replace=False), columns)
            winners.append(self.accuracy[own[total.argmax()]])
        return np.array(winners)


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge every set on one half, and measure the best on the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table")
    parser.add_argument("scores", type=Path, help="what indicators.py wrote")
    parser.add_argument("--cells", type=int, help="the first so many of the file; by default all")
    parser.add_argument("--names", nargs="+", help="indicators; by default those of the file")
    parser.add_argument("--size", type=int, default=6, help="largest set")
    parser.add_argument("--samples", type=int, default=1000, help="cells of a search")
    parser.add_argument("--by", choices=("tau", "top"), default="tau")
    parser.add_argument("--show", type=int, default=5)
    args = parser.parse_args(arguments)
    pool = Pool(args.data, args.scores, args.names, args.cells)
    n = len(pool.accuracy)
    shuffled = np.random.default_rng(0).permutation(n)
    ours, held_out = shuffled[: n // 2], shuffled[n // 2 :]
    if args.by == "top" and args.samples > n // 2:
        parser.error(f"--samples: expected at most {n // 2}, half of the cells, got {args.samples}")
    sets = [
        list(chosen)
        for size in range(1, args.size + 1)
        for chosen in itertools.combinations(range(len(pool.names)), size)
    ]
    print(f"{len(sets)} sets of {len(pool.names)} indicators, {n} cells, chosen by {args.by}\n")

    def merit(columns: list[int]) -> float:
        if args.by == "tau":
            return pool.tau(ours, columns, 0)
        return float(pool.found(ours, columns, args.samples, 30)[:, 0].mean())

    shown = []
    for value, columns in sorted(((merit(s), s) for s in sets), reverse=True)[: args.show]:
        taus = [f"{pool.tau(held_out, columns, d):.3f}" for d in range(len(DATASETS))]
        best = ["–"] * len(DATASETS)
        if args.samples <= n // 2:
            winners = pool.found(held_out, columns, args.samples, 60)
            best = [mean_and_deviation(own) for own in winners.T.tolist()]
        names = " + ".join(pool.names[i] for i in columns)
        shown.append([names, f"{value:.3f}", *taus, *best])
    header = [f"τ {name}" for name in DATASETS] + [f"best, {name}" for name in DATASETS]
    print_table(["set", "chosen by", *header], shown)


if __name__ == "__main__":
    main()
