"""Quality and cost of the sampling search on NAS-Bench-201, from a pool of scores.

    python docs/studies/sampling.py ../shared/data --pool 2000 --runs 500

Scores random cells on images of CIFAR-10, then searches many times over that pool: mean and
standard deviation of the test accuracy of what is found, and the share of evaluations that the
filter cuts, per rule. Scores are kept in `--cache`: a second call continues where the first was
stopped.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

import torch
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

from models import DepthWidthFilter, SamplingSearch
from models.indicators import ActivationOverlap, Indicator, RankAggregate
from models.search.sampling_rules import repeat
from models.spaces import NasBench201Space

RULES = {
    "no filter": None,
    "paper's rule": DepthWidthFilter(radius=0.5),
    "released ranges": DepthWidthFilter(depth=(0.99, 2.51), width=(0.99, 3.01)),
}
SCORES: dict[str, tuple[Indicator | RankAggregate, Literal["small", "paper"]]] = {
    "naswot": (ActivationOverlap(), "small"),
    "naswot_paper": (ActivationOverlap(), "paper"),
    "aggregate": (RankAggregate(), "small"),
}


def score_pool(name: str, args: argparse.Namespace) -> SamplingSearch:
    """Return a finished search without a filter over the whole pool."""
    indicator, proxy = SCORES[name]
    with images(args.data, **CIFAR10) as source:
        search = SamplingSearch(
            source,
            NasBench201Space(),
            samples=args.pool,
            indicator=indicator,
            proxy=proxy,
            batch_size=args.batch_size,
            block_size=100,
            cache=str(args.cache),
            seed=args.seed,
        )
        run(search)
    return search


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the pool, search over it, and print a row per indicator and rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("--pool", type=int, default=2000, help="cells that are scored")
    parser.add_argument("--runs", type=int, default=500, help="searches over the pool")
    parser.add_argument("--samples", type=int, nargs="+", default=[100], help="cells of a search")
    parser.add_argument("--scores", nargs="+", choices=SCORES, default=["naswot"])
    parser.add_argument("--batch-size", type=int, help="images, instead of the proxy's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/study_sampling.jsonl"))
    args = parser.parse_args(arguments)
    use_one_thread()
    table, space, shown = accuracies(args.data), NasBench201Space(), []
    for name in args.scores:
        start = time.process_time()
        search = score_pool(name, args)
        took = time.process_time() - start
        print(f"{name}: {args.pool} cells in {took:.1f} s of the processor", search.counts())
        accuracy = accuracies_of(table, [space.format(cell) for cell in search.kept])
        for samples in args.samples:
            for rule, chosen in RULES.items():
                kept = [chosen is None or chosen.keeps(space, cell) for cell in search.kept]
                draws = torch.Generator().manual_seed(args.seed)
                found = repeat(search.indicator, search.scores, kept, samples, args.runs, draws)
                figures = [mean_and_deviation(own) for own in accuracy[found.winners].T.tolist()]
                cut = 1 - fmean(found.evaluated) / samples
                shown.append([f"{name}, {samples} samples, {rule}", *figures, f"{cut:.1%}"])
    print()
    print_table([f"Searches, {args.runs} runs", *DATASETS, "evaluations cut"], shown)


if __name__ == "__main__":
    main()
