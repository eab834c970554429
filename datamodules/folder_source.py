"""Images in class folders, decoded and resized on access."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from pytorch_lightning.utilities import rank_zero_only, rank_zero_warn
from torch import Tensor
from torch.utils.data import get_worker_info
from tqdm import tqdm  # type: ignore[import-untyped]

from datamodules.dataset import MemorySource
from datamodules.folder_listing import all_images, images_by_class
from datamodules.seeding import Stream

_SKIP = "corrupt: 'skip' leaves such images out"
Box = tuple[float, float, float, float]
_CHUNK = 1024
_BAR_AFTER = 3.0  # seconds
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""Formats of torchvision's file extensions. Pillow decides by a file's content, not its name,
and would pass EPS to Ghostscript, which executes such a file as a program."""
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_SMALLEST = 8  # pixels; less is a placeholder, no photo


class FolderSource:
    """Images in `folder/<class>/…` as uint8 of one size, read on access.

    The short side is resized to `resize`, then the centre is cropped.

    Args:
        folder: folder with one subfolder per class.
        classes: names of the class folders in the order of their labels; None: all images below
            the folder, regardless of its subfolders, each with label 0.
        size: height and width of an image.
        resize: short side before the crop, ≥ `size`.
        corrupt: `raise` on an image that cannot be read, or `skip` it with a warning.
        seed: seed of the crops of random area that `fetch` makes when given an epoch.
        channels: 3 for RGB, 1 for grey.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image, or a class that is not in `classes`.
    """

    def __init__(
        self,
        folder: Path,
        classes: Sequence[str] | None,
        size: int,
        resize: int,
        corrupt: Literal["raise", "skip"],
        seed: int,
        channels: int = 3,
    ) -> None:
        self.folder = folder
        self.classes = () if classes is None else classes
        self.size = size
        self.resize = resize
        self.corrupt = corrupt
        self.seed = seed
        self.channels = channels
        files = all_images(folder) if classes is None else images_by_class(folder, classes)
        self.others = [os.path.relpath(name, folder) for name in files.others]
        """Files below the folder that are no images by their ending."""
        self.unreadable: list[str] = []
        """Images that `in_memory` left out, by path below the folder."""
        # One array of bytes: a million Python strings would be copied into every forked worker.
        self._paths = np.array(
            [os.fsencode(os.path.relpath(name, folder)) for name in files.images]
        )
        self.labels = torch.tensor(files.labels, dtype=torch.int64)

    def name(self, index: int) -> str:
        """Return the image's path below the folder."""
        return os.fsdecode(self._paths[index])

    def path(self, index: int) -> Path:
        """Return the path of an image."""
        return self.folder / self.name(index)

    def fetch(self, indices: Tensor, epoch: int | None) -> tuple[Tensor, Tensor]:
        """Read images; given an epoch, crop a random part of each instead of the centre.

        Raises:
            ValueError: an image cannot be read and `corrupt` is `raise`.
        """
        read = self._read_all(indices, epoch)
        for image in read:
            if isinstance(image, str):
                self._refuse(image)
        kept = [not isinstance(image, str) for image in read]
        images = [image for image in read if not isinstance(image, str)]
        pixels = np.array(images, np.uint8).reshape(-1, self.channels, self.size, self.size)
        return torch.from_numpy(pixels), indices[kept]

    def _read_all(self, indices: Tensor, epoch: int | None) -> "list[np.ndarray | str]":
        """Read images; in the place of one that cannot be read, the reason."""
        wanted = indices.tolist()
        if get_worker_info() is None and len(wanted) > 1:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return list(pool.map(lambda i: self._read(i, epoch), wanted))
        return [self._read(i, epoch) for i in wanted]

    def _refuse(self, reason: str) -> None:
        if self.corrupt == "raise":
            raise ValueError(f"{reason}; {_SKIP}")
        rank_zero_warn(f"{reason}; left out")

    def in_memory(self) -> MemorySource:
        """Read all images into memory. Images skipped by `corrupt="skip"` are missing there.

        Raises:
            ValueError: images cannot be read, each named by a warning, and `corrupt` is `raise`; or
                no image of a class can be read.
        """
        n = len(self.labels)
        images = torch.empty((n, self.channels, self.size, self.size), dtype=torch.uint8)
        kept = torch.empty(n, dtype=torch.int64)
        count = 0
        reasons: list[str] = []
        with tqdm(
            total=n,
            desc=f"Reading {self.folder.name}",
            unit=" images",
            delay=_BAR_AFTER,
            disable=rank_zero_only.rank != 0,  # type: ignore[attr-defined]
        ) as bar:
            for chunk in torch.split(torch.arange(n), _CHUNK):
                for index, image in zip(chunk, self._read_all(chunk, None), strict=True):
                    if isinstance(image, str):
                        reasons.append(image)
                        self.unreadable.append(self.name(int(index)))
                    else:
                        images[count] = torch.from_numpy(image)
                        kept[count] = index
                        count += 1
                bar.update(len(chunk))
        if self.corrupt == "raise" and len(reasons) == 1:
            self._refuse(reasons[0])
        for reason in reasons:
            rank_zero_warn(f"{reason}; left out" if self.corrupt == "skip" else reason)
        if reasons and self.corrupt == "raise":
            raise ValueError(
                f"root: {len(reasons)} of {n} images in {self.folder} cannot be read, each named "
                f"above; {_SKIP}"
            )
        labels = self.labels[kept[:count]]
        empty = sorted(set(self.labels.tolist()) - set(labels.tolist()))
        if empty:
            name = self.classes[empty[0]]
            raise ValueError(f"root: no image of {self.folder / name} can be read")
        return MemorySource(images[:count], labels, self._paths[kept[:count].numpy()])

    def _read(self, index: int, epoch: int | None) -> "np.ndarray | str":
        path = self.path(index)
        try:
            with Image.open(path, formats=_FORMATS) as image:
                size = upright_size(image)
                if min(size) < _SMALLEST:
                    raise ValueError(f"{size[0]}×{size[1]} pixels, expected {_SMALLEST} or more")
                if epoch is None:
                    box = centre_box(*size, self.size / self.resize)
                else:
                    key = [self.seed, int(Stream.AUGMENTATION), epoch, index]
                    box = random_box(*size, np.random.default_rng(key))
                return _decode(image, box, self.size, "RGB" if self.channels == 3 else "L")
        except _UNREADABLE as error:
            return f"{path}: cannot be read ({error})"


