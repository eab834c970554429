"""What a search in stages finds in all of NAS-Bench-201: stages, `keep` and `repeats`, over seeds.

    python docs/studies/whole_space.py ../shared/data --seeds 10 11 12 13 14 15 16 17 18 19

Scores the whole space and the best of it once per seed, on images of CIFAR-10, then ranks by other
second stages, `keep` and `repeats`: mean and least test accuracy of what is found, and processor
time of a search, one thread. `--transnas` does the same for the cells of TransNAS-Bench-101 micro,
which are those without pooling, and other tasks than the images'. Scores are kept in `--cache`: a
second call continues where the first was stopped.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from _study import (
    CIFAR10,
    DATASETS,
    Array,
    accuracies,
    images,
    print_table,
    run,
    use_one_thread,
)

from models import StagedSearch
from models.benchmarks import read_csv
from models.indicators import Indicator, Layers, Parameters, Progressivity, SynFlow, Trainability
from models.search import Constraint, Scorer, Stage
from models.search.staged_rules import ranking
from models.spaces import NasBench201Space

SPACE = NasBench201Space()
SETS: dict[str, list[Indicator]] = {
    "SynFlow + trainability + progressivity (default)": [
        SynFlow(),
        Trainability(),
        Progressivity(),
    ],
    "SynFlow + parameters + trainability + progressivity": [
        SynFlow(),
        Parameters(),
        Trainability(),
        Progressivity(),
    ],
    "SynFlow + parameters + layers + trainability + progressivity": [
        SynFlow(),
        Parameters(),
        Layers(),
        Trainability(),
        Progressivity(),
    ],
    "trainability + progressivity": [Trainability(), Progressivity()],
}
FIRST: list[Indicator] = [Parameters(), Layers(), SynFlow()]
EVERY: list[Indicator] = [SynFlow(), Parameters(), Layers(), Trainability(), Progressivity()]
TASKS = ("class_object", "class_scene")


class NoPooling(Constraint):
    """Keep the cells of TransNAS-Bench-101 micro."""

    def bind(self, space: Any, in_shape: Sequence[int], num_classes: int) -> Callable[[Any], bool]:
        """Return the rule."""
        return lambda cell: "avg_pool_3x3" not in cell.operations


Found = list[tuple[str, dict[str, Any] | None]]
"""Candidates of a stage with their scores, in order."""


def score(source: Any, seed: int, args: argparse.Namespace) -> tuple[Found, Found]:
    """Return the first stage's ranking, and the scores of its best, of one seed."""
    search = StagedSearch(
        source,
        SPACE,
        [
            Stage(FIRST, max(args.keep), proxy=SynFlow.name),
            Stage(EVERY, repeats=max(args.repeats)),
        ],
        samples=args.samples or "all",
        filter=NoPooling() if args.transnas else None,
        cache=str(args.cache),
        seed=seed,
    )
    run(search)
    parts: tuple[Found, Found] = ([], [])
    for block in search.history:
        parts[block["stage"]].extend((e["candidate"], e.get("scores")) for e in block["candidates"])
    print(f"seed {seed}: {search.summary()}", flush=True)
    return parts


def find(first: Found, second: Found, indicators: list[Indicator], keep: int, repeats: int) -> str:
    """Return the cell that a search with other stages finds, from scores alone."""
    if not indicators:
        return first[ranking(Stage(FIRST), [own for _, own in first])[0]][0]
    best = second[:keep]  # in the order in which they went on
    return best[ranking(Stage(indicators, repeats=repeats), [own for _, own in best])[0]][0]


def milliseconds(source: Any, stage: Stage, cells: Sequence[str]) -> float:
    """Return the processor time of scoring a cell once."""
    network, batch_size = stage.setting(SPACE)
    scorer = Scorer(SPACE, source, stage.indicators, network, batch_size, 0)
    scorer.prepare(torch.device("cpu"))
    start = time.process_time()
    for cell in cells:
        scorer.evaluate(SPACE.parse(cell))
    return 1000 * (time.process_time() - start) / len(cells)


def spread(part: Found, count: int) -> list[str]:
    """Return `count` of the cells that were scored, from all over a stage."""
    cells = [cell for cell, own in part if own]
    return cells[:: max(1, len(cells) // count)][:count]


def table_of(args: argparse.Namespace) -> tuple[list[str], dict[str, list[float]]]:
    """Return the names of the columns, and what training every cell gave."""
    if args.transnas:
        tasks = read_csv(args.data / "transnas_micro.csv", "architecture", {n: n for n in TASKS})
        return list(TASKS), {cell: [tasks[cell][name] for name in TASKS] for cell in tasks}
    tests = accuracies(args.data)
    return list(DATASETS), {c: [tests[c][name] for name in DATASETS.values()] for c in tests}


def main(arguments: Sequence[str] | None = None) -> None:
    """Score, rank by every combination, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10, 20)))
    parser.add_argument("--keep", type=int, nargs="+", default=[25, 50])
    parser.add_argument("--repeats", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--samples", type=int, help="cells to draw instead of all")
    parser.add_argument("--timed", type=int, default=20, help="cells whose scores are timed")
    parser.add_argument("--transnas", action="store_true", help="cells and tasks of TransNAS")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_whole_space.jsonl"))
    args = parser.parse_args(arguments)
    use_one_thread()
    columns, known = table_of(args)
    with images(args.data, **CIFAR10) as source:
        scores = [score(source, seed, args) for seed in args.seeds]
        first, second = scores[0]
        cells, deep = (
            [cell for cell, own in part if own][: args.timed] for part in (first, second)
        )
        base = milliseconds(source, Stage(FIRST, proxy=SynFlow.name), cells)
        costs = {name: milliseconds(source, Stage(one), deep) for name, one in SETS.items()}
    count = sum(own is not None for _, own in first)
    shown = []
    for name, keep, repeats in [
        ("the first stage alone", 0, 0),
        *((name, k, r) for name in SETS for k in args.keep for r in args.repeats),
    ]:
        found = [find(*own, SETS.get(name, []), keep, repeats) for own in scores]
        values: Array = np.array([known[cell] for cell in found])
        seconds = (count * base + keep * repeats * costs.get(name, 0.0)) / 1000
        shown.append(
            [
                name,
                str(keep or "–"),
                str(repeats or "–"),
                *(f"{fmean(own):.2f} ({min(own):.2f})" for own in values.T.tolist()),
                f"{seconds:.0f} s",
            ]
        )
    every = np.array([known[cell] for cell, own in first if own])
    for label, figures in (("median", np.median(every, 0)), ("best of each", every.max(0))):
        shown.append([f"*{label}*", "", "", *(f"*{value:.2f}*" for value in figures), ""])
    print(f"\n{count} cells, {len(args.seeds)} seeds: mean (least)\n")
    print_table(["Second stage", "keep", "repeats", *columns, "processor"], shown)


if __name__ == "__main__":
    main()
