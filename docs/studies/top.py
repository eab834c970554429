"""Which sum of log-ranks finds the best NAS-Bench-201 cells, with deep and narrow networks.

    python docs/studies/indicators.py --cells 8000 --output shallow.csv \
        --settings parameters,synflow,layers
    python docs/studies/top.py shallow.csv deep.csv reference.csv

The best of a search is decided by few cells, so that only these are scored at N=5: the eighth of
the 8,000 cells with the largest sum of log-ranks of parameters, SynFlow and layers (`deep.csv`).
Their rank among all cells is read off the scores of random cells (`reference.csv`). A search of
1,000 samples is one of an eighth as many of these. Sets of up to five indicators are compared by
the mean accuracy on CIFAR-10 of what such searches find among one half of the cells; the first few
are then measured on the other half, on all datasets. A second call goes on where the first was
stopped.
"""

import argparse
import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from aggregates import Pool
from indicators import DATA, DATASETS, SETTINGS, read, score_cells

Array = np.ndarray[Any, np.dtype[np.float64]]
CHEAP = ("parameters", "synflow", "layers")
DEEP = ("trainability", "progressivity", "activation_overlap", "gradient_flow")
SHARE, REFERENCE, SAMPLES, RUNS = 0.125, 240, 1000, 60
SETTING = {"channels": 4, "cells_per_stage": 5, "batch": 16, "seed": 0, "init": "torch"}


def score(cells: list[str], output: Path, minutes: float) -> None:
    """Append what is missing of `cells` to the file."""
    score_cells(cells, list(DEEP), argparse.Namespace(output=output, minutes=minutes, **SETTING))


def columns_of(path: Path, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Scores by indicator and cell, higher is better; failures are missing."""
    columns: dict[str, dict[str, float]] = {name: {} for name in names}
    for (cell, name), row in read(path).items():
        if name in columns and row["score"]:
            sign = 1 if SETTINGS[name].higher_is_better else -1
            columns[name][cell] = sign * float(row["score"])
    return columns


def log_shares(values: Array, population: Array) -> Array:
    """Log of the share of a population that is not above each value; ties count half."""
    ordered = np.sort(population)
    places = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.log((places + 1) / 2 / (len(ordered) + 1))


def found(total: Array, accuracy: Array, cells: Array, seed: int) -> Array:
    """Accuracies (datasets,) of the best-ranked of an eighth of `SAMPLES` cells, mean of `RUNS`."""
    draws, count = np.random.default_rng(seed), round(SHARE * SAMPLES)
    drawn = [draws.choice(cells, count, replace=False) for _ in range(RUNS)]
    return np.mean([accuracy[own[total[own].argmax()]] for own in drawn], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shallow", type=Path, help="what indicators.py wrote")
    parser.add_argument("deep", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--minutes", type=float, default=30, help="stop scoring after so long")
    parser.add_argument("--show", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with (DATA / "nasbench201_test_accuracy.csv").open(newline="") as lines:
        table = {
            row["ArchitectureString"]: [float(row[column]) for column in DATASETS.values()]
            for row in csv.DictReader(lines)
        }
    shallow = columns_of(args.shallow, CHEAP)
    drawn = list(dict.fromkeys(cell for cell, _ in read(args.shallow)))
    scores = np.nan_to_num(Pool(args.shallow, list(CHEAP), None).scores, nan=-np.inf)
    order = np.argsort(-np.log(rankdata(scores, axis=0)).sum(1))[: round(SHARE * len(drawn))]
    if args.minutes:
        score(drawn[:REFERENCE], args.reference, args.minutes)
        score([drawn[i] for i in sorted(order)], args.deep, args.minutes)
    deep, reference = columns_of(args.deep, DEEP), columns_of(args.reference, DEEP)
    values, populations = deep | shallow, reference | shallow
    cells = [c for c in (drawn[i] for i in sorted(order)) if all(c in v for v in values.values())]
    accuracy = np.array([table[cell] for cell in cells])
    parts = {
        name: log_shares(
            np.array([values[name][cell] for cell in cells]),
            np.array(list(populations[name].values())),
        )
        for name in values
    }
    shuffled = np.random.default_rng(5).permutation(len(cells))
    ours, held_out = shuffled[: len(cells) // 2], shuffled[len(cells) // 2 :]
    oracle = found(accuracy[:, 0], accuracy, held_out, 2)
    print(f"{len(cells)} cells; the best by CIFAR-10, held out: {_shown(oracle)}")
    sets = [s for size in range(1, 6) for s in itertools.combinations(parts, size)]
    totals = {chosen: sum(parts[name] for name in chosen) for chosen in sets}
    means = {chosen: found(totals[chosen], accuracy, ours, 1) for chosen in sets}
    for chosen in sorted(sets, key=lambda s: -means[s][0])[: args.show]:
        other = found(totals[chosen], accuracy, held_out, 2)
        print(f"{_shown(means[chosen])}, held out {_shown(other)}: {' + '.join(chosen)}")


def _shown(accuracies: Array) -> str:
    return " / ".join(f"{value:.2f}" for value in accuracies)


if __name__ == "__main__":
    main()
