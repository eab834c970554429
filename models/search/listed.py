"""Architectures that a file lists, as the candidates of a search."""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from models.benchmarks import read_csv, table_path
from models.spaces import SearchSpace


def draw_listed(
    space: SearchSpace, listed: str, samples: int | None, generator: torch.Generator
) -> list[Any]:
    """Draw `samples` different architectures of a CSV file; all of them, in its order, if None.

    Args:
        space: what they are architectures of.
        listed: `file.csv#column`; where an architecture takes several columns,
            `file.csv#column,column`, see `read_csv`.
        samples: how many.
        generator: the only source of randomness; it advances.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no column is named, the file is no table of the space, or lists fewer.
    """
    path, _, columns = listed.rpartition("#")
    if not path or not columns:
        raise ValueError(
            f"architectures: expected file.csv#column, or several columns, got {listed!r}"
        )
    names = columns.split(",")
    table = read_csv(table_path(path), names if len(names) > 1 else names[0], {})
    found = table.architectures(space)
    if samples is None:
        return found
    if not 1 <= samples <= len(found):
        raise ValueError(
            f"samples: expected 1 to {len(found)}, the architectures of {path}, got {samples}"
        )
    return [found[i] for i in torch.randperm(len(found), generator=generator)[:samples].tolist()]


def digest_of(space: SearchSpace, architectures: Sequence[Any]) -> str:
    """Return what tells lists of architectures apart, for settings that name no file."""
    text = "\n".join(map(space.format, architectures))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
