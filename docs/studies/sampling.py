"""Quality and cost of the sampling search on NAS-Bench-201, from a pool of cached scores.

    python docs/studies/sampling.py ../shared/data --pool 2000 --runs 500

Scores random cells on CIFAR-10 images, then searches many times over
that pool: mean and standard deviation of the test accuracy of what is found, and the share of
evaluations that the filter cuts, per rule. The scores are kept in a file: a second call goes on
where the first was stopped.
"""

import argparse
import logging
import tarfile
import tempfile
import time
import warnings
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import torch
from _search import finish

from datamodules import ImageFolderDataModule
from models import DepthWidthFilter, SamplingSearch
from models.benchmarks.nasbench201 import COLUMNS, read_table
from models.indicators import ActivationOverlap, Indicator, RankAggregate
from models.search.sampling_rules import repeat
from models.spaces import NasBench201Space

RULES = {
    "no filter": None,
    "paper's rule": DepthWidthFilter(radius=0.5),
    "released ranges": DepthWidthFilter(depth=(0.99, 2.51), width=(0.99, 3.01)),
}
SCORES: dict[str, tuple[Indicator | RankAggregate, dict[str, Any]]] = {
    "naswot": (ActivationOverlap(), {"proxy": "small"}),
    "naswot_paper": (ActivationOverlap(), {"proxy": "paper"}),
    # as in configs/search/sampling_nasbench201_aggregate.yaml
    "aggregate": (
        RankAggregate(),
        {"network": {"channels": 4, "cells_per_stage": 5}, "batch_size": 16, "block_size": 100},
    ),
}


def score_pool(name: str, args: argparse.Namespace) -> SamplingSearch:
    """A finished search without a filter over the whole pool."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(args.data / "cifar10-jpeg-12k.tar") as tar:
            tar.extractall(folder, filter="data")
        images = ImageFolderDataModule(
            Path(folder) / "cifar10-jpeg", 32, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262)
        )
        search = SamplingSearch(
            images,
            NasBench201Space(),
            samples=args.pool,
            indicator=SCORES[name][0],
            cache=str(args.cache),
            seed=args.seed,
            **SCORES[name][1],
        )
        finish(search, folder)
    return search


def main() -> None:
    """Score the pool, search over it, and print a line per indicator and rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pool", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--samples", type=int, nargs="+", default=[100])
    parser.add_argument("--scores", nargs="+", choices=list(SCORES), default=["naswot"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/sampling.jsonl"))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)

    table = read_table(args.data / "nasbench201_test_accuracy.csv")
    space = NasBench201Space()
    for name in args.scores:
        start = time.process_time()
        search = score_pool(name, args)
        took = time.process_time() - start
        print(f"{name}: {args.pool} cells in {took:.1f} s of the processor", search.counts())
        accuracies = [table[str(cell)] for cell in search.kept]
        for samples in args.samples:
            for rule, chosen in RULES.items():
                kept = [chosen is None or chosen.keeps(space, cell) for cell in search.kept]
                draws = torch.Generator().manual_seed(args.seed)
                found = repeat(search.indicator, search.scores, kept, samples, args.runs, draws)
                figures = []
                for dataset in COLUMNS:
                    values = [accuracies[i][dataset] for i in found.winners]
                    figures.append(f"{dataset} {fmean(values):.2f} ({pstdev(values):.2f})")
                cut = 1 - fmean(found.evaluated) / samples
                print(f"  {samples} samples, {rule}: {', '.join(figures)}, {cut:.1%} cut")


if __name__ == "__main__":
    main()
