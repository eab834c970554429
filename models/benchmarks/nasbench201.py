"""Trained accuracies of the cells of NAS-Bench-201."""

import csv
import importlib
import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

COLUMNS = {
    "cifar10": "CIFAR10TestAccuracy200Epochs",
    "cifar100": "CIFAR100TestAccuracy200Epochs",
    "imagenet16_120": "ImageNetTestAccuracy200Epochs",
}
ARCHITECTURE = "ArchitectureString"
_NATS_NAMES = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}

Table = dict[str, dict[str, float]]


def table_path(path: str) -> Path:
    """The path of a table, before there is time to read it.

    Raises:
        FileNotFoundError: nothing there.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"path: no look-up table at {path}")
    return Path(path)


def require_nasbench201(callback: pl.Callback, module: pl.LightningModule) -> None:
    """Refuse a search over another space. Raises MisconfigurationException."""
    space: Any = getattr(getattr(module, "space", None), "name", "nasbench201")
    if space != "nasbench201":
        raise MisconfigurationException(
            f"{type(callback).__name__}: the search is over the space {space}, not nasbench201"
        )


def read_table(path: Path) -> Table:
    """Accuracies of every cell, per cent, from a CSV or a NATS-Bench folder.

    Raises:
        ValueError: a column or a number is missing, or `nats_bench` is.
    """
    return _read_nats(path) if path.is_dir() else _read_csv(path)


def _read_csv(path: Path) -> Table:
    try:
        return _rows(path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"path: {path} is no CSV: {error}") from None


def _rows(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {ARCHITECTURE, *COLUMNS.values()} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"path: {path} has no column {', '.join(sorted(missing))}")
        table: Table = {}
        for row in reader:
            try:
                accuracies = {name: float(row[c]) for name, c in COLUMNS.items()}
                if not all(map(math.isfinite, accuracies.values())):
                    raise ValueError
                table[row[ARCHITECTURE]] = accuracies
            except (TypeError, ValueError):
                raise ValueError(
                    f"path: {path}, line {reader.line_num}: not a cell with three accuracies"
                ) from None
    if not table:
        raise ValueError(f"path: {path} has no rows")
    return table


def _read_nats(path: Path) -> Table:
    try:
        nats_bench = importlib.import_module("nats_bench")
    except ModuleNotFoundError:
        raise ValueError(
            f"path: {path} is a folder; to read NATS-Bench, pip install nats_bench, or give a CSV"
        ) from None
    api = nats_bench.create(str(path), "tss", fast_mode=True, verbose=False)
    table: Table = {}
    for index in range(len(api)):
        table[api.arch(index)] = {
            name: api.get_more_info(index, nats, hp="200", is_random=False)["test-accuracy"]
            for name, nats in _NATS_NAMES.items()
        }
    return table
