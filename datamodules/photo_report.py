"""The report on a folder of photos, and the file that says which photo is in which part."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from datamodules.dataset import SplitDataset
from datamodules.files import write_text

_NAMED = 5  # files


def photo_report(
    folder: Path,
    per_class: Sequence[int],
    size: int,
    parts: Mapping[str, int],
    unreadable: Sequence[str],
    others: Sequence[str],
    copies: int,
) -> str:
    """Say in one paragraph what was found in a folder of photos.

    Args:
        folder: where.
        per_class: photos of each class.
        size: height and width at which they are read.
        parts: photos by what they are for.
        unreadable: photos that were left out.
        others: files that are no images by their ending.
        copies: number of photos that are copies of others.
    """
    least, most = min(per_class), max(per_class)
    each = str(most) if least == most else f"{least} to {most}"
    uses = ", ".join(f"{count} for {part}" for part, count in parts.items() if count)
    sentences = [
        f"{folder}: {sum(per_class)} images in {len(per_class)} classes ({each} a class), read at "
        f"{size}×{size}: {uses}."
    ]
    if unreadable:
        sentences.append(f"Cannot be read and left out: {_named(unreadable)}.")
    if others:
        sentences.append(f"No images by their ending: {_named(others)}.")
    if copies:
        sentences.append(f"{copies} are copies of others and share a part with them.")
    return " ".join(sentences)


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    return ", ".join(files[:_NAMED]) + more


def write_split(path: Path, parts: Mapping[str, SplitDataset]) -> None:
    """Write a CSV of all images, by path below their folder, and their part, atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "part"])
    for part, data in parts.items():
        writer.writerows([data.source.name(i), part] for i in data.indices.tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
