"""Tables of published accuracies, one row per architecture."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from models.spaces import SearchSpace

Rows = Mapping[str, Mapping[str, float]]
"""Architecture as its space writes it, to dataset, to accuracy in per cent."""


class AccuracyTable:
    """Accuracies of trained architectures, by the text of the architecture.

    Isomorphic architectures are separate rows.

    Args:
        rows: at least one architecture, each with an accuracy for some of the datasets.
        source: where they come from, for messages.

    Attributes:
        datasets: names of the accuracies.
    """

    def __init__(self, rows: Rows, source: str = "table") -> None:
        self.source = source
        self._rows = rows
        self.datasets = tuple(dict.fromkeys(name for row in rows.values() for name in row))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, architecture: str) -> bool:
        return architecture in self._rows

    def __getitem__(self, architecture: str) -> Mapping[str, float]:
        """Return the accuracies by dataset. Raises ValueError for what the table lacks."""
        if architecture not in self._rows:
            raise ValueError(f"path: {self.source} has no architecture {architecture}")
        return self._rows[architecture]

    def rank(self, architecture: str, dataset: str) -> int:
        """Return 1 for the most accurate; equal accuracies share a rank."""
        own = self[architecture][dataset]
        return 1 + sum(row.get(dataset, -math.inf) > own for row in self._rows.values())

    def look_up(self, architecture: str) -> dict[str, float]:
        """Return `<dataset>_accuracy` and `<dataset>_rank`; errors as `[]`."""
        figures: dict[str, float] = {}
        for name, accuracy in self[architecture].items():
            figures[f"{name}_accuracy"] = accuracy
            figures[f"{name}_rank"] = float(self.rank(architecture, name))
        return figures

    def check_space(self, space: SearchSpace) -> None:
        """Raise ValueError unless the table's architectures are written as the space's are."""
        self._parsed(space, next(iter(self)))

    def of(self, space: SearchSpace) -> "AccuracyTable":
        """Return the table with each architecture as `space.format` writes it.

        Rows of one architecture, such as matrices of NAS-Bench-101 that differ in what is pruned,
        become one, with the mean of their accuracies.

        Raises:
            ValueError: an architecture that is none of the space.
        """
        groups: dict[str, list[Mapping[str, float]]] = {}
        for text, row in self._rows.items():
            groups.setdefault(space.format(self._parsed(space, text)), []).append(row)
        return AccuracyTable({text: _mean(rows) for text, rows in groups.items()}, self.source)

    def architectures(self, space: SearchSpace) -> list[Any]:
        """List the different architectures in the order of the rows. Raises ValueError as `of`."""
        return list(dict.fromkeys(self._parsed(space, text) for text in self))

    def _parsed(self, space: SearchSpace, text: str) -> Any:
        try:
            return space.parse(text)
        except ValueError as error:
            raise ValueError(
                f"path: {self.source} is no table of the space {space.name}: {error}"
            ) from None


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: fmean(row[name] for row in rows if name in row) for name in names}


def read_csv(
    path: Path, architecture: str | Sequence[str], columns: Mapping[str, str]
) -> AccuracyTable:
    """Read a table from a CSV file with a header.

    A field may be empty: that architecture has no accuracy on that dataset; one that has none at
    all is left out. Rows of one text are one, of their mean accuracy.

    Args:
        path: the file.
        architecture: the column of architectures; or several, each of JSON, of which the text is
            a JSON object by column.
        columns: dataset to the column of its accuracy, in per cent; none for the architectures
            alone.

    Raises:
        ValueError: no CSV, or a column, a number or all rows are missing.
    """
    try:
        rows = _rows(
            path, [architecture] if isinstance(architecture, str) else architecture, columns
        )
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"path: {path} is no CSV: {error}") from None
    if not rows:
        raise ValueError(f"path: {path} has no rows")
    return AccuracyTable(rows, path.name)


def _rows(
    path: Path, architecture: Sequence[str], columns: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    rows: dict[str, list[dict[str, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {*architecture, *columns.values()} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"path: {path} has no column {', '.join(sorted(missing))}")
        for row in reader:
            where = f"path: {path}, line {reader.line_num}"
            try:
                # A short row has None where fields are missing, which float refuses.
                accuracies = {
                    name: float(row[column])
                    for name, column in columns.items()
                    if row[column] != ""
                }
                if not all(map(math.isfinite, accuracies.values())):
                    raise ValueError
            except (TypeError, ValueError):
                raise ValueError(
                    f"{where}: expected a number in {', '.join(columns.values())}"
                ) from None
            if accuracies or not columns:
                rows.setdefault(_text(row, architecture, where), []).append(accuracies)
    return {text: _mean(own) for text, own in rows.items()}


def _text(row: Mapping[str, str], architecture: Sequence[str], where: str) -> str:
    """Return an architecture from its column or columns."""
    if len(architecture) == 1:
        return row[architecture[0]]
    fields: dict[str, Any] = {}
    for column in architecture:
        try:
            fields[column] = json.loads(row[column])
        except (TypeError, ValueError, RecursionError):
            raise ValueError(
                f"{where}: expected JSON in {column}, got {row[column]!r:.60}"
            ) from None
    return json.dumps(fields)
