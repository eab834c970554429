"""Images in class folders, decoded and resized on access."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm import tqdm  # type: ignore[import-untyped]

from datamodules.dataset import MemorySource
from datamodules.seeding import Stream

Box = tuple[float, float, float, float]
_CHUNK = 1024
_BAR_AFTER = 3.0  # seconds
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""Formats of torchvision's file extensions. Pillow decides by a file's content, not its name,
and would pass EPS to Ghostscript, which executes such a file as a program."""
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


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
        names, labels = _all(folder) if classes is None else _by_class(folder, classes)
        # One array of bytes: a million Python strings would be copied into every forked worker.
        self._paths = np.array([os.fsencode(os.path.relpath(name, folder)) for name in names])
        self.labels = torch.tensor(labels, dtype=torch.int64)

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
        wanted = indices.tolist()
        read: list[np.ndarray | None]
        if get_worker_info() is None and len(wanted) > 1:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                read = list(pool.map(lambda i: self._read(i, epoch), wanted))
        else:
            read = [self._read(i, epoch) for i in wanted]
        images = [image for image in read if image is not None]
        pixels = np.array(images, np.uint8).reshape(-1, self.channels, self.size, self.size)
        return torch.from_numpy(pixels), indices[[image is not None for image in read]]

    def in_memory(self) -> MemorySource:
        """Read all images into memory. Images skipped by `corrupt="skip"` are missing there.

        Raises:
            ValueError: as `fetch`, or no image of a class can be read.
        """
        n = len(self.labels)
        images = torch.empty((n, self.channels, self.size, self.size), dtype=torch.uint8)
        kept = torch.empty(n, dtype=torch.int64)
        count = 0
        with tqdm(
            total=n,
            desc=f"Reading {self.folder.name}",
            unit=" images",
            delay=_BAR_AFTER,
            disable=rank_zero_only.rank != 0,  # type: ignore[attr-defined]
        ) as bar:
            for chunk in torch.split(torch.arange(n), _CHUNK):
                batch, indices = self.fetch(chunk, None)
                images[count : count + len(batch)] = batch
                kept[count : count + len(batch)] = indices
                count += len(batch)
                bar.update(len(chunk))
        labels = self.labels[kept[:count]]
        empty = sorted(set(self.labels.tolist()) - set(labels.tolist()))
        if empty:
            name = self.classes[empty[0]]
            raise ValueError(f"root: no image of {self.folder / name} can be read")
        return MemorySource(images[:count], labels, self._paths[kept[:count].numpy()])

    def _read(self, index: int, epoch: int | None) -> "np.ndarray | None":
        path = self.path(index)
        try:
            with Image.open(path, formats=_FORMATS) as image:
                if epoch is None:
                    box = centre_box(*image.size, self.size / self.resize)
                else:
                    key = [self.seed, int(Stream.AUGMENTATION), epoch, index]
                    box = random_box(*image.size, np.random.default_rng(key))
                return _decode(image, box, self.size, "RGB" if self.channels == 3 else "L")
        except _UNREADABLE as error:
            reason = f"{path}: cannot be read ({error})"
            if self.corrupt == "raise":
                raise ValueError(
                    f"{reason}; ImageFolderDataModule with corrupt='skip' leaves such images out"
                ) from error
            warnings.warn(f"{reason}; left out", stacklevel=2)
            return None


def class_folders(folder: Path) -> list[str]:
    """Return the names of a folder's subfolders, sorted.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds none.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"root: no folder {folder}")
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    if not names:
        raise ValueError(f"root: {folder} holds no class folder")
    return names


def _by_class(folder: Path, classes: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return paths and labels of the images in class folders."""
    found = class_folders(folder)
    unknown = sorted(set(found) - set(classes))
    if unknown:
        raise ValueError(f"root: {folder / unknown[0]} is no class of the training folder")
    names, labels = [], []
    for label, name in enumerate(classes):
        images = _images(folder / name) if name in found else []
        if name in found and not images:
            raise ValueError(f"root: {folder / name} holds no image")
        names += images
        labels += [label] * len(images)
    return names, labels


def _all(folder: Path) -> tuple[list[str], list[int]]:
    """Return paths of all images below a folder, and labels of 0."""
    if not folder.is_dir():
        raise FileNotFoundError(f"predict_folder: no folder {folder}")
    names = _images(folder)
    if not names:
        raise ValueError(f"predict_folder: {folder} holds no image")
    return names, [0] * len(names)


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
    width, height = image.size
    left, top, right, bottom = box
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for a fraction of the time.
    image.draft(mode, (round(size * width / (right - left)), round(size * height / (bottom - top))))
    x, y = image.size[0] / width, image.size[1] / height
    scaled = (left * x, top * y, right * x, bottom * y)
    part = image.convert(mode).resize((size, size), Image.Resampling.BILINEAR, box=scaled)
    return np.atleast_3d(np.asarray(part)).transpose(2, 0, 1)


def _images(folder: Path) -> list[str]:
    """Return paths of the images below a folder, following links, each folder once.

    Only regular files are listed: opening a pipe would block forever.
    """
    found: list[str] = []
    _collect(os.fspath(folder), set(), found)
    return sorted(found)


def _collect(folder: str, seen: set[str], found: list[str]) -> None:
    real = os.path.realpath(folder)
    if real in seen:  # links can form cycles
        return
    seen.add(real)
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                _collect(entry.path, seen, found)
            elif entry.name.lower().endswith(IMG_EXTENSIONS) and entry.is_file():
                found.append(entry.path)
