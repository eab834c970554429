"""Convert ImageNet16's pickles once into arrays that are memory-mapped.

A cache is a folder `imagenet16-<classes>`: the pixels and labels of both parts, and a manifest
that is written last. It is created atomically.
"""

import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.dataset import MemorySource
from datamodules.files import staging
from datamodules.safe_pickle import load_arrays

IMAGE_SHAPE = (3, 16, 16)
PART_FILES: dict[str, tuple[str, ...]] = {
    "train": tuple(f"train_data_batch_{i}" for i in range(1, 11)),
    "test": ("val_data",),
}
_FORMAT = 1
_ALL_CLASSES = 1000


def build(root: Path, cache: Path, num_classes: int) -> None:
    """Write the cache of the first `num_classes` classes.

    One file of the release is in memory at a time, and none of the arrays that are written.

    Args:
        root: folder of the released files, already verified.
        cache: folder to create; an existing one is replaced, unless it is complete, because
            another node has made it meanwhile.
        num_classes: number of first classes to keep.

    Raises:
        ValueError: a file is not a batch of ImageNet16.
    """
    with staging(cache, is_whole) as folder:
        shapes = {
            part: _write_part([root / name for name in names], folder, part, num_classes)
            for part, names in PART_FILES.items()
        }
        (folder / "manifest.json").write_text(json.dumps({"format": _FORMAT, "shapes": shapes}))
        if not is_whole(cache):
            shutil.rmtree(cache, ignore_errors=True)


def is_whole(cache: Path) -> bool:
    """Whether there is a complete cache of this format."""
    shapes = _shapes(cache)
    return shapes.keys() == PART_FILES.keys() and all(
        _size(cache / f"{part}_images.u8") == prod(shape)
        and _size(cache / f"{part}_labels.i64") == 8 * shape[0]
        for part, shape in shapes.items()
    )


def open_part(cache: Path, part: str) -> MemorySource:
    """Map the images of one part; nothing is read until it is accessed."""
    shape = tuple(_shapes(cache)[part])
    # Copy on write: torch wants writable memory, and the file never changes.
    images = np.memmap(cache / f"{part}_images.u8", np.uint8, "c", shape=shape)
    labels = np.fromfile(cache / f"{part}_labels.i64", np.int64)
    return MemorySource(torch.from_numpy(images), torch.from_numpy(labels))


def _write_part(paths: list[Path], folder: Path, part: str, num_classes: int) -> list[int]:
    count = 0
    with (
        open(folder / f"{part}_images.u8", "wb") as images,
        open(folder / f"{part}_labels.i64", "wb") as labels,
    ):
        for path in paths:
            data, numbers = _read(path)
            chosen = numbers < num_classes
            (data if chosen.all() else data[chosen]).tofile(images)
            numbers[chosen].tofile(labels)
            count += int(chosen.sum())
            del data
    return [count, *IMAGE_SHAPE]


def _read(path: Path) -> tuple[Any, Any]:
    """Read pixels (N, 768) and labels (N,) of one file; labels start at 0, in the file at 1."""
    batch = load_arrays(path)
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise ValueError(f"{path}: expected a dict with 'data' and 'labels'")
    data, labels = batch["data"], np.asarray(batch["labels"], dtype=np.int64)
    if getattr(data, "dtype", None) != np.uint8 or data.shape != (len(labels), prod(IMAGE_SHAPE)):
        raise ValueError(
            f"{path}: images of shape {np.shape(data)}, expected ({len(labels)}, 768) of uint8"
        )
    if len(labels) and not 1 <= labels.min() <= labels.max() <= _ALL_CLASSES:
        raise ValueError(f"{path}: labels in [{labels.min()}, {labels.max()}], expected 1 to 1000")
    return data, labels - 1


def _shapes(cache: Path) -> Mapping[str, list[int]]:
    try:
        manifest = json.loads((cache / "manifest.json").read_text())
        return manifest["shapes"] if manifest["format"] == _FORMAT else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
