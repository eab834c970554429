"""Quality of the pruning search on NAS-Bench-201: mean accuracy over seeds, per mode.

    python docs/studies/pruning.py ../shared/data --seeds 10 --batch-norm frozen
    python docs/studies/pruning.py ../shared/data --seeds 10 --scores SynFlow Trainability \
        --channels 4 --cells-per-stage 5 --batch-size 16

A row per search is appended to `--csv` as it ends, so that a study can be stopped; the means that
are printed are over the searches of this call.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
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
from models.indicators import Indicator, LinearRegions, NTKConditionNumber
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
    parser.add_argument("--channels", type=int, help="C of the supernet, instead of its own")
    parser.add_argument("--cells-per-stage", type=int, help="N of the supernet, instead of its own")
    parser.add_argument("--parameters", choices=("all", "weights"), default="all")
    parser.add_argument("--output", choices=("sum", "trace"), default="sum")
    parser.add_argument("--scores", nargs="+", help="other indicators than the paper's pair")
    parser.add_argument("--csv", type=Path, default=Path("runs/study_pruning.csv"))
    args = parser.parse_args(arguments)
    use_one_thread()
    table, space = accuracies(args.data), NasBench201Space()
    chosen = {"channels": args.channels, "cells_per_stage": args.cells_per_stage}
    sizes = {name: size for name, size in chosen.items() if size}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with images(args.data) as source:  # normalised as ImageNet is: so the table was measured
        for seed in range(args.first, args.first + args.seeds):
            for depth_width in args.depth_width:
                search = PruningSearch(
                    source,
                    space,
                    depth_width=depth_width,
                    seed=seed,
                    repeats=args.repeats,
                    batch_size=args.batch_size,
                    supernet=sizes or None,
                    scores=_scores(args),
                )
                started = time.process_time()
                run(search)
                cell = space.format(search.architecture)
                row = {
                    "scores": "+".join(score.name for score in search.scores),
                    "batch_norm": "–" if args.scores else args.batch_norm,
                    "parameters": args.parameters,
                    "output": args.output,
                    "supernet": " ".join(f"{k}={v}" for k, v in search.sizes.items()),
                    "batch_size": search.batch_size,
                    "depth_width": depth_width,
                    "repeats": args.repeats,
                    "seed": seed,
                    "processor_seconds": round(time.process_time() - started, 1),
                    "evaluations": search.evaluation_count,
                    "architecture": cell,
                } | table.look_up(cell)
                _append(args.csv, row)
                print(row, flush=True)
                found[depth_width].append(row)
    shown = []
    for rows in found.values():
        means = [
            mean_and_deviation([row[f"{name}_accuracy"] for row in rows])
            for name in DATASETS.values()
        ]
        first = rows[0]
        own = [first[name] for name in ("scores", "batch_norm", "depth_width")]
        seconds = fmean(row["processor_seconds"] for row in rows)
        shown.append([*own, str(len(rows)), str(first["evaluations"]), *means, f"{seconds:.0f}"])
    print()
    header = ["Scores", "BatchNorm", "depth/width", "Seeds", "Evaluations"]
    print_table([*header, *DATASETS, "processor s"], shown)


def _scores(args: argparse.Namespace) -> list[Indicator]:
    """Return fresh indicators: those named, or the paper's pair."""
    if args.scores:
        return [getattr(models.indicators, name)() for name in args.scores]
    kappa = NTKConditionNumber(args.batch_norm, args.parameters, args.output)
    return [kappa, LinearRegions()]


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
