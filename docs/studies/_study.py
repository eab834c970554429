"""Shared by the studies: accuracies, images, a search run to its end, and tables in Markdown."""

import logging
import tarfile
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from datamodules import CIFAR10DataModule, ImageDataModule, ImageFolderDataModule
from models.benchmarks import AccuracyTable, read_table
from models.search import Search

Array = np.ndarray[Any, np.dtype[np.float64]]
DATASETS = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet16-120": "imagenet16_120"}
"""Name in tables, name in the look-up table."""
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CIFAR10 = {"mean": (0.491, 0.482, 0.447), "std": (0.247, 0.243, 0.262)}


def accuracies(data: Path) -> AccuracyTable:
    """Read the test accuracies of every NAS-Bench-201 cell after 200 epochs."""
    return read_table(data / "nasbench201_test_accuracy.csv")


def accuracies_of(table: AccuracyTable, cells: Sequence[str]) -> Array:
    """Return the accuracies of some cells, (cells, datasets)."""
    return np.array([[table[cell][name] for name in DATASETS.values()] for cell in cells])


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack an archive into a folder that is removed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder)


@contextmanager
def images(data: Path, **normalisation: Any) -> Iterator[ImageDataModule]:
    """Open 12,000 images of CIFAR-10 kept as JPEG, or else CIFAR-10 as it is published.

    Args:
        data: folder of `cifar10-jpeg-12k.tar`, or of `cifar-10-batches-py`.
        normalisation: `mean` and `std` of the JPEG images; by default ImageNet's.
    """
    archive = data / "cifar10-jpeg-12k.tar"
    if not archive.is_file():
        yield CIFAR10DataModule(data)
        return
    with unpacked(archive) as folder:
        yield ImageFolderDataModule(
            folder / "cifar10-jpeg", image_size=32, **(normalisation or IMAGENET)
        )


def run(search: Search) -> None:
    """Fit a search to its end on the CPU, and leave no file."""
    with tempfile.TemporaryDirectory() as folder:
        pl.Trainer(
            max_epochs=-1,
            accelerator="cpu",
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(search)


def use_one_thread() -> None:
    """Compute on one thread, as times in tables are, and without Lightning's remarks."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)


def mean_and_deviation(values: Sequence[float]) -> str:
    """Write mean and standard deviation, `93.80 (0.42)`."""
    return f"{fmean(values):.2f} ({pstdev(values):.2f})"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    for line in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(line) + " |", flush=True)
