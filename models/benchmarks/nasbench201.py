"""Trained accuracies of the cells of NAS-Bench-201."""

import importlib
from pathlib import Path

from models.benchmarks.table import AccuracyTable, read_csv

COLUMNS = {
    "cifar10": "CIFAR10TestAccuracy200Epochs",
    "cifar100": "CIFAR100TestAccuracy200Epochs",
    "imagenet16_120": "ImageNetTestAccuracy200Epochs",
}
ARCHITECTURE = "ArchitectureString"
_NATS_NAMES = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}


def table_path(path: str) -> Path:
    """Return the path of a table, before there is time to read it.

    Raises:
        FileNotFoundError: nothing there.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"path: no look-up table at {path}")
    return Path(path)


def read_table(path: Path) -> AccuracyTable:
    """Read the test accuracy of every cell after 200 epochs, from a CSV or a NATS-Bench folder.

    Raises:
        ValueError: a column or a number is missing, or `nats_bench` is.
    """
    return _read_nats(path) if path.is_dir() else read_csv(path, ARCHITECTURE, COLUMNS)


def _read_nats(path: Path) -> AccuracyTable:
    try:
        nats_bench = importlib.import_module("nats_bench")
    except ModuleNotFoundError:
        raise ValueError(
            f"path: {path} is a folder; to read NATS-Bench, pip install nats_bench, or give a CSV"
        ) from None
    api = nats_bench.create(str(path), "tss", fast_mode=True, verbose=False)
    rows = {
        api.arch(index): {
            name: api.get_more_info(index, nats, hp="200", is_random=False)["test-accuracy"]
            for name, nats in _NATS_NAMES.items()
        }
        for index in range(len(api))
    }
    return AccuracyTable(rows, path.name)
