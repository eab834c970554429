"""The handwritten digits included in scikit-learn."""

import os
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn
from sklearn.datasets import load_digits

from datamodules.base import ImageDataModule
from datamodules.dataset import MemorySource
from datamodules.splits import stratified_split

_TEST_FRACTION = 0.2


class DigitsDataModule(ImageDataModule):
    """1,797 handwritten digits of 8×8 pixels (UCI optdigits), embedded: no files, no download.

    A fifth, stratified and the same for every seed, is held out as the test split.

    Args:
        root: unused; accepted because every DataModule has it. Another one than the default is
            warned of.
    """

    num_classes = 10
    in_shape = (1, 8, 8)
    mean = (0.3057,)
    std = (0.3760,)

    def __init__(self, root: str | os.PathLike[str] = "data", **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
        if root != "data":
            rank_zero_warn(f"root: {root} is not read: these digits come with scikit-learn")

    def load(self, part: str) -> MemorySource:
        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8)[:, None]
        labels = torch.from_numpy(digits.target).long()
        train, test = stratified_split(labels, _TEST_FRACTION, seed=0)
        chosen = train if part == "train" else test
        return MemorySource(images[chosen], labels[chosen])
