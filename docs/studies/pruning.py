"""Quality of the pruning search on NAS-Bench-201: mean accuracy over seeds, per mode.

    python docs/studies/pruning.py ../shared/data --seeds 10 --batch-norm frozen

A row per search is appended to `--csv` as it ends, so that a study can be stopped; the means that
are printed are over the searches of this call.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _study import (
    DATASETS,
    accuracies,
    images,
    mean_and_deviation,
    print_table,
    run,
    use_one_thread,
)

import models.indicators
from models import PruningSearch
from models.indicators import LinearRegions, NTKConditionNumber
from models.spaces import NasBench201Space


def main(arguments: Sequence[str] | None = None) -> None:
    """Search once per seed and mode, look every result up, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("--seeds", type=int, default=10, help="number of searches per mode")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--batch-norm", choices=("frozen", "coupled"), default="frozen")
    parser.add_argument("--depth-width", nargs="+", default=["reserve", "off"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=72)
    parser.add_argument("--parameters", choices=("all", "weights"), default="all")
    parser.add_argument("--output", choices=("sum", "trace"), default="sum")
    parser.add_argument("--scores", nargs="+", help="other indicators than the paper's pair")
    parser.add_argument("--csv", type=Path, default=Path("runs/study_pruning.csv"))
    args = parser.parse_args(arguments)
    use_one_thread()
    table, space = accuracies(args.data), NasBench201Space()
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with images(args.data) as source:  # normalised as ImageNet is: so the table was measured
        for seed in range(args.first, args.first + args.seeds):
            for depth_width in args.depth_width:
                kappa = NTKConditionNumber(args.batch_norm, args.parameters, args.output)
                others = [getattr(models.indicators, name)() for name in args.scores or ()]
                search = PruningSearch(
                    source,
                    space,
                    depth_width=depth_width,
                    seed=seed,
                    repeats=args.repeats,
                    batch_size=args.batch_size,
                    scores=others or [kappa, LinearRegions()],
                )
                run(search)
                cell = space.format(search.architecture)
                row = {
                    "batch_norm": args.batch_norm,
                    "depth_width": depth_width,
                    "repeats": args.repeats,
                    "batch_size": args.batch_size,
                    "parameters": args.parameters,
                    "output": args.output,
                    "scores": "+".join(score.name for score in search.scores),
                    "seed": seed,
                    "seconds": round(search.seconds, 1),
                    "evaluations": search.evaluation_count,
                    "architecture": cell,
                } | table.look_up(cell)
                _append(args.csv, row)
                print(row, flush=True)
                found[depth_width].append(row)
    shown = []
    for depth_width, rows in found.items():
        means = [
            mean_and_deviation([row[f"{name}_accuracy"] for row in rows])
            for name in DATASETS.values()
        ]
        first = rows[0]
        evaluations = str(first["evaluations"])
        shown.append(
            [first["scores"], first["batch_norm"], depth_width, str(len(rows)), evaluations, *means]
        )
    print()
    header = ["Scores", "BatchNorm", "depth/width", "Seeds", "Evaluations"]
    print_table([*header, *DATASETS], shown)


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
