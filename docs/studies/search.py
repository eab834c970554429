"""What the search by the default aggregate finds in all of NAS-Bench-201, over seeds.

    python docs/studies/search.py ../shared/data --seeds 0 1 2 3 4 5 6 7 8 9

Runs the search of configs/search/sampling_nasbench201_aggregate.yaml on images of CIFAR-10: a line
per seed with the cell and its test accuracies, then mean and standard deviation. Each seed has
cells, weights and images of its own. Scores are kept in `--cache`: a second call continues where
the first was stopped.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from _study import (
    CIFAR10,
    DATASETS,
    accuracies,
    accuracies_of,
    images,
    mean_and_deviation,
    print_table,
    run,
    use_one_thread,
)

from models import SamplingSearch
from models.indicators import RankAggregate
from models.spaces import NasBench201Space


def main(arguments: Sequence[str] | None = None) -> None:
    """Search with every seed, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--samples", type=int, default=1000, help="cells of a search")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_search.jsonl"))
    args = parser.parse_args(arguments)
    use_one_thread()
    table, space, found = accuracies(args.data), NasBench201Space(), []
    with images(args.data, **CIFAR10) as source:
        for seed in args.seeds:
            search = SamplingSearch(
                source,
                space,
                samples=args.samples,
                indicator=RankAggregate(),
                block_size=100,
                cache=str(args.cache),
                seed=seed,
            )
            start, cpu = time.perf_counter(), time.process_time()
            run(search)
            took, cpu = time.perf_counter() - start, time.process_time() - cpu
            cell = space.format(search.architecture)
            found.append(accuracies_of(table, [cell])[0].tolist())
            shown = " / ".join(f"{value:.2f}" for value in found[-1])
            print(
                f"seed {seed}: {shown}, {took:.0f} s, {cpu:.0f} s of the processor, "
                f"{search.counts()['failed']} failed, {cell}",
                flush=True,
            )
    figures = [mean_and_deviation(values) for values in zip(*found, strict=True)]
    print()
    print_table(
        ["Searches", *DATASETS],
        [[f"default aggregate, {args.samples:,} samples, {len(found)} seeds", *figures]],
    )


if __name__ == "__main__":
    main()
