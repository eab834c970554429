"""Images below a folder and their classes, by name alone; and which files are copies."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets.folder import IMG_EXTENSIONS


class Listing(NamedTuple):
    """What lies below a folder."""

    images: list[str]
    """Paths, sorted."""
    labels: list[int]
    """Label of each."""
    others: list[str]
    """Paths of files that are no images by their ending; hidden ones among them."""


def class_folders(folder: Path) -> list[str]:
    """Return the names of a folder's subfolders, sorted, but for hidden ones.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds none.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"root: no folder {folder}")
    names = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))
    if not names:
        raise ValueError(f"root: {folder} holds no class folder: expected {folder}/<class>/<image>")
    return names


def images_by_class(folder: Path, classes: Sequence[str]) -> Listing:
    """List the images in class folders.

    Args:
        folder: folder with a subfolder for some or all of the classes.
        classes: names in the order of the labels.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a subfolder is no class, or holds no image.
    """
    found = class_folders(folder)
    unknown = sorted(set(found) - set(classes))
    if unknown:
        raise ValueError(f"root: {folder / unknown[0]} is no class of the training folder")
    listing = Listing([], [], [])
    for label, name in enumerate(classes):
        images, others = _files(folder / name) if name in found else ([], [])
        if name in found and not images:
            raise ValueError(f"root: {folder / name} holds no image: remove it, or fill it")
        listing.images.extend(images)
        listing.labels.extend([label] * len(images))
        listing.others.extend(others)
    return listing


def all_images(folder: Path) -> Listing:
    """List all images below a folder, with labels of 0.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"predict_folder: no folder {folder}")
    images, others = _files(folder)
    if not images:
        raise ValueError(f"predict_folder: {folder} holds no image")
    return Listing(images, [0] * len(images), others)


def first_copies(paths: Sequence[Path]) -> list[int]:
    """Return, for every file, the index of the first one with the same content.

    Only files of equal size are read.
    """
    by_size = defaultdict(list)
    for index, path in enumerate(paths):
        by_size[path.stat().st_size].append(index)
    first = list(range(len(paths)))
    for indices in by_size.values():
        if len(indices) > 1:
            seen: dict[bytes, int] = {}
            for index in indices:
                with paths[index].open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
                first[index] = seen.setdefault(content, index)
    return first


def _files(folder: Path) -> tuple[list[str], list[str]]:
    """Return paths of the images and of the other files below a folder.

    Links are followed, each folder once. Only regular files are listed: opening a pipe would block
    forever.
    """
    images: list[str] = []
    others: list[str] = []
    _collect(os.fspath(folder), set(), images, others)
    return sorted(images), sorted(others)


def _collect(folder: str, seen: set[str], images: list[str], others: list[str]) -> None:
    real = os.path.realpath(folder)
    if real in seen:  # links can form cycles
        return
    seen.add(real)
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                _collect(entry.path, seen, images, others)
            elif entry.is_file():
                # Some systems leave `._photo.jpg` beside a photo: notes, not an image.
                image = entry.name.lower().endswith(IMG_EXTENSIONS) and entry.name[0] != "."
                (images if image else others).append(entry.path)
