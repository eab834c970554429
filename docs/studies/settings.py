"""Cost and order of each indicator at every size of network and batch: what a proxy may save.

    python docs/studies/settings.py ../shared/data runs/settings --cells 300

Scores the first NAS-Bench-201 cells that `indicators.py` draws at a grid of settings (C channels,
N cells per stage, B images), one CSV a setting; a second call continues where the first was
stopped, `--cells 0` only reports. Per indicator it prints processor ms per cell and Kendall's τ
with the accuracy on each dataset. The setting of choice, marked `*`, is the cheapest whose τ on
CIFAR-10 over the first half of the cells is within 0.02 of the best; the τ per dataset are over
the other half.
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from _study import DATASETS, accuracies, print_table, use_one_thread
from indicators import INDICATORS, Setting, milliseconds_of, read, score_cells, scores_of
from scipy.stats import kendalltau

from models.benchmarks import AccuracyTable

WITHIN = 0.02
GRID = [
    Setting(*sizes)
    for sizes in ((4, 1, 16), (4, 1, 32), (4, 1, 64), (4, 5, 16), (16, 1, 32), (8, 5, 16))
]
NAMES = (
    "activation_overlap",
    "synflow",
    "jacobian_covariance",
    "zico_2",
    "gradient_flow",
    "expressivity",
    "progressivity",
    "trainability",
    "ntk_frozen",
    "snip",
)


class Row(NamedTuple):
    """An indicator at a setting."""

    setting: Setting
    cells: int
    milliseconds: float
    first_half: float
    """τ on CIFAR-10 over the cells that choose."""
    second_half: list[float]
    """τ per dataset over the others."""


def file_of(folder: Path, setting: Setting) -> Path:
    """Name the file of a setting's scores."""
    return folder / "C{}_N{}_B{}.csv".format(*setting)


def rows_of(
    folder: Path, grid: Sequence[Setting], name: str, table: AccuracyTable, cells: Sequence[str]
) -> list[Row]:
    """Return what is known of an indicator, by setting."""
    halves, found = (cells[: len(cells) // 2], cells[len(cells) // 2 :]), []
    for setting in grid:
        rows = read(file_of(folder, setting))
        scores = scores_of(rows, name)
        choosing, others = ([cell for cell in half if cell in scores] for half in halves)
        if not choosing or not others:
            continue
        taus = [_tau(scores, others, table, dataset) for dataset in DATASETS.values()]
        first = _tau(scores, choosing, table, "cifar10")
        scored = len(choosing) + len(others)
        found.append(Row(setting, scored, milliseconds_of(rows, name), first, taus))
    return found


def _tau(
    scores: dict[str, float], cells: Sequence[str], table: AccuracyTable, dataset: str
) -> float:
    own = [scores[cell] for cell in cells]
    return float(kendalltau(own, [table[cell][dataset] for cell in cells])[0])


def chosen(rows: list[Row]) -> Row:
    """Return the cheapest row within `WITHIN` of the best on the first half."""
    best = max(row.first_half for row in rows)
    near = [row for row in rows if row.first_half >= best - WITHIN] or rows  # τ may be NaN
    return min(near, key=lambda row: row.milliseconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Score what the files lack, and print a row per indicator and setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("folder", type=Path, help="of the files of scores")
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--report", type=int, default=300, help="cells that the report is over")
    parser.add_argument("--grid", type=int, default=len(GRID), help="the first so many settings")
    parser.add_argument("--names", nargs="+", choices=INDICATORS, default=NAMES)
    parser.add_argument("--minutes", type=float, default=60, help="stop after so long")
    args = parser.parse_args(arguments)
    use_one_thread()
    args.folder.mkdir(parents=True, exist_ok=True)
    table, end = accuracies(args.data), time.monotonic() + 60 * args.minutes
    pool = random.Random(0).sample(sorted(table), 3000)  # as `indicators.py --cells 3000` draws
    for setting in GRID[: args.grid]:
        left, output = (end - time.monotonic()) / 60, file_of(args.folder, setting)
        score_cells(args.data, pool[: args.cells], args.names, setting, output, left)
    shown = []
    for name in args.names:
        rows = rows_of(args.folder, GRID[: args.grid], name, table, pool[: args.report])
        for row in rows:
            sizes = "{}, {}, {}".format(*row.setting)
            taus = [f"{value:.3f}" for value in (row.first_half, *row.second_half)]
            mark = "*" if row is chosen(rows) else ""
            shown.append([name, sizes + mark, str(row.cells), f"{row.milliseconds:.1f}", *taus])
    header = ["indicator", "C, N, images", "cells", "ms", "τ that chooses"]
    print_table([*header, *(f"τ {name}" for name in DATASETS)], shown)


if __name__ == "__main__":
    main()
