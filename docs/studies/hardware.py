"""What a search in stages finds in NAS-Bench-201 under bounds on latency, on several devices.

    python docs/studies/hardware.py ../shared/data

For every device of HW-NAS-Bench (arXiv 2103.10584) and bounds at percentiles of its latencies over
the space: test accuracy of the cell that the search finds under the bound, on images of CIFAR-10;
of the best cell that keeps it, for each data set; and the mean of random cells that keep it. Scores
are kept in `--cache`: a second call continues where the first was stopped.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _study import (
    CIFAR10,
    DATASETS,
    accuracies,
    accuracies_of,
    images,
    print_table,
    run,
    use_one_thread,
)

from models import StagedSearch
from models.benchmarks import HardwareTable
from models.search.staged_rules import default_stages, pool_of
from models.spaces import NasBench201Space

DEVICES = ("edgegpu", "raspi4", "pixel3", "eyeriss", "fpga")
FILE = "hw_nasbench_cifar10_milliseconds.csv"


def main(arguments: Sequence[str] | None = None) -> None:
    """Search under every bound, and print a table per device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the tables and the images")
    parser.add_argument("--devices", nargs="+", choices=DEVICES, default=DEVICES)
    parser.add_argument("--percentiles", type=float, nargs="+", default=[10, 30, 60])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--samples", type=int, help="cells to draw instead of all")
    parser.add_argument("--keep", type=int, default=50, help="of the first stage")
    parser.add_argument("--repeats", type=int, default=10, help="of the second stage")
    parser.add_argument("--random", type=int, default=100, help="cells of the comparison")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_whole_space.jsonl"))
    args = parser.parse_args(arguments)
    use_one_thread()
    space, table = NasBench201Space(), accuracies(args.data)
    first, second = default_stages()
    stages = [replace(first, keep=args.keep), replace(second, repeats=args.repeats)]
    cells = list(table)
    tests = accuracies_of(table, cells)
    connected = {one.function for one in pool_of(space, map(space.parse, cells)).architectures}
    valid = np.array([space.parse(cell).function in connected for cell in cells])
    with images(args.data, **CIFAR10) as source:
        for device in args.devices:
            hardware = HardwareTable(str(args.data / FILE), device)
            look_up = hardware.bind(space)
            latency = np.array([look_up(space.parse(cell)) for cell in cells])
            shown = []
            for percentile in args.percentiles:
                bound = float(np.percentile(latency, percentile))
                found = []
                for seed in args.seeds:
                    search = StagedSearch(
                        source,
                        space,
                        stages,
                        samples=args.samples or "all",
                        budget={"latency_ms": bound},
                        hardware=hardware,
                        cache=str(args.cache),
                        seed=seed,
                    )
                    run(search)
                    found.append(space.format(search.architecture))
                feasible = np.flatnonzero(valid & (latency <= bound))
                draws = np.random.default_rng(0)
                chance = tests[draws.choice(feasible, min(args.random, len(feasible)), False)]
                rows = {
                    "found": accuracies_of(table, found).mean(0),
                    "best that keeps it": tests[feasible].max(0),
                    f"mean of {len(chance)} random": chance.mean(0),
                }
                shown += [
                    [f"{percentile:g} %: {bound:.2f} ms", name, *(f"{value:.2f}" for value in row)]
                    for name, row in rows.items()
                ]
            print(f"\n{device}, {len(args.seeds)} seed(s)\n")
            print_table(["Bound", "cell", *DATASETS], shown)


if __name__ == "__main__":
    main()
