"""Cost and order of each indicator at every size of network and batch: what a proxy may save.

    python docs/studies/settings.py runs/settings --cells 300

Scores the same random NAS-Bench-201 cells as `indicators.py` at a grid of settings (C maps,
N cells per stage, B images), one CSV a setting; a second call goes on where the first was stopped,
`--cells 0` only reports. Per indicator it prints processor ms per cell and Kendall's τ with the
accuracy on each dataset. The setting of choice is the cheapest whose τ on CIFAR-10 over the first
half of the cells is within 0.02 of the best one's; the τ printed are over the other half.
"""

import argparse
import csv
import random
import time
from pathlib import Path
from typing import NamedTuple

import torch
from scipy.stats import kendalltau
from indicators import DATA, DATASETS, SETTINGS, read, score_cells

WITHIN = 0.02
GRID = (
    (4, 1, 16),
    (4, 1, 32),
    (4, 1, 64),
    (4, 5, 16),
    (16, 1, 32),
    (8, 5, 16),
)
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

    setting: tuple[int, int, int]
    cells: int
    milliseconds: float
    first_half: float
    """τ on CIFAR-10 over the cells that choose."""
    second_half: list[float]
    """τ per dataset over the others."""


def rows_of(
    folder: Path, name: str, table: dict[str, dict[str, float]], order: list[str]
) -> list[Row]:
    """What is known of an indicator, by setting."""
    sign, found = (1 if SETTINGS[name].higher_is_better else -1), []
    for setting in GRID:
        scored = {
            cell: row
            for (cell, own), row in read(folder / _file(setting)).items()
            if own == name and row["score"]
        }
        halves = [
            [cell for cell in half if cell in scored]
            for half in (order[: len(order) // 2], order[len(order) // 2 :])
        ]
        if not all(halves):
            continue
        taken = sorted(float(row["milliseconds"]) for row in scored.values())

        def tau(
            cells: list[str], dataset: str, scored: dict[str, dict[str, str]] = scored
        ) -> float:
            scores = [sign * float(scored[cell]["score"]) for cell in cells]
            return float(kendalltau(scores, [table[cell][dataset] for cell in cells]).statistic)

        found.append(
            Row(
                setting,
                sum(map(len, halves)),
                taken[len(taken) // 2],
                tau(halves[0], "CIFAR-10"),
                [tau(halves[1], dataset) for dataset in DATASETS],
            )
        )
    return found


def chosen(rows: list[Row]) -> Row:
    """The cheapest within `WITHIN` of the best on the first half."""
    best = max(row.first_half for row in rows)
    return min(
        (row for row in rows if row.first_half >= best - WITHIN), key=lambda row: row.milliseconds
    )


def _file(setting: tuple[int, int, int]) -> str:
    return "C{}_N{}_B{}.csv".format(*setting)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--report", type=int, default=300, help="cells that the report is over")
    parser.add_argument("--minutes", type=float, default=60, help="stop after so long")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    with (DATA / "nasbench201_test_accuracy.csv").open(newline="") as lines:
        table = {
            row["ArchitectureString"]: {d: float(row[column]) for d, column in DATASETS.items()}
            for row in csv.DictReader(lines)
        }
    # The first cells of the pool that indicators.py draws.
    pool = random.Random(0).sample(sorted(table), 3000)
    end = time.monotonic() + 60 * args.minutes
    for channels, cells_per_stage, batch in GRID if args.cells else ():
        setting = argparse.Namespace(
            channels=channels,
            cells_per_stage=cells_per_stage,
            batch=batch,
            seed=0,
            init="torch",
            output=args.folder / _file((channels, cells_per_stage, batch)),
            minutes=(end - time.monotonic()) / 60,
        )
        score_cells(pool[: args.cells], list(NAMES), setting)
    for name in NAMES:
        rows = rows_of(args.folder, name, table, pool[: args.report])
        if not rows:
            continue
        choice = chosen(rows)
        print(f"\n{name}\n   C  N    B cells      ms  chosen by", *(f"{d:>14s}" for d in DATASETS))
        for row in rows:
            print(
                "{:4d}{:3d}{:5d}".format(*row.setting),
                f"{row.cells:5d}{row.milliseconds:8.1f}{row.first_half:11.3f}",
                *(f"{tau:14.3f}" for tau in row.second_half),
                "<-" if row is choice else "",
            )


if __name__ == "__main__":
    main()
