"""What the search by the default aggregate finds in all of NAS-Bench-201, over seeds.

    python docs/studies/search.py ../shared/data --seeds 0 1 2 3 4 5 6 7 8 9

Runs the search of configs/search/sampling_nasbench201_aggregate.yaml on JPEG images of CIFAR-10:
a line per seed with the cell and its test accuracies, then mean and standard deviation. Each seed
has cells, weights and images of its own. Scores are kept in `--cache`: a second call goes on where
the first was stopped.
"""

import argparse
import logging
import tarfile
import tempfile
import time
import warnings
from pathlib import Path
from statistics import fmean, pstdev

import torch
import yaml
from _search import finish

from datamodules import ImageFolderDataModule
from models import SamplingSearch
from models.benchmarks.nasbench201 import COLUMNS, read_table
from models.indicators import RankAggregate
from models.spaces import NasBench201Space

CONFIG = Path(__file__).parents[2] / "configs" / "search" / "sampling_nasbench201_aggregate.yaml"


def main() -> None:
    """Search with every seed, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--samples", type=int, help="instead of the config's")
    parser.add_argument("--cache", type=Path, default=Path("runs/search.jsonl"))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    given = yaml.safe_load(CONFIG.read_text())["model"]["init_args"]
    sizes = {name: given[name] for name in ("samples", "block_size")}
    if args.samples is not None:
        sizes["samples"] = args.samples
    table = read_table(args.data / "nasbench201_test_accuracy.csv")
    found: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(args.data / "cifar10-jpeg-12k.tar") as tar:
            tar.extractall(folder, filter="data")
        for seed in args.seeds:
            images = ImageFolderDataModule(
                Path(folder) / "cifar10-jpeg",
                32,
                mean=(0.491, 0.482, 0.447),
                std=(0.247, 0.243, 0.262),
            )
            search = SamplingSearch(
                images,
                NasBench201Space(),
                indicator=RankAggregate(),
                cache=str(args.cache),
                seed=seed,
                **sizes,
            )
            start, cpu = time.perf_counter(), time.process_time()
            finish(search, folder)
            took, cpu = time.perf_counter() - start, time.process_time() - cpu
            cell = str(search.architecture)
            found.append([table[cell][dataset] for dataset in COLUMNS])
            shown = " / ".join(f"{value:.2f}" for value in found[-1])
            print(
                f"seed {seed}: {shown}, {took:.0f} s, {cpu:.0f} s of the processor, "
                f"{search.counts()['failed']} failed, {cell}",
                flush=True,
            )
    figures = [(fmean(values), pstdev(values)) for values in zip(*found, strict=True)]
    print(f"{len(found)} seeds: " + " / ".join(f"{mean:.2f} ({sd:.2f})" for mean, sd in figures))


if __name__ == "__main__":
    main()
