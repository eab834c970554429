"""Splits of the training images: seeded and stratified, or from published index lists."""

import json
import os
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from datamodules.seeding import Stream, generator


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split images into a remaining and a held-out part with the same class proportions.

    Args:
        labels: int64 of shape (N,).
        fraction: share of the held-out part, which gets `round(fraction * N)` images; each class
            gives its share to within one image.
        seed: the split is a pure function of `(labels, fraction, seed)`.

    Returns:
        Indices of the remaining and of the held-out part, each ascending, together a permutation of
        0…N-1.
    """
    n = len(labels)
    random = generator(seed, Stream.SPLIT)
    order = torch.randperm(n, generator=random)
    order = order[labels[order].argsort(stable=True)]
    counts = labels.bincount()
    first = counts.cumsum(0) - counts
    classes = labels[order]
    # The offset decides which classes hold out one image more where shares are not integers.
    offset = torch.rand(len(counts), generator=random, dtype=torch.float64)
    rank = torch.arange(n) - first[classes]
    quantile = (rank + offset[classes]) / counts[classes]
    chosen = quantile.argsort(stable=True)
    held_out = torch.zeros(n, dtype=torch.bool)
    held_out[order[chosen[: round(fraction * n)]]] = True
    return (~held_out).nonzero().view(-1), held_out.nonzero().view(-1)


class PublishedSplit(NamedTuple):
    """Indices (int64, from 0) of the kept and the held-out images of one part."""

    part: Literal["train", "test"]
    rest: Tensor
    held_out: Tensor


def published_split(path: str | os.PathLike[str]) -> PublishedSplit:
    """Read an index list in the format of NAS-Bench-201's `*-split.txt` files.

    JSON, `{"train": ["int", ["0", "5", …]], "valid": ["int", […]]}`: each name with the type of
    its entries and the indices. `train` and `valid` divide the training images, `xtest` and
    `xvalid` the test images. Lists of plain integers are read as well.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not such a list, or an index occurs twice.
    """
    lists = _read_lists(Path(path))
    if {"train", "valid"} <= lists.keys():
        return PublishedSplit("train", lists["train"], lists["valid"])
    if {"xtest", "xvalid"} <= lists.keys():
        return PublishedSplit("test", lists["xtest"], lists["xvalid"])
    raise ValueError(
        f"split_file: {os.fspath(path)} has the lists {', '.join(sorted(lists))}; expected train "
        "and valid, or xtest and xvalid"
    )


def _read_lists(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"split_file: no file {path}")
    try:
        lists = json.loads(path.read_text())
        split = {
            str(name): torch.tensor([int(i) for i in _entries(value)], dtype=torch.int64)
            for name, value in lists.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"split_file: {path} is not an index list ({error})") from error
    indices = [i for value in split.values() for i in value.tolist()]
    if len(set(indices)) != len(indices):
        raise ValueError(f"split_file: {path} names an index more than once")
    return split


def _entries(value: list[object]) -> list[str]:
    if len(value) == 2 and isinstance(value[1], list):
        kind, value = str(value[0]), value[1]
        if kind != "int":
            raise ValueError(f"entries of type {kind!r}, expected 'int'")
    return [str(entry) for entry in value]