def short_side(path: str) -> int | None:
    """Return the short side of an image in pixels; None where it cannot be read."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return min(image.size)
    except _UNREADABLE:
        return None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height as seen, which EXIF's orientation may exchange."""
    width, height = image.size
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    return (height, width) if turned else (width, height)


def centre_box(width: int, height: int, share: float) -> Box:
    """Return the central square with `share` of the short side: (left, top, right, bottom)."""
    side = min(width, height) * share
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def random_box(width: int, height: int, random: np.random.Generator) -> Box:
    """Draw a box of 8 % to 100 % of the area, 3:4 to 4:3 (Szegedy et al., 1409.4842, §6)."""
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = float(np.sqrt(area * ratio)), float(np.sqrt(area / ratio))
        if w <= width and h <= height:
            left, top = random.uniform(0, width - w), random.uniform(0, height - h)
            return left, top, left + w, top + h
    return centre_box(width, height, 1)


def _decode(image: Image.Image, box: Box, size: int, mode: str) -> np.ndarray:
    width, height = upright_size(image)
    left, top, right, bottom = box
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for a fraction of the time.
    wanted = round(size * width / (right - left)), round(size * height / (bottom - top))
    image.draft(mode, wanted if image.size == (width, height) else wanted[::-1])
    ImageOps.exif_transpose(image, in_place=True)
    x, y = image.size[0] / width, image.size[1] / height
    scaled = (left * x, top * y, right * x, bottom * y)
    part = image.convert(mode).resize((size, size), Image.Resampling.BILINEAR, box=scaled)
    return np.atleast_3d(np.array(part)).transpose(2, 0, 1)
