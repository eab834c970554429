"""Any set of images in class folders, ImageNet-1k among them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from datamodules.augmentation import BATCH_STEPS
from datamodules.base import ImageDataModule
from datamodules.dataset import ImageSource, MemorySource
from datamodules.folder_source import FolderSource, class_folders

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageFolderDataModule(ImageDataModule):
    """RGB images in `train/<class>/…` and `val/<class>/…` or `test/<class>/…`, of one size.

    With a `val` folder, validation uses it; without, a share of `train` is held out. Testing uses
    `test`, or `val` where there is no `test`. The short side of an image is resized and the
    centre cut out.

    Images that fit are decoded once, in parallel, and stay in memory; others are read batch by
    batch, by `num_workers` processes or, with none, by threads. A model sees no difference.

    Args:
        root: folder that holds `train`.
        image_size: height and width.
        resize: short side in pixels before the centre is cut out, at least `image_size`; by
            default the same. ImageNet's usual is 256 for an `image_size` of 224.
        in_memory: whether to keep the images; `auto`: those of a folder, if all that are
            kept by all processes of the machine (the trainer's devices there; without a trainer
            `LOCAL_WORLD_SIZE`) take at most a quarter of its memory.
        corrupt: what to do about an image that cannot be read: `raise` an error that names it,
            or `skip` it with a warning.
        mean: per channel, of pixels in [0, 1]. ImageNet's by default.
        std: likewise.
        augment: as in every DataModule; moreover `resized_crop`, a random part of each image
            (8 % to 100 % of its area) resized, cut while reading: such images do not stay in
            memory. `resized_crop+flip` is ImageNet's usual augmentation.
        classes: names in the order of the labels; by default the folders in `train`. Predicting
            with them needs no training images.

    Raises:
        FileNotFoundError: there is no `train` folder, and no `classes` are given.
        ValueError: it holds no class folder.
    """

    augmentations = (*BATCH_STEPS, "resized_crop")

    def __init__(
        self,
        root: str | os.PathLike[str],
        image_size: int,
        batch_size: int = 128,
        resize: int | None = None,
        in_memory: bool | Literal["auto"] = "auto",
        corrupt: Literal["raise", "skip"] = "raise",
        mean: tuple[float, float, float] = _IMAGENET_MEAN,
        std: tuple[float, float, float] = _IMAGENET_STD,
        augment: str = "none",
        classes: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, batch_size, augment=augment, **kwargs)
        resize = image_size if resize is None else resize
        if not 1 <= image_size <= resize:
            raise ValueError(f"image_size: {image_size}, expected 1 to resize={resize}")
        if corrupt not in ("raise", "skip"):
            raise ValueError(f"corrupt: {corrupt!r}, expected 'raise' or 'skip'")
        if in_memory is True and "resized_crop" in self._steps:
            raise ValueError("in_memory: True, but resized_crop cuts each image anew: use 'auto'")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"mean, std: {mean}, {std}, expected three each, std above 0")
        self.classes = class_folders(Path(self.root) / "train") if classes is None else classes
        self.num_classes = len(self.classes)
        self.in_shape = (3, image_size, image_size)
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.resize = resize
        self.in_memory = in_memory
        self.corrupt = corrupt

    def load(self, part: str) -> ImageSource:
        source = self.read_folder(Path(self.root) / part, self.classes)
        return source.in_memory() if self._keeps(part, len(source.labels)) else source

    def read_folder(self, folder: Path, classes: Sequence[str] | None = None) -> FolderSource:
        """Images below a folder, resized and cut like the others."""
        return FolderSource(folder, classes, self.in_shape[1], self.resize, self.corrupt, self.seed)

    def _keeps(self, part: str, count: int) -> bool:
        if part == "train" and "resized_crop" in self._steps:
            return False
        if self.in_memory != "auto":
            return self.in_memory
        kept = sum(len(s.labels) for s in self._sources.values() if isinstance(s, MemorySource))
        size = (kept + count) * torch.Size(self.in_shape).numel()
        # Every process of the machine keeps its own.
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        if self.trainer is not None:
            processes = self.trainer.num_devices  # without torchrun, nobody sets the variable
        return size * processes <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4

    def _has(self, part: str) -> bool:
        return (Path(self.root) / part).is_dir()

    def _source(self, part: str) -> ImageSource:
        return super()._source("val" if part == "test" and not self._has("test") else part)

    def _validation_source(self) -> str:
        return "val" if self._has("val") else "train"
