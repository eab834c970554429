"""Which sum of log-ranks orders NAS-Bench-201 cells best, and which finds the best cells.

    python docs/studies/indicators.py --cells 3000 --batch 64 --output scores.csv
    python docs/studies/aggregates.py scores.csv

Every set of up to `--size` indicators is judged on one half of the cells by CIFAR-10 alone: by
Kendall's τ, and by the mean accuracy of the best-ranked of `--samples` random cells. The first few
by either are then measured on the other half, on all datasets. Cells that an indicator could not
score are left out of the sets that hold it.
"""

import argparse
import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata
from indicators import DATA, DATASETS, SETTINGS, read

from models.spaces import NasBench201Space
from models.topology import effective_depth_width

Array = np.ndarray[Any, np.dtype[np.float64]]
LEFT_OUT = ("snip", "vkdnw_entropy", "linear_regions", "flops")
"""Of no use alone, refused by a quarter of the cells, or in the order of the parameters."""


class Pool:
    """Scores (cells, indicators), NaN for a failure, and accuracies (cells, datasets)."""

    def __init__(self, scores: Path, names: list[str] | None, cells: int | None) -> None:
        with (DATA / "nasbench201_test_accuracy.csv").open(newline="") as lines:
            table = {
                row["ArchitectureString"]: [float(row[column]) for column in DATASETS.values()]
                for row in csv.DictReader(lines)
            }
        rows, space = read(scores), NasBench201Space()
        known = [n for n in SETTINGS if any(name == n for _, name in rows) and n not in LEFT_OUT]
        self.names = names or [*known, "depth", "width"]
        drawn = list(dict.fromkeys(cell for cell, _ in rows))[:cells]
        self.accuracy = np.array([table[cell] for cell in drawn])
        columns = []
        for name in self.names:
            if name in ("depth", "width"):
                graphs = (space.topology(space.parse(cell)) for cell in drawn)
                columns.append([float(getattr(effective_depth_width(g), name)) for g in graphs])
                continue
            sign = 1 if SETTINGS[name].higher_is_better else -1
            found = [rows.get((cell, name), {}).get("score") for cell in drawn]
            columns.append([sign * float(score) if score else np.nan for score in found])
        self.scores = np.array(columns).T

    def total(self, cells: Array, columns: list[int]) -> tuple[Array, Array]:
        """The cells that all indicators scored, and their sums of log-ranks."""
        own = cells[~np.isnan(self.scores[cells][:, columns]).any(1)]
        return own, np.log(rankdata(self.scores[own][:, columns], axis=0) / len(own)).sum(1)

    def tau(self, cells: Array, columns: list[int], dataset: int) -> float:
        own, total = self.total(cells, columns)
        return float(kendalltau(total, self.accuracy[own, dataset]).statistic)

    def found(self, cells: Array, columns: list[int], samples: int, runs: int) -> Array:
        """Accuracies (runs, datasets) of what searches of `samples` cells find."""
        random, winners = np.random.default_rng(1), []
        for _ in range(runs):
            own, total = self.total(random.choice(cells, samples, replace=False), columns)
            winners.append(self.accuracy[own[total.argmax()]])
        return np.array(winners)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path, help="what indicators.py wrote")
    parser.add_argument("--cells", type=int, help="the first so many of the file; by default all")
    parser.add_argument("--names", nargs="+", help="indicators; by default those of the file")
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--by", choices=("tau", "top"), default="tau")
    parser.add_argument("--show", type=int, default=5)
    args = parser.parse_args()
    pool = Pool(args.scores, args.names, args.cells)
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
    print(f"{len(sets)} sets of {len(pool.names)} indicators, {n} cells, chosen by {args.by}")

    def merit(columns: list[int]) -> float:
        if args.by == "tau":
            return pool.tau(ours, columns, 0)
        return float(pool.found(ours, columns, args.samples, 30)[:, 0].mean())

    for value, columns in sorted(((merit(s), s) for s in sets), reverse=True)[: args.show]:
        print(
            f"\n{value:.3f}  {' + '.join(pool.names[i] for i in columns)}\n    held out: τ", end=""
        )
        print(*(f"{pool.tau(held_out, columns, d):.3f}" for d in range(len(DATASETS))), sep=" / ")
        if args.samples <= n // 2:
            winners = pool.found(held_out, columns, args.samples, 60)
            figures = zip(winners.mean(0), winners.std(0), strict=True)
            print(
                f"    best of {args.samples}:", " / ".join(f"{m:.2f} ({s:.2f})" for m, s in figures)
            )


if __name__ == "__main__":
    main()
