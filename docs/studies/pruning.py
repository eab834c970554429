"""Quality of the pruning search on NAS-Bench-201: mean accuracy over seeds, per mode.

python docs/studies/pruning.py ../shared/data --seeds 10 --batch-norm frozen

Rows are appended to a CSV as they come, so that a study can be stopped and continued.
"""

import argparse
import csv
import logging
import tarfile
import tempfile
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from _search import finish

import models.indicators
from datamodules import ImageFolderDataModule
from models import PruningSearch
from models.benchmarks.nasbench201 import read_table
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.regions import LinearRegions
from models.spaces import NasBench201Space


def search(images: pl.LightningDataModule, folder: str, **arguments: object) -> PruningSearch:
    """Run one search whose files go with `folder`."""
    module = PruningSearch(images, NasBench201Space(), **arguments)
    finish(module, folder)
    return module


def main() -> None:
    """Search once per seed and mode, look every result up, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--batch-norm", default="frozen")
    parser.add_argument("--depth-width", nargs="+", default=["reserve", "off"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=72)
    parser.add_argument("--parameters", default="all")
    parser.add_argument("--output", default="sum")
    parser.add_argument("--scores", nargs="+", help="other indicators than the paper's pair")
    parser.add_argument("--csv", type=Path, default=Path("runs/pruning.csv"))
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)

    table = read_table(given.data / "nasbench201_test_accuracy.csv")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(given.data / "cifar10-jpeg-12k.tar") as tar:
            tar.extractall(folder, filter="data")
        images = ImageFolderDataModule(Path(folder) / "cifar10-jpeg", image_size=32)
        for seed in range(given.first, given.first + given.seeds):
            for depth_width in given.depth_width:
                kappa = NTKConditionNumber(given.batch_norm, given.parameters, given.output)
                others = [getattr(models.indicators, name)() for name in given.scores or ()]
                found = search(
                    images,
                    folder,
                    depth_width=depth_width,
                    seed=seed,
                    repeats=given.repeats,
                    batch_size=given.batch_size,
                    scores=others or [kappa, LinearRegions()],
                )
                row = {
                    "batch_norm": given.batch_norm,
                    "depth_width": depth_width,
                    "repeats": given.repeats,
                    "batch_size": given.batch_size,
                    "parameters": given.parameters,
                    "output": given.output,
                    "scores": "+".join(score.name for score in found.scores),
                    "seed": seed,
                    "seconds": round(found.seconds, 1),
                    "evaluations": found.evaluation_count,
                    "architecture": str(found.architecture),
                } | table.look_up(str(found.architecture))
                _append(given.csv, row)
                print(row, flush=True)


def _append(path: Path, row: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
